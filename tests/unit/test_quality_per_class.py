from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest

from autolabel.quality import machine
from autolabel.quality.machine import MachineDesign
from autolabel.quality.per_class import PerClassDesign, certify, class_level, plan_per_class


def pool(classes, size, seed=0, scale=0.05):
    rng = np.random.default_rng(seed)
    probability = np.sort(rng.beta(0.3, 6.0, size)) * scale / 0.05
    return rng.integers(0, classes, size), np.minimum(1.0, probability)


def outcomes(design, wrong):
    """Of every audit of a class: whether machine labels are granted, and whether too many of them are wrong."""
    granted, broken = [], []
    for drawn in combinations(range(design.region), design.audits):
        ranks = np.asarray(drawn)
        found = machine.certify(design, ranks, wrong[ranks])
        bad = np.delete(wrong, ranks)[: found.machine_labeled].sum()
        granted.append(found.granted)
        broken.append(bool(found.machine_labeled) and bad > design.error * found.machine_labeled)
    return np.asarray(granted), np.asarray(broken)


def test_by_enumeration_independent_classes_attain_at_most_delta():
    delta = 0.5
    design = MachineDesign.of(error=0.3, delta=class_level(delta, 2), region=8, audits=6, floors=[2])
    worst = max(outcomes(design, np.arange(8) >= front)[1].mean() for front in range(9))
    assert 0 < 1 - (1 - worst) ** 2 <= delta


def test_by_enumeration_holms_procedure_breaks_the_promise():
    """Seven objects a class, five right ones in front, no error allowed: a certified class hands its level on."""
    delta, wrong = 0.3, np.arange(7) >= 5

    def at(level):
        return outcomes(MachineDesign.of(error=0.0, delta=level, region=7, audits=6, floors=[1]), wrong)

    (granted, broken), (_, broken_later) = at(delta / 2), at(delta)
    one_broken = broken[:, None] | broken[None, :]
    second_later = granted[:, None] & ~granted[None, :] & broken_later[None, :]
    holm = (one_broken | second_later | second_later.T).mean()
    assert holm > 1.4 * delta
    _, safe = at(class_level(delta, 2))
    assert (safe[:, None] | safe[None, :]).mean() <= delta


def test_levels_multiply_to_the_confidence():
    for classes in (1, 2, 200):
        assert (1 - class_level(0.05, classes)) ** classes == pytest.approx(0.95)
        assert class_level(0.05, classes) >= 0.05 / classes


def test_large_classes_are_certified_and_small_ones_go_to_people():
    predicted, probability = pool(3, 6_000)
    predicted = np.append(predicted, [7, 7, 7])
    probability = np.append(probability, [0.0, 0.0, 0.0])
    design = plan_per_class(predicted, probability, error=0.05, delta=0.05)
    assert [number for number, _ in design.classes] == [0, 1, 2]
    assert design.small == (7,)
    audits = design.draw(np.random.default_rng(0))
    assert all(len(audits[number]) == one.audits for number, one in design.classes)
    outcome = certify(design, audits, {number: np.zeros(len(ranks), dtype=bool) for number, ranks in audits.items()})
    assert outcome.machine_labeled == sum(found.machine_labeled for _, found in outcome.classes) > 3_000
    assert outcome.sentence.startswith(
        "With 95 % confidence at most 5 % of the machine labels of every predicted class"
    )
    assert f"classes with machine labels: 3 with {outcome.machine_labeled:,}, people label 1 more;" in outcome.sentence
    refused = certify(design, audits, {number: np.ones(len(ranks), dtype=bool) for number, ranks in audits.items()})
    assert refused.machine_labeled == 0
    assert refused.sentence.startswith("No machine label is certified: the audit found")


def test_one_class_is_the_machine_contract():
    _, probability = pool(1, 3_000)
    design = plan_per_class(np.zeros(3_000, dtype=int), probability, error=0.05, delta=0.05)
    assert design.classes[0][1].delta == pytest.approx(0.05)


def test_a_hundred_classes_of_which_few_can_be_certified():
    predicted, probability = pool(100, 2_000)
    predicted[:1_400] = np.arange(1_400) % 2
    design = plan_per_class(predicted, probability, error=0.05, delta=0.05)
    assert {number for number, _ in design.classes} >= {0, 1}
    assert len(design.small) + len(design.classes) == 100


@pytest.mark.parametrize("size", [0, 3])
def test_nothing_large_enough_is_said_in_words(size):
    design = plan_per_class(np.zeros(size, dtype=int), np.zeros(size), error=0.05, delta=0.05)
    assert design.classes == ()
    assert certify(design, {}, {}).sentence == (
        "No machine label is certified: no class is large and sure enough to certify 5 %."
    )


def test_a_design_comes_back_from_json():
    design = plan_per_class(*pool(2, 2_000), error=0.1, delta=0.05)
    assert len(design.classes) == 2
    assert PerClassDesign.from_json(json.loads(json.dumps(design.to_json()))) == design

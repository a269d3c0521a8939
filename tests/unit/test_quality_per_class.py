from __future__ import annotations

import json
from itertools import combinations, product

import numpy as np
import pytest

from autolabel.quality.contract import Contract, Quality
from autolabel.quality.design import Frozen, Room
from autolabel.quality.look import plan_look
from autolabel.quality.machine import MachineDesign
from autolabel.quality.per_class import PerClassDesign, class_level
from autolabel.quality.planner import Budget, Calibration, Prices, Situation

ANY_ROOM = Room(0, Budget())


def pool(classes, size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, size), rng.beta(0.3, 6.0, size)


def plan(predicted, probability, *, error=0.05, budget=None):
    """The frozen order and the planned design."""
    frozen = Frozen.of(np.arange(len(predicted)), np.asarray(predicted), np.asarray(probability, dtype=float))
    situation = Situation(0, Prices(1.0, 0.0), budget or Budget(), Calibration(1.0, 0.8, 1.2))
    return frozen, plan_look(frozen, Quality(error, contract=Contract.PER_CLASS), situation)


def outcomes(design, wrong):
    """Of every audit of a class: whether machine labels are granted, and whether too many of them are wrong."""
    granted, broken = [], []
    for drawn in combinations(range(design.region), design.audits):
        ranks = np.asarray(drawn)
        found = design.certify(ranks, wrong[ranks])
        bad = np.delete(wrong, ranks)[: found.machine_labeled].sum()
        granted.append(found.machine_labeled > 0)
        broken.append(bool(found.machine_labeled) and bad > design.error * found.machine_labeled)
    return np.asarray(granted), np.asarray(broken)


def test_by_enumeration_independent_classes_attain_at_most_delta():
    delta = 0.5
    design = MachineDesign.of(error=0.3, delta=class_level(delta, 2), region=8, audits=6, floors=[2])
    worst = max(outcomes(design, np.asarray(pattern))[1].mean() for pattern in product([False, True], repeat=8))
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
    frozen, found = plan(np.append(predicted, [7, 7, 7]), np.append(probability, [0.0, 0.0, 0.0]))
    design = found.design
    assert [number for number, _ in design.classes] == [0, 1, 2]
    ranks = design.draw(frozen, np.random.default_rng(0))
    assert len(ranks) == design.audits == sum(one.audits for _, one in design.classes)
    outcome = design.walk(frozen, ranks, np.zeros(len(ranks)), ANY_ROOM)
    assert [walk.predicted for walk in outcome.walks] == [0, 1, 2, 7]
    assert len(outcome.machine_ranks) == sum(walk.machine_labeled for walk in outcome.walks) > 3_000
    assert outcome.walks[-1].reason == "too few objects, or too unsure ones, to be worth an audit"
    refused = design.walk(frozen, ranks, np.ones(len(ranks)), ANY_ROOM)
    assert len(refused.machine_ranks) == 0
    assert "the audit found" in refused.reason


def test_machine_labels_lie_before_the_stop_of_their_own_class():
    """One class is predicted well, the other badly: the walk of the good one goes on where the bad one's stopped."""
    frozen, found = plan(*pool(2, 8_000))
    design = found.design
    ranks = design.draw(frozen, np.random.default_rng(1))
    bad = (frozen.predicted == 1) & (np.arange(len(frozen)) > 3_000)
    outcome = design.walk(frozen, ranks, bad[ranks].astype(float), ANY_ROOM)
    labeled = np.zeros(len(frozen), dtype=bool)
    labeled[outcome.machine_ranks] = True
    assert not labeled[ranks].any()
    for walk in outcome.walks:
        own = np.flatnonzero(frozen.predicted == walk.predicted)
        before, behind = own[: walk.stop_rank], own[walk.stop_rank :]
        assert labeled[before].sum() == walk.machine_labeled == len(np.setdiff1d(before, ranks))
        assert not labeled[behind].any()
    assert outcome.walks[0].stop_rank > 2 * outcome.walks[1].stop_rank


@pytest.mark.parametrize("most", [0, 10, 500, 1_500, 2_500, 4_000])
def test_where_there_is_not_room_for_all_classes_the_largest_keep_their_promise(most):
    frozen, found = plan(*pool(3, 6_000))
    ranks = found.design.draw(frozen, np.random.default_rng(0))
    outcome = found.design.walk(frozen, ranks, np.zeros(len(ranks)), Room(0, Budget(labels=most)))
    assert len(outcome.machine_ranks) <= most
    assert found.design.holds(outcome.walks, 0)
    for walk in outcome.walks:
        assert walk.machine_labeled == 0 or walk.machine_labeled >= walk.promised
    if most >= 1_500:
        assert len(outcome.machine_ranks) > 0.5 * most


def test_one_class_is_the_machine_contract():
    _, probability = pool(1, 3_000)
    _, found = plan(np.zeros(3_000, dtype=int), probability)
    assert found.design.classes[0][1].delta == pytest.approx(0.05)


def test_a_hundred_classes_of_which_few_can_be_certified():
    predicted, probability = pool(100, 2_000)
    predicted[:1_400] = np.arange(1_400) % 2
    frozen, found = plan(predicted, probability)
    certified = {number for number, _ in found.design.classes}
    assert certified >= {0, 1}
    assert len(certified) < 10
    levels = {one.delta for _, one in found.design.classes}
    assert levels == {class_level(0.05, len(certified))}
    assert found.design.again(frozen, error=0.05, delta=0.05) == found.design


def test_a_budget_for_people_takes_the_classes_that_give_most():
    _, rich = plan(*pool(6, 12_000))
    _, poor = plan(*pool(6, 12_000), budget=Budget(human_labels=rich.design.audits // 2))
    assert 0 < poor.design.audits <= rich.design.audits // 2
    assert 0 < poor.machine < rich.machine


@pytest.mark.parametrize("size", [0, 3])
def test_nothing_large_enough_is_said_in_words(size):
    frozen, found = plan(np.zeros(size, dtype=int), np.zeros(size))
    assert found.design.classes == ()
    outcome = found.design.walk(frozen, np.empty(0, np.int64), np.empty(0), ANY_ROOM)
    assert outcome.reason == "the forecast expected machine labels to save nothing"


def test_a_design_comes_back_from_json():
    _, found = plan(*pool(2, 2_000), error=0.1)
    assert len(found.design.classes) == 2
    assert PerClassDesign.from_json(json.loads(json.dumps(found.design.to_json()))) == found.design

"""What holds of a look of every contract, whatever the numbers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autolabel.quality.contract import Contract, Quality
from autolabel.quality.dataset import DatasetDesign
from autolabel.quality.design import Frozen, Room
from autolabel.quality.look import design_from_json, design_to_json, plan_look
from autolabel.quality.machine import MachineDesign
from autolabel.quality.per_class import PerClassDesign, class_level
from autolabel.quality.planner import Budget, Calibration, Prices, Situation

ERRORS = st.sampled_from([0.0, 0.02, 0.1, 0.3])
DELTAS = st.sampled_from([1e-6, 0.05, 0.3, 0.7])
ROOM = Room(0, Budget())


@st.composite
def machine_designs(draw, size, error, delta):
    region = draw(st.integers(1, size))
    audits = draw(st.integers(0, region - 1))
    floors = draw(st.lists(st.integers(1, region - audits), max_size=4))
    return MachineDesign.of(error=error, delta=delta, region=region, audits=audits, floors=floors)


@st.composite
def looks(draw):
    """A frozen order with ties, a design of any contract, its audit, and losses."""
    size, classes = draw(st.integers(3, 60)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    probability = np.round(rng.random(size) * 0.4, draw(st.sampled_from([1, 6])))
    frozen = Frozen.of(np.arange(size), rng.integers(0, classes, size), probability)
    error, delta, contract = draw(ERRORS), draw(DELTAS), draw(st.sampled_from(list(Contract)))
    if contract is Contract.DATASET:
        design = DatasetDesign.of(
            error=error, delta=delta, promised_labels=draw(st.integers(1, 2 * size)), remainder=size,
            audits=draw(st.integers(0, size)),
        )  # fmt: skip
    elif contract is Contract.MACHINE:
        design = draw(machine_designs(size, error, delta))
    else:
        numbers, counts = np.unique(frozen.predicted, return_counts=True)
        chosen = [number for number in range(len(numbers)) if draw(st.booleans())]
        level = class_level(delta, max(1, len(chosen)))
        design = PerClassDesign(error, delta, tuple(
            (int(numbers[place]), draw(machine_designs(int(counts[place]), error, level))) for place in chosen
        ))  # fmt: skip
    ranks = design.draw(frozen, rng)
    losses = (rng.random(len(ranks)) < draw(st.sampled_from([0.0, 0.05, 0.3, 1.0]))).astype(float)
    return frozen, design, ranks, losses


def labeled_by_class(outcome):
    return {walk.predicted: walk.machine_labeled for walk in outcome.walks}


@settings(deadline=None)
@given(looks())
def test_a_design_follows_from_its_sizes_and_comes_back_from_json(look):
    frozen, design, ranks, _ = look
    assert design.again(frozen, error=design.error, delta=design.delta) == design
    assert design_from_json(json.loads(json.dumps(design_to_json(design)))) == design
    assert len(ranks) == design.audits == len(set(ranks.tolist()))
    assert ranks.tolist() == sorted(ranks.tolist())


@settings(deadline=None)
@given(looks(), st.one_of(st.none(), st.integers(0, 60)))
def test_walks_and_machine_labels_say_the_same_and_keep_the_promise(look, most):
    frozen, design, ranks, losses = look
    outcome = design.walk(frozen, ranks, losses, Room(0, Budget(labels=most)))
    machine = outcome.machine_ranks
    assert len(machine) <= (len(frozen) if most is None else most)
    assert not set(machine.tolist()) & set(ranks.tolist())
    assert (np.diff(machine) > 0).all()
    assert (outcome.reason == "") == (len(machine) > 0)
    assert outcome.audit_errors == losses.sum()
    assert sum(walk.machine_labeled for walk in outcome.walks) == len(machine)
    assert sum(walk.audited for walk in outcome.walks) == design.audits
    for walk in outcome.walks:
        own = np.arange(len(frozen)) if walk.predicted is None else np.flatnonzero(frozen.predicted == walk.predicted)
        assert walk.objects == len(own)
        assert np.isin(machine, own[: walk.stop_rank]).sum() == walk.machine_labeled
        assert walk.wrong_at_most <= walk.machine_labeled
        assert (walk.reason == "") == (walk.machine_labeled > 0)
        if design.contract is not Contract.DATASET:
            assert walk.wrong_at_most <= design.error * walk.machine_labeled + 1e-9
    assert design.holds(outcome.walks, 10**6)


@settings(deadline=None)
@given(looks(), st.data())
def test_another_error_another_silence_and_less_room_never_label_more(look, data):
    frozen, design, ranks, losses = look
    before = design.walk(frozen, ranks, losses, ROOM)
    worse = losses.copy()
    if len(worse):
        worse[data.draw(st.integers(0, len(worse) - 1))] = 1.0
    after = design.walk(frozen, ranks, worse, ROOM)
    assert set(after.machine_ranks.tolist()) <= set(before.machine_ranks.tolist())
    tight = design.walk(frozen, ranks, losses, Room(0, Budget(labels=data.draw(st.integers(0, 60)))))
    assert set(tight.machine_ranks.tolist()) <= set(before.machine_ranks.tolist())


@settings(deadline=None)
@given(looks(), st.sampled_from([1.0, 1.3, 4.0]))
def test_a_larger_delta_never_labels_less(look, factor):
    frozen, design, ranks, losses = look
    delta = min(0.99, factor * design.delta)
    looser = design.again(frozen, error=design.error, delta=delta)
    before = design.walk(frozen, ranks, losses, ROOM)
    after = looser.walk(frozen, ranks, losses, ROOM)
    for number, labeled in labeled_by_class(before).items():
        assert labeled_by_class(after)[number] >= labeled


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(list(Contract)), st.integers(0, 999), st.randoms(use_true_random=False))
def test_neither_the_order_that_objects_come_in_nor_their_numbers_change_a_plan(contract, seed, random):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(50, 800))
    predicted, probability = rng.integers(0, 2, size), np.round(rng.beta(0.3, 4.0, size), 2)
    shuffled = list(range(size))
    random.shuffle(shuffled)
    situation = Situation(30, Prices(1.0, 0.1), calibration=Calibration(1.0, 0.8, 1.3))
    one, two, far = (
        Frozen.of(numbers, predicted[places], probability[places])
        for numbers, places in (
            (np.arange(size), np.arange(size)),
            (np.asarray(shuffled), np.asarray(shuffled)),
            (7 * np.arange(size) + 3, np.arange(size)),
        )
    )
    assert one.objects.tolist() == two.objects.tolist()
    quality = Quality(0.1, 0.9, contract)
    plans = [plan_look(frozen, quality, situation) for frozen in (one, two, far)]
    assert plans[0] == plans[1] == plans[2]
    losses = np.zeros(plans[0].design.audits)
    outcomes = []
    for frozen in (one, two, far):
        ranks = plans[0].design.draw(frozen, np.random.default_rng(seed))
        outcomes.append(plans[0].design.walk(frozen, ranks, losses, ROOM).machine_ranks.tolist())
    assert outcomes[0] == outcomes[1] == outcomes[2]


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(list(Contract)), st.integers(0, 999), st.integers(0, 300), st.integers(0, 300))
@example(Contract.DATASET, 0, 79, 293)
def test_a_plan_stays_inside_any_budget_and_costs_no_more_than_people(contract, seed, human, labels):
    rng = np.random.default_rng(seed)
    frozen = Frozen.of(np.arange(300), rng.integers(0, 2, 300), rng.beta(0.3, 4.0, 300))
    situation = Situation(30, Prices(1.0, 0.1), Budget(human, labels), Calibration(1.0, 0.8, 1.3), may_fail=3)
    for quality in (Quality(0.1, 0.9, contract), Quality(0.0, 0.5, contract)):
        found = plan_look(frozen, quality, situation)
        assert found.design.audits + found.rest <= min(human, labels)
        assert found.design.audits + found.rest + found.machine <= labels
        assert found.cost <= 330 + 1e-9
        rich = plan_look(frozen, quality, replace(situation, budget=Budget()))
        left = found.unlabeled * situation.prices.human  # what a budget leaves without a label costs nothing
        assert rich.cost <= found.cost + left + 1e-9 or contract is not Contract.DATASET

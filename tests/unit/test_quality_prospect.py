"""Buying labels before the look, or looking now."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from autolabel.quality.contract import Contract, Quality
from autolabel.quality.design import Frozen
from autolabel.quality.look import plan_look
from autolabel.quality.planner import Budget, Calibration, Prices, Situation
from autolabel.quality.prospect import (
    AHEAD,
    LEAST_SHARE,
    STEEPEST,
    USUAL_EXPONENT,
    Decision,
    Learning,
    Prospect,
    decide,
    prospects,
)

PRICES = Prices(human=0.1, machine=0.01)
EXACT = Calibration(1.0, 1.0, 1.0)


def frozen(errors):
    errors = np.sort(np.asarray(errors, dtype=float))
    return Frozen(np.arange(len(errors)), np.arange(len(errors)) % 2, errors)


def ahead(errors, *, quality=None, labeled=500, budget=None, exponent=0.3, batch=100, **changes):
    situation = Situation(labeled, PRICES, budget or Budget(), EXACT)
    return prospects(
        frozen(errors), quality or Quality(), situation, batch=batch, exponent=exponent, **changes
    ), situation


def now(errors, situation):
    return Prospect.of(0, plan_look(frozen(errors), Quality(), situation))


def test_a_bad_model_buys_and_a_good_one_looks():
    bad, good = np.linspace(0, 0.9, 5000), np.linspace(0, 0.02, 5000)
    for errors, expected in ((bad, Decision.BUY), (good, Decision.LOOK)):
        found, situation = ahead(errors)
        decision, best = decide(now(errors, situation), found, labeled=500, objects=5500, can_buy=True)
        assert decision is expected
        assert (best.bought > 0) == (expected is Decision.BUY)


def test_what_is_bought_counts_among_the_labels_by_people():
    for prospect in ahead(np.full(3000, 1e-6))[0]:
        assert prospect.human_total >= 500 + prospect.bought
        assert prospect.human_total + prospect.machine == 3500


def test_a_steeper_learning_curve_never_makes_the_job_dearer():
    errors = np.random.default_rng(0).beta(0.4, 2.0, 4000)
    costs = [[each.cost for each in ahead(errors, exponent=exponent)[0]] for exponent in (0.0, 0.2, 0.5, 1.0)]
    for flat, steep in itertools.pairwise(costs):
        assert all(b <= a + 1e-9 for a, b in zip(flat, steep, strict=True))
    assert costs[-1][-1] < costs[0][-1]


def test_each_batch_ahead_pays_its_training():
    errors = np.linspace(0, 0.3, 3000)
    free, paid = (ahead(errors, training_price=price)[0] for price in (0.0, 2.0))
    assert [b.cost - a.cost for a, b in zip(free, paid, strict=True)] == pytest.approx(
        [2.0 * batches for batches in AHEAD]
    )


def test_nothing_is_looked_at_beyond_pool_and_budget():
    assert [each.bought for each in ahead(np.full(450, 0.1))[0]] == [100, 200, 400]
    found, _ = ahead(np.full(4000, 0.1), budget=Budget(human_labels=350), most=250)
    assert [each.bought for each in found] == [100, 200]
    assert ahead(np.empty(0))[0] == []


@pytest.mark.parametrize("contract", list(Contract))
def test_every_contract_can_be_looked_ahead(contract):
    found, _ = ahead(np.linspace(0, 0.2, 3000), quality=Quality(contract=contract))
    assert len(found) == len(AHEAD)
    assert all(0 <= each.machine <= 3000 - each.bought for each in found)


def test_the_first_labels_are_bought_whatever_a_forecast_on_few_of_them_says():
    errors = np.full(2000, 1e-6)
    found, situation = ahead(errors, labeled=40, batch=40)
    few = int(LEAST_SHARE * 2040) - 1
    decision, best = decide(now(errors, situation), found, labeled=few, objects=2040, can_buy=True)
    assert decision is Decision.BUY
    assert best in found
    assert decide(now(errors, situation), found, labeled=few + 5, objects=2040, can_buy=True)[0] is Decision.LOOK


def test_without_means_to_buy_the_job_looks():
    errors = np.linspace(0, 0.9, 5000)
    found, situation = ahead(errors)
    today = now(errors, situation)
    assert decide(today, found, labeled=500, objects=5500, can_buy=False) == (Decision.LOOK, today)


def test_the_exponent_is_learned_from_objects_that_stayed():
    assert Learning().exponent == pytest.approx(USUAL_EXPONENT)
    found = Learning()
    for before, after in ((100, 200), (200, 400), (400, 800), (800, 1600)) * 20:
        found = found.and_then(labels=(before, after), errors=(100.0, 100.0 * 2**-0.6))
    assert found.exponent == pytest.approx(0.6, abs=0.01)
    assert Learning.from_json(found.to_json()) == found


def test_noise_of_late_rounds_hardly_moves_the_exponent_and_no_exponent_is_absurd():
    noisy = Learning()
    for fall in (0.8, 1.3, 0.9, 1.2):
        noisy = noisy.and_then(labels=(2000, 2040), errors=(100.0, 100.0 * fall))
    assert noisy.exponent == pytest.approx(USUAL_EXPONENT, abs=0.02)
    assert Learning(1e6, 1.0).exponent == STEEPEST
    assert Learning(-1e6, 1.0).exponent == 0.0

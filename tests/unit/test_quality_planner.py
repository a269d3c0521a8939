from __future__ import annotations

import numpy as np
import pytest

from autolabel.quality.contract import Contract, Quality
from autolabel.quality.design import Frozen
from autolabel.quality.look import plan_look
from autolabel.quality.planner import (
    USUAL_RATIO,
    Budget,
    Calibration,
    Prices,
    Situation,
    calibrate,
    sharpened,
)

PRICES = Prices(human=0.1, machine=0.01)


def forecast(errors, *, labeled=100, quality=None, prices=PRICES, budget=None, calibration=None):
    errors = np.asarray(errors, dtype=float)
    frozen = Frozen.of(np.arange(len(errors)), np.arange(len(errors)) % 2, errors)
    return plan_look(
        frozen, quality or Quality(), Situation(labeled, prices, budget or Budget(), calibration or Calibration())
    )


EVERY_CONTRACT = pytest.mark.parametrize("contract", list(Contract))


@EVERY_CONTRACT
def test_a_perfect_model_needs_only_a_small_clean_audit(contract):
    found = forecast(np.full(2000, 1e-6), quality=Quality(contract=contract))
    assert found.machine >= 1600
    assert found.human_total == 100 + found.design.audits + found.rest
    assert found.machine + found.human_total == 2100
    assert found.unlabeled == 0


def test_the_dataset_contract_lets_a_perfect_model_label_all_but_the_smallest_clean_audit():
    found = forecast(np.full(1000, 1e-6))
    assert found.design.allowed == 0
    assert found.machine == 1000 - found.design.audits


@EVERY_CONTRACT
def test_a_model_that_is_always_wrong_is_given_no_more_than_the_promise_allows(contract):
    found = forecast(np.ones(1000), quality=Quality(contract=contract), calibration=Calibration(1.0, 1.0, 1.0))
    assert found.machine <= 55
    assert found.human_total + found.machine == 1100


@EVERY_CONTRACT
def test_dear_machine_labels_are_not_bought(contract):
    found = forecast(np.full(1000, 1e-6), prices=Prices(human=0.1, machine=0.2), quality=Quality(contract=contract))
    assert found.machine == 0
    assert found.design.audits == 0
    assert found.cost == pytest.approx(0.1 * 1100)


@EVERY_CONTRACT
def test_better_predictions_never_make_the_forecast_dearer(contract):
    rng = np.random.default_rng(0)
    errors = rng.beta(0.5, 3.0, 2000)
    costs = [forecast(errors * scale, quality=Quality(contract=contract)).cost for scale in (1.0, 0.6, 0.3, 0.1)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0]


def test_a_human_budget_is_never_exceeded_and_its_promise_is_about_what_can_be_delivered():
    errors = np.linspace(0, 0.6, 5000)
    found = forecast(errors, budget=Budget(human_labels=400))
    assert found.design.audits + found.rest <= 400
    assert found.unlabeled > 0
    delivered = 100 + found.design.audits + found.rest + found.machine
    assert found.design.promised_labels <= delivered
    assert found.design.limit - 1 <= 0.05 * found.design.promised_labels


@EVERY_CONTRACT
@pytest.mark.parametrize("budget", [Budget(human_labels=400), Budget(labels=900), Budget(300, 700), Budget(0, 0)])
def test_budgets_bound_people_and_machine_under_every_contract(contract, budget):
    found = forecast(np.linspace(0, 0.2, 4000), budget=budget, quality=Quality(contract=contract))
    assert found.design.audits + found.rest <= budget.people
    if budget.labels is not None:
        assert found.design.audits + found.rest + found.machine <= budget.labels
    assert found.human_total + found.machine + found.unlabeled == 4100
    assert found.low <= found.human_total <= found.high


@EVERY_CONTRACT
def test_nothing_left_to_label_is_forecast_without_audit(contract):
    found = forecast(np.empty(0), quality=Quality(contract=contract))
    assert (found.machine, found.rest, found.design.audits) == (0, 0, 0)


def test_calibration_moves_towards_what_exploration_found_and_hardly_without_evidence():
    assert calibrate(0.0, 0).scale == pytest.approx(USUAL_RATIO)
    assert calibrate(1e6, 500_000).scale == pytest.approx(0.5, rel=0.01)
    found = calibrate(10.0, 30)
    assert found.low < found.scale < found.high


def test_scales_are_equally_probable_around_the_mean():
    assert Calibration(0.8, 0.8, 0.8).scales() == pytest.approx([0.8] * 5)
    wide = Calibration(0.8, 0.5, 1.2)
    assert (np.diff(wide.scales()) > 0).all()
    assert wide.scales().mean() == pytest.approx(0.8, rel=0.05)


def test_a_purchase_takes_from_every_budget():
    later = Situation(100, PRICES, Budget(human_labels=50, labels=80)).after(60)
    assert (later.labeled, later.budget) == (160, Budget(0, 20))
    assert Situation(100, PRICES).after(60).budget == Budget()


def test_sharpening_keeps_order_and_sum_and_takes_from_the_sure_what_it_gives_to_the_unsure():
    probability = np.asarray([0.5, 0.001, 0.02, 0.3, 0.0, 0.8, 0.02], np.float32)
    found = sharpened(probability)
    assert found.sum() == pytest.approx(probability.sum(), rel=1e-3)
    assert np.lexsort((np.arange(7), found)).tolist() == np.lexsort((np.arange(7), probability)).tolist()
    assert found[1] < probability[1]
    assert found[5] > probability[5]
    assert found[4] == 0.0
    assert 0.0 <= found.min() <= found.max() <= 1.0
    assert sharpened(np.ones(2)).tolist() == [1.0, 1.0]
    assert sharpened(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    assert sharpened(np.zeros(0)).tolist() == []

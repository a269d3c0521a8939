from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from autolabel.quality.audit import draw_audit
from autolabel.quality.machine import MachineDesign
from autolabel.quality.planner import LEAST_PASS
from autolabel.quality.region import forecast, plan_machine


def probabilities(size, seed=0):
    return np.sort(np.random.default_rng(seed).beta(0.3, 3.0, size))


def machine_labels(plan, probability, rng, runs):
    """Machine labels when predictions are wrong with the predicted probabilities."""
    found = []
    for _ in range(runs):
        wrong = rng.random(len(probability)) < probability
        ranks = draw_audit(plan.design.region, plan.design.audits, rng)
        found.append(plan.design.certify(ranks, wrong[ranks]).machine_labeled)
    return np.asarray(found)


@pytest.mark.parametrize(("size", "error"), [(2_000, 0.05), (10_000, 0.03), (10_000, 0.1)])
def test_a_plan_keeps_what_it_forecasts_when_predictions_are_calibrated(size, error):
    probability = probabilities(size)
    plan = plan_machine(probability, error=error, delta=0.05)
    found = machine_labels(plan, probability, np.random.default_rng(1), 300)
    assert plan.people == size - plan.machine
    assert plan.passing >= LEAST_PASS
    assert (found > 0).mean() >= plan.passing - 0.06
    # the forecast counts the certified floor, not how far its walk goes beyond
    assert 0.97 * plan.machine <= found.mean() <= 1.25 * plan.machine


def test_the_forecast_of_floors_is_exact_for_poisson_arrivals():
    design = MachineDesign.of(error=0.1, delta=0.1, region=4_000, audits=400, floors=[3_600, 3_000, 2_400, 1_600])
    cumulated = np.linspace(0.0, 190.0, 4_001)
    rng = np.random.default_rng(3)
    labels = np.asarray([floor.machine_labels for floor in design.floors])
    ranks = np.ceil(labels / 0.9).astype(int)
    for spread in (0.0, 0.3):
        scale = 1.0 if spread == 0.0 else rng.gamma(1 / spread**2, spread**2, (40_000, 1))
        steps = np.diff(np.append(0.0, cumulated[ranks][::-1] * 0.1)) * scale * np.ones((40_000, 1))
        counts = np.cumsum(rng.poisson(steps), axis=1)[:, ::-1]
        certified = counts <= [floor.allowed for floor in design.floors]
        best = np.where(certified.any(axis=1), labels[certified.argmax(axis=1)], 0)
        machine, passing = forecast(design, cumulated, spread)
        assert machine == pytest.approx(best.mean(), rel=0.02)
        assert passing == pytest.approx((best > 0).mean(), abs=0.02)


def test_a_plan_off_by_a_third_still_labels_most_of_what_a_right_one_does():
    probability = probabilities(10_000)
    rng = np.random.default_rng(2)
    right = machine_labels(plan_machine(probability, error=0.05, delta=0.05), probability, rng, 100).mean()
    for scale in (0.7, 1.3):
        off = plan_machine(np.minimum(1.0, probability * scale), error=0.05, delta=0.05, spread=0.2)
        assert machine_labels(off, probability, rng, 100).mean() >= 0.85 * right


def test_better_predictions_and_looser_promises_never_shrink_the_plan_by_much():
    probability = probabilities(2_000)
    by_quality = [plan_machine(probability * scale, error=0.05, delta=0.05).machine for scale in (1.0, 0.5, 0.0)]
    by_error = [plan_machine(probability, error=error, delta=0.05).machine for error in (0.02, 0.05, 0.2)]
    by_delta = [plan_machine(probability, error=0.05, delta=delta).machine for delta in (0.001, 0.05, 0.3)]
    for found in (by_quality, by_error, by_delta):
        assert all(after >= 0.97 * before for before, after in pairwise(found))


def test_an_audit_limit_is_kept():
    plan = plan_machine(probabilities(10_000), error=0.05, delta=0.05, most_audits=200)
    assert plan.design.audits <= 200
    assert plan.machine > 0


def test_a_limit_on_all_labels_shrinks_the_region_and_the_floors():
    probability = probabilities(10_000)
    for most in (500, 1_000, 3_000):
        plan = plan_machine(probability, error=0.05, delta=0.05, most_labels=most)
        assert plan.design.region <= most
        assert plan.design.audits + plan.design.floors[0].machine_labels <= most
        assert plan.machine > 0.2 * most


@pytest.mark.parametrize(
    "probability", [np.empty(0), np.zeros(1), np.full(5, 0.5), np.ones(1_000), np.zeros(10), probabilities(30)]
)
def test_what_cannot_be_certified_is_left_to_people_with_a_reason(probability):
    plan = plan_machine(probability, error=0.05, delta=0.05)
    assert plan.people == len(probability) - plan.machine
    if plan.design is None:
        assert plan.machine == 0
        assert "is likely to certify 5 % of machine labels" in plan.reason
    else:
        assert plan.design.can_certify


@pytest.mark.parametrize(("error", "delta"), [(0.0, 0.05), (0.05, 1e-9), (0.9, 0.5), (0.001, 0.999)])
def test_extreme_promises_are_planned_or_refused(error, delta):
    plan = plan_machine(np.sort(np.random.default_rng(0).random(500) * 0.2), error=error, delta=delta)
    if plan.design is not None:
        assert plan.design.violation_bound() <= delta


def test_a_million_perfect_predictions_need_a_small_audit():
    plan = plan_machine(np.zeros(1_000_000), error=0.05, delta=0.05)
    assert plan.machine > 0.99 * 1_000_000

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.optimize import rosen as rosenbrock
from scipy.optimize import rosen_der as rosenbrock_slope

from autolabel.learning.lbfgs import SHORTENINGS, minimise

USUAL = {"iterations": 1_000, "tolerance": 0.0, "flat": 1e-4}


def quadratic(bends, target):
    def objective(at):
        off = at - target
        return 0.5 * float(bends @ (off * off).astype(np.float64)), (bends * off).astype(np.float32)

    return objective


def log_sum_exp(rows, height):
    """Convex, smooth, and not at all a parabola far from its least value."""

    def objective(at):
        logits = rows @ at.astype(np.float64)
        top = logits.max()
        powers = np.exp(logits - top)
        share = powers / powers.sum()
        value = height * float(top + np.log(powers.sum())) + 0.5 * float(at @ at)
        return value, (height * (rows.T @ share) + at).astype(np.float32)

    return objective


@pytest.mark.parametrize("seed", range(5))
def test_a_quadratic_of_any_bends_has_its_least_value_at_the_target(seed):
    rng = np.random.default_rng(seed)
    bends, target = np.exp(rng.normal(size=50) * 2), rng.normal(size=50).astype(np.float32)
    found = minimise(quadratic(bends, target), 50, **USUAL)
    assert found.dtype == np.float32
    assert np.abs(found - target).max() < 0.01


@pytest.mark.parametrize("height", [0.1, 1.0, 100.0])
def test_it_goes_as_low_as_scipy_on_a_convex_function(height):
    objective = log_sum_exp(np.random.default_rng(1).normal(size=(80, 20)), height)
    ours = objective(minimise(objective, 20, **USUAL))[0]
    theirs = minimize(objective, np.zeros(20), jac=True, method="L-BFGS-B", options={"gtol": 1e-8}).fun
    assert ours <= theirs + 1e-4 * abs(theirs)


def test_it_finds_its_way_where_the_function_is_not_convex():
    def valley(at):
        wide = at.astype(np.float64)
        return float(rosenbrock(wide)), rosenbrock_slope(wide).astype(np.float32)

    assert minimise(valley, 2, **USUAL) == pytest.approx(np.ones(2), abs=0.01)


def test_every_step_goes_down_and_two_small_gains_end_it():
    objective, values = log_sum_exp(np.random.default_rng(2).normal(size=(40, 10)), 10.0), []

    def watched(at):
        value, slope = objective(at)
        values.append(value)
        return value, slope

    loose = objective(minimise(watched, 10, iterations=1_000, tolerance=1e-2, flat=0.0))[0]
    asked = len(values)
    tight = objective(minimise(watched, 10, iterations=1_000, tolerance=1e-6, flat=0.0))[0]
    assert tight < loose == min(values[:asked])
    assert asked < len(values) - asked


def test_iterations_are_counted():
    objective = log_sum_exp(np.random.default_rng(3).normal(size=(40, 10)), 10.0)
    lows = [objective(minimise(objective, 10, iterations=n, tolerance=0.0, flat=0.0))[0] for n in range(4)]
    assert lows[0] == objective(np.zeros(10, np.float32))[0]
    assert lows == sorted(lows, reverse=True)
    assert len(set(lows)) == 4


def test_a_flat_start_is_left_as_it_is():
    assert minimise(quadratic(np.ones(3), np.zeros(3, np.float32)), 3, **USUAL).tolist() == [0.0, 0.0, 0.0]


def test_a_slope_that_lies_ends_after_so_many_attempts():
    asked = []

    def uphill(at):
        asked.append(at.copy())
        return float(np.abs(at).sum()), np.ones_like(at)

    assert minimise(uphill, 3, **USUAL).tolist() == [0.0, 0.0, 0.0]
    assert len(asked) == 1 + SHORTENINGS


def test_the_slope_may_be_given_in_the_same_memory_every_time():
    bends, target, memory = np.asarray([1.0, 10.0, 100.0]), np.asarray([3.0, -2.0, 1.0], np.float32), np.empty(3, "f4")

    def objective(at):
        memory[:] = bends * (at - target)
        return 0.5 * float(bends @ ((at - target) ** 2)), memory

    assert minimise(objective, 3, **USUAL) == pytest.approx(target, abs=1e-3)

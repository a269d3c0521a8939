"""The theorem by simulation: the promise is broken at most as often as it says, whatever the errors look like."""

from __future__ import annotations

import numpy as np
import pytest

from autolabel.quality.audit import draw_audit, walk
from autolabel.quality.rule import allowed_errors, violation_bound, wrong_labels_that_break

RUNS = 20_000


def layouts(size, errors, rng):
    wrong = np.zeros(size, dtype=bool)
    front, back = wrong.copy(), wrong.copy()
    front[:errors], back[-errors:] = True, True
    uniform = wrong.copy()
    uniform[rng.choice(size, errors, replace=False)] = True
    weight = np.arange(1, size + 1, dtype=float)
    increasing = wrong.copy()
    increasing[rng.choice(size, errors, replace=False, p=weight / weight.sum())] = True
    blocks = (np.arange(size) // 25) % 4 == 3
    return {"front": front, "back": back, "uniform": uniform, "increasing": increasing, "blocks": blocks,
            "none": wrong, "all": ~wrong}  # fmt: skip


def violations(wrong, limit, audits, allowed, rng, runs):
    broken = 0
    for _ in range(runs):
        ranks = draw_audit(len(wrong), audits, rng)
        stop = walk(len(wrong), ranks, wrong[ranks], allowed).stop_rank
        audited_wrong = int(wrong[ranks[ranks < stop]].sum())
        broken += int(wrong[:stop].sum()) - audited_wrong >= limit
    return broken / runs


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("layout", ["front", "back", "uniform", "increasing", "blocks", "none", "all"])
def test_violations_stay_within_delta_and_meet_the_bound_when_errors_abound(layout):
    rng = np.random.default_rng(11)
    size, delta, audits = 600, 0.05, 120
    limit = wrong_labels_that_break(0.05, size)
    allowed = allowed_errors(size, limit, audits, delta)
    wrong = layouts(size, 90, rng)[layout]
    rate = violations(wrong, limit, audits, allowed, rng, RUNS)
    spread = 3 * np.sqrt(delta * (1 - delta) / RUNS)
    assert rate <= delta + spread
    if wrong.sum() >= limit + allowed:
        bound = violation_bound(size, limit, audits, allowed)
        assert rate == pytest.approx(bound, abs=3 * np.sqrt(bound * (1 - bound) / RUNS))


@pytest.mark.parametrize(("size", "error", "audits"), [(200, 0.1, 30), (400, 0.05, 80), (150, 0.02, 100)])
def test_violations_stay_within_delta_on_a_quick_sample(size, error, audits):
    rng = np.random.default_rng(5)
    limit = wrong_labels_that_break(error, size)
    allowed = allowed_errors(size, limit, audits, 0.1)
    for wrong in layouts(size, size // 5, rng).values():
        assert violations(wrong, limit, audits, allowed, rng, 1_000) <= 0.1 + 3 * np.sqrt(0.09 / 1_000)


def test_one_error_more_would_break_the_promise():
    """The rule is not just safe but tight: the next larger allowance violates delta."""
    rng = np.random.default_rng(2)
    size, delta, audits = 400, 0.05, 100
    limit = wrong_labels_that_break(0.05, size)
    allowed = allowed_errors(size, limit, audits, delta)
    rate = violations(np.ones(size, dtype=bool), limit, audits, allowed + 1, rng, 4_000)
    assert rate > delta

"""The rules of other strategies, against what their papers say, computed plainly."""

from __future__ import annotations

import numpy as np
import pytest

from autolabel.bench.rules import betting_threshold, conformal_selection, largest_share, tbal_threshold


@pytest.fixture
def seen():
    rng = np.random.default_rng(0)
    score = rng.random(300)
    return score, rng.random(300) < 0.3 * (1 - score)


def test_the_largest_share_is_the_largest_and_its_next_one_is_too_wrong(seen):
    score, wrong = seen
    least = largest_share(score, wrong, 0.05)
    assert wrong[score >= least].mean() <= 0.05
    for lower in score[score < least]:
        assert wrong[score >= lower].mean() > 0.05
    assert largest_share(score, np.ones(300, bool), 0.05) == float("inf")


def test_tbal_leaves_a_quarter_of_the_spread(seen):
    score, wrong = seen
    least = tbal_threshold(score, wrong, 0.1)
    rate = wrong[score >= least].mean()
    assert rate + 0.25 * np.sqrt(rate * (1 - rate)) <= 0.1
    assert least >= largest_share(score, wrong, 0.1)
    assert tbal_threshold(score[:0], wrong[:0], 0.1) == float("inf")


def test_the_betting_threshold_breaks_its_promise_seldom_and_asks_for_no_miracle():
    rng = np.random.default_rng(1)
    uncertainty = np.sort(rng.random(2_000))
    broken = machine = 0
    for _ in range(100):
        wrong = rng.random(2_000) < 0.4 * uncertainty**2
        drawn = rng.integers(0, 2_000, 400)
        least = betting_threshold(uncertainty, drawn, wrong[drawn], 0.05, 0.1)
        own = uncertainty < least
        broken += wrong[own].sum() > 0.05 * 2_000
        machine += own.mean()
    assert broken <= 20
    assert machine > 40


def test_conformal_selection_is_benjamini_hochberg_on_conformal_p_values():
    rng = np.random.default_rng(2)
    mislabeled, confidence = rng.random(12), rng.random(200)
    found = conformal_selection(mislabeled, 100, confidence, 0.1)
    p = np.asarray([(1 + (mislabeled >= each).sum()) / 101 for each in confidence])
    order = np.argsort(p, kind="stable")
    most = max((k for k in range(1, 201) if p[order[k - 1]] <= 0.1 * k / 200), default=0)
    assert 0 < most < 200
    assert found.tolist() == sorted(order[:most].tolist())

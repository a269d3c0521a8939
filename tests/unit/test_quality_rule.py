from __future__ import annotations

from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from scipy.stats import hypergeom

from autolabel.quality import hypergeometric
from autolabel.quality.audit import draw_audit, order_by_confidence, walk
from autolabel.quality.rule import (
    NOT_EVEN_ZERO,
    allowed_errors,
    allowed_errors_table,
    audits_needed,
    violation_bound,
    wrong_labels_that_break,
)


@pytest.mark.parametrize(
    ("pool", "marked", "drawn"), [(10, 3, 4), (100, 0, 7), (100, 100, 7), (1000, 51, 300), (5, 5, 5)]
)
def test_cdf_agrees_with_scipy_over_its_support(pool, marked, drawn):
    for count in range(-1, drawn + 2):
        assert hypergeometric.cdf(count, pool, marked, drawn) == pytest.approx(
            hypergeom.cdf(count, pool, marked, drawn), abs=1e-10
        )


def test_cdf_is_exact_against_integer_arithmetic_on_a_large_pool():
    pool, marked, drawn, count = 100_000, 5_001, 400, 12
    exact = sum(comb(marked, k) * comb(pool - marked, drawn - k) for k in range(count + 1)) / comb(pool, drawn)
    assert hypergeometric.cdf(count, pool, marked, drawn) == pytest.approx(exact, rel=1e-7)


def test_cdf_refuses_impossible_draws():
    with pytest.raises(ValueError, match="cannot mark 11"):
        hypergeometric.cdf(0, 10, 11, 3)


@pytest.mark.parametrize(
    ("remainder", "limit", "audits", "expected"),
    [(10_000, 501, 500, 17), (2_500, 126, 500, 21), (10_000, 501, 58, None), (10_000, 501, 59, 0), (10, 11, 0, 0)],
)
def test_allowed_errors_are_those_of_the_published_table(remainder, limit, audits, expected):
    assert allowed_errors(remainder, limit, audits, 0.05) == expected


@pytest.mark.parametrize(("share", "needed"), [(0.05, 59), (0.02, 149), (0.01, 298)])
def test_the_smallest_clean_audit_of_a_large_pool(share, needed):
    limit = wrong_labels_that_break(share, 1_000_000)
    assert audits_needed(1_000_000, limit, 0, 0.05) == needed


def test_no_larger_number_of_errors_is_safe_and_none_smaller_is_unsafe():
    for remainder, limit, audits in product((40, 200), (3, 11), (15, 30)):
        allowed = allowed_errors(remainder, limit, audits, 0.1)
        for tried in range(audits + 1):
            safe = violation_bound(remainder, limit, audits, tried) <= 0.1
            assert safe == (allowed is not None and tried <= allowed)


def test_audits_needed_inverts_allowed_errors():
    for allowed in range(5):
        audits = audits_needed(500, 26, allowed, 0.05)
        assert (allowed_errors(500, 26, audits, 0.05) or 0) >= allowed
        assert (allowed_errors(500, 26, audits - 1, 0.05) or -1) < allowed


@pytest.mark.parametrize(
    ("error", "labels", "limit"), [(0.05, 100, 6), (0.05, 1797, 90), (0.0, 50, 1), (0.07, 100, 8), (0.29, 100, 30)]
)
def test_the_limit_is_the_first_count_above_the_share_free_of_binary_rounding(error, labels, limit):
    assert wrong_labels_that_break(error, labels) == limit


@pytest.mark.parametrize("pattern", list(product([0, 1], repeat=7)))
def test_by_enumeration_no_pattern_of_errors_breaks_the_promise_more_often_than_delta(pattern):
    """Every audit of every size of every error layout of seven objects: the theorem, exactly."""
    remainder, delta = len(pattern), 0.3
    wrong = np.asarray(pattern, dtype=bool)
    for limit, audits in product((1, 2, 3), range(remainder + 1)):
        allowed = allowed_errors(remainder, limit, audits, delta)
        broken = 0
        draws = list(combinations(range(remainder), audits))
        for drawn in draws:
            ranks = np.asarray(drawn, dtype=np.int64)
            walked = walk(remainder, ranks, wrong[ranks], allowed)
            machine = np.setdiff1d(np.arange(walked.stop_rank), ranks)
            assert len(machine) == walked.machine_labeled
            broken += int(wrong[machine].sum()) >= limit
        assert broken <= delta * len(draws) + 1e-9


def test_the_violation_rate_equals_the_bound_when_every_prediction_is_wrong():
    remainder, limit, audits = 9, 3, 4
    for allowed in range(audits + 1):
        broken = 0
        draws = list(combinations(range(remainder), audits))
        for drawn in draws:
            ranks = np.asarray(drawn, dtype=np.int64)
            walked = walk(remainder, ranks, np.ones(audits, dtype=bool), allowed)
            broken += walked.machine_labeled >= limit
        assert broken / len(draws) == pytest.approx(violation_bound(remainder, limit, audits, allowed))


def test_a_walk_without_allowance_labels_nothing_and_one_without_errors_everything():
    ranks = np.asarray([1, 4])
    clean = np.zeros(2, dtype=bool)
    assert walk(6, ranks, clean, None).machine_labeled == 0
    assert walk(6, ranks, clean, 0) == walk(6, ranks, clean, 2)
    assert walk(6, ranks, clean, 0).machine_labeled == 4


def test_the_stop_is_just_before_the_first_error_too_many():
    ranks, wrong = np.asarray([0, 3, 5, 8]), np.asarray([True, False, True, True])
    assert walk(10, ranks, wrong, 0).stop_rank == 0
    assert walk(10, ranks, wrong, 1).stop_rank == 5
    assert walk(10, ranks, wrong, 1).machine_labeled == 3
    assert walk(10, ranks, wrong, 2).stop_rank == 8


def test_order_breaks_ties_by_object_and_refuses_nan():
    objects = np.asarray([7, 2, 5])
    assert order_by_confidence(objects, np.asarray([0.1, 0.1, 0.0])).tolist() == [5, 2, 7]
    with pytest.raises(ValueError, match="NaN"):
        order_by_confidence(objects, np.asarray([0.1, np.nan, 0.0]))


def test_the_audit_follows_from_the_generator_alone():
    one, two = (draw_audit(100, 10, np.random.default_rng(3)) for _ in range(2))
    assert one.tolist() == two.tolist() == sorted(set(one.tolist()))
    assert draw_audit(5, 0, np.random.default_rng(0)).tolist() == []


def test_the_table_is_allowed_errors_for_every_size():
    for remainder, limit, delta in product((0, 1, 7, 40, 61), (1, 3, 14), (0.01, 0.05, 0.3, 0.9)):
        table = allowed_errors_table(remainder, limit, remainder, delta)
        single = [allowed_errors(remainder, limit, audits, delta) for audits in range(remainder + 1)]
        assert table.tolist() == [NOT_EVEN_ZERO if allowed is None else allowed for allowed in single]


@pytest.mark.parametrize(("remainder", "share"), [(10_000, 0.05), (10_000_000, 0.05), (10_000_000, 0.0), (30_000, 0.3)])
def test_the_table_of_a_large_pool_is_allowed_errors_where_it_is_looked_up(remainder, share):
    limit = wrong_labels_that_break(share, remainder)
    table = allowed_errors_table(remainder, limit, 10_000, 0.05)
    assert len(table) == 10_001
    for audits in (0, 1, 58, 59, 60, 500, 1_234, 9_999, 10_000):
        allowed = allowed_errors(remainder, limit, audits, 0.05)
        assert table[audits] == (NOT_EVEN_ZERO if allowed is None else allowed)


@pytest.mark.parametrize(("remainder", "limit", "audits", "delta"), [(10_000, 501, 500, 0.05), (700, 36, 300, 0.001)])
def test_allowed_errors_agree_with_scipy(remainder, limit, audits, delta):
    tails = [hypergeom.cdf(k, remainder, limit + k, audits) for k in range(60)]
    assert allowed_errors(remainder, limit, audits, delta) == max(k for k, tail in enumerate(tails) if tail <= delta)


def test_what_cdf_leaves_out_of_the_sum_is_nothing():
    pool, marked, drawn = 1_000_000, 300_000, 20_000
    for count in (5_700, 5_900, 6_000, 6_100, 6_900, 20_000):
        assert hypergeometric.cdf(count, pool, marked, drawn) == pytest.approx(
            hypergeom.cdf(count, pool, marked, drawn), rel=1e-7
        )


def test_the_edges_of_the_rule():
    assert allowed_errors(0, 1, 0, 0.05) == 0, "an empty remainder can break nothing"
    assert allowed_errors(20, 21, 0, 0.05) == 0, "fewer objects than it takes to break the contract need no audit"
    assert allowed_errors(20, 1, 18, 0.05) is None, "no error at all may slip through: eighteen of twenty are too few"
    assert allowed_errors(20, 1, 19, 0.051) == 0
    assert allowed_errors(1_000, 51, 500, 1e-12) is not None
    assert allowed_errors(1_000, 51, 100, 1e-12) is None

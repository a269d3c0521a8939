from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import hypergeom

from autolabel.quality.crossing import crossing_probability


def test_one_set_is_crossed_with_the_hypergeometric_probability():
    for size, allowed in ((60, 3), (200, 0), (45, 44), (0, 0), (300, 40)):
        assert crossing_probability(300, 45, [(size, allowed)]) == pytest.approx(
            hypergeom.cdf(allowed, 300, size, 45), abs=1e-10
        )


@pytest.mark.parametrize("seed", range(60))
def test_by_enumeration_the_probability_of_any_crossing_is_exact(seed):
    rng = np.random.default_rng(seed)
    pool = int(rng.integers(1, 13))
    audits = int(rng.integers(0, min(pool, 7) + 1))
    sets = [(int(rng.integers(0, pool + 1)), int(rng.integers(-1, 5))) for _ in range(int(rng.integers(1, 5)))]
    draws = list(combinations(range(pool), audits))
    crossed = sum(
        any(sum(member < size for member in drawn) <= allowed for size, allowed in sets if allowed >= 0)
        for drawn in draws
    )
    assert crossing_probability(pool, audits, sets) == pytest.approx(crossed / len(draws), abs=1e-10)


def test_many_sets_lie_between_the_likeliest_one_and_the_sum():
    sets = [(340, 12), (300, 10), (260, 8), (220, 6)]
    single = [hypergeom.cdf(allowed, 7_000, size, 500) for size, allowed in sets]
    joint = crossing_probability(7_000, 500, sets)
    assert max(single) < joint < 0.6 * sum(single)


def test_nothing_is_crossed_without_sets_and_impossible_ones_are_refused():
    assert crossing_probability(10, 3, []) == 0.0
    assert crossing_probability(10, 3, [(4, -1)]) == 0.0
    with pytest.raises(ValueError, match="cannot draw"):
        crossing_probability(10, 11, [])
    with pytest.raises(ValueError, match="cannot draw"):
        crossing_probability(10, 3, [(11, 0)])

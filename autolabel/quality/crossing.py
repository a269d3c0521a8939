"""The exact probability that an audit finds suspiciously few members of any one of several nested sets.

Sets ``S_1 < S_2 < ...`` are nested in a pool; an audit is drawn from the pool uniformly without replacement. Set i is
*crossed* when at most ``allowed_i`` of its members are audited. Crossings are strongly dependent, so the probability
of any crossing is far below the sum of the single ones; it depends on the sizes alone, because the counts of audited
members are a Markov chain from the smallest set to the largest: given `x` of ``S_i``, the audited ones of
``S_{i+1}`` outside ``S_i`` are Hypergeometric(pool - |S_i|, |S_{i+1}| - |S_i|, audits - x).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


NEGLIGIBLE = 1e-25


def crossing_probability(pool: int, audits: int, sets: Iterable[tuple[int, int]]) -> float:
    """P(some set has at most `allowed` audited members).

    Parameters
    ----------
    pool
        Objects the audit is drawn from.
    audits
        Objects audited, 0 <= audits <= pool.
    sets
        ``(size, allowed)`` of each nested set, in any order, sizes in [0, pool]; a negative `allowed` is never crossed.

    Raises
    ------
    ValueError
        When a set or the audit is larger than the pool.
    """
    ascending = sorted((size, allowed) for size, allowed in sets if allowed >= 0)
    if not 0 <= audits <= pool or (ascending and not 0 <= ascending[0][0] <= ascending[-1][0] <= pool):
        msg = f"cannot draw {audits} objects and nest sets up to {ascending[-1:]} in a pool of {pool}"
        raise ValueError(msg)
    most = max((allowed for _, allowed in ascending), default=0)
    alive = np.zeros(min(most, audits) + 1)  # by audited members so far; above `most` no set can be crossed any more
    alive[0] = 1.0
    before, crossed = 0, 0.0
    for size, allowed in ascending:
        alive = _grow(alive, pool - before, size - before, audits)
        crossed += float(alive[: allowed + 1].sum())
        alive[: allowed + 1] = 0.0
        before = size
    return min(1.0, crossed)


def _grow(alive: NDArray[np.float64], outside: int, added: int, audits: int) -> NDArray[np.float64]:
    """Distribution after `added` of the `outside` objects joined the set, truncated to the same counts."""
    states = np.flatnonzero(alive > NEGLIGIBLE)
    counts = np.arange(len(alive))
    if len(states) == 0 or added == 0:
        return alive
    left = audits - counts
    # log pmf = log C(added, y - x) + log C(outside - added, audits - y) - log C(outside, audits - x)
    log_hits = _log_choose(added, counts)
    log_pmf = (
        np.where(counts >= states[:, None], log_hits[np.abs(counts - states[:, None])], -np.inf)
        + _log_choose(outside - added, left)
        - _log_choose(outside, left[states])[:, None]
    )
    return np.asarray(alive[states] @ np.exp(log_pmf))


def _log_choose(n: int, k: NDArray[np.int64]) -> NDArray[np.float64]:
    """Log of n over k, element-wise; minus infinity where there is no way to choose."""
    possible = (k >= 0) & (k <= n)
    held = np.where(possible, k, 0).astype(np.float64)
    return np.where(possible, gammaln(n + 1.0) - gammaln(held + 1.0) - gammaln(n - held + 1.0), -np.inf)

"""Whom to ask next: small margins, made diverse, with a share of uniform exploration.

Why margin: over LabelBench's raw results it is best or within 0.4 points in every linear-head setting, while pure
entropy and core-set can lose to random; top-k without diversity can be worse than random at large batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.selection.diversity import medoids

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CANDIDATES_PER_PICK = 5
EXPLORATION = 0.1
"""Share of every batch that is drawn uniformly: an unbiased sample of the model's errors for the planner."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Objects to ask next, distinct, both parts ascending."""

    informative: NDArray[np.int64]
    """Picked for what they teach, or simply wanted."""
    explored: NDArray[np.int64]
    """Drawn uniformly from the pool."""

    @property
    def objects(self) -> NDArray[np.int64]:
        """Every object of the batch, ascending."""
        return np.sort(np.concatenate([self.informative, self.explored]))


def uniform_batch(pool: NDArray[np.int64], size: int, rng: np.random.Generator) -> Batch:
    """Draw `size` objects of `pool` uniformly."""
    size = min(size, len(pool))
    return Batch(np.empty(0, np.int64), np.sort(rng.choice(pool, size=size, replace=False)))


def margin_batch(
    pool: NDArray[np.int64],
    margin: NDArray[np.float32],
    features_of: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    size: int,
    rng: np.random.Generator,
) -> Batch:
    """Take the smallest margins, reduced to diverse ones by k-means, plus uniform exploration.

    Parameters
    ----------
    pool
        Objects that may be asked, shape ``(N,)``, ascending.
    margin
        Top probability minus second, shape ``(N,)``.
    features_of
        Features of some objects, shape ``(n, D)``: only the candidates' are read.
    size
        Batch size b; fewer come back when the pool is smaller.
    """
    size = min(size, len(pool))
    explore = min(size, max(1, round(EXPLORATION * size)))
    explored = rng.choice(len(pool), size=explore, replace=False)
    wanted = size - explore
    free = np.ones(len(pool), dtype=bool)
    free[explored] = False
    rest = np.flatnonzero(free)
    candidates = rest[np.argsort(margin[rest], kind="stable")[: CANDIDATES_PER_PICK * wanted]]
    if wanted and len(candidates) > wanted:
        candidates = candidates[medoids(features_of(pool[candidates]), wanted, rng)]
    return Batch(np.sort(pool[candidates[:wanted]]), np.sort(pool[explored]))

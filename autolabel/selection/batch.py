"""A batch of objects to ask next, and the uniform share that every batch of a job carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.selection.view import PoolView

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


Strategy = Callable[["PoolView", int, np.random.Generator], Batch]
"""Whom to ask next: a pool, a batch size b >= 0 and a generator give b distinct objects, or the whole pool when
it is smaller. The same arguments give the same batch. `ValueError` for a negative size and unfinite numbers."""


def informative(view: PoolView, places: NDArray[np.int64]) -> Batch:
    """Make a batch of picked places, in any order."""
    return Batch(np.sort(view.objects[places]), np.empty(0, np.int64))


def most(view: PoolView, size: int) -> int:
    """Return the size that a batch can have: asked for, and at most the pool's."""
    if size < 0:
        raise ValueError(f"found the batch size {size}; expected 0 or more")
    return min(size, len(view))


def uniform_batch(pool: NDArray[np.int64], size: int, rng: np.random.Generator) -> Batch:
    """Draw `size` objects of `pool` uniformly."""
    size = min(size, len(pool))
    return Batch(np.empty(0, np.int64), np.sort(rng.choice(pool, size=size, replace=False)))


def random(view: PoolView, size: int, rng: np.random.Generator) -> Batch:
    """Draw the batch uniformly: what every other strategy has to beat."""
    return uniform_batch(view.objects, most(view, size), rng)


def exploring(strategy: Strategy) -> Strategy:
    """Return `strategy` with `EXPLORATION` of its batch, at least one object, drawn uniformly before it picks."""

    def explore_too(view: PoolView, size: int, rng: np.random.Generator) -> Batch:
        size = most(view, size)
        explore = min(size, max(1, round(EXPLORATION * size)))
        explored = rng.choice(len(view), size=explore, replace=False)
        free = np.ones(len(view), dtype=bool)
        free[explored] = False
        picked = strategy(view.at(np.flatnonzero(free)), size - explore, rng)
        return Batch(picked.informative, np.sort(view.objects[explored]))

    return explore_too

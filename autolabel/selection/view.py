"""What a strategy may look at: the pool, how to read its features, and what the model says of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

BLOCK = 4_096
"""Objects read at a time: eight megabytes of 512 features, which stay in cache while they are worked on."""


def _nobody() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class PoolView:
    """A pool as a strategy sees it; nothing is read before it is asked for, and never all at once.

    Attributes
    ----------
    objects
        Objects that may be asked, shape ``(N,)``, ascending and distinct. A *place* is an index into it.
    features_of
        Features ``(n, F)``, float32, of n objects, labeled ones included; rows may come from a memory map.
    head
        The model: features ``(n, F)`` to class probabilities ``(n, C)``, float32, rows sum to 1. ``None`` before
        there is one.
    margin
        Top probability minus second of every object, shape ``(N,)``, where it is known already; else strategies that
        want it ask the head.
    labeled
        Objects labeled so far, shape ``(L,)``.

    Raises
    ------
    ValueError
        Objects that are not ascending, margins of another length or not finite.
    """

    objects: NDArray[np.int64]
    features_of: Callable[[NDArray[np.int64]], NDArray[np.float32]]
    head: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None
    margin: NDArray[np.float32] | None = None
    labeled: NDArray[np.int64] = field(default_factory=_nobody)

    def __post_init__(self) -> None:
        """Refuse what would give wrong picks silently."""
        if (np.diff(self.objects) <= 0).any():
            raise ValueError("found a pool that is not ascending or not distinct; expected np.unique of its objects")
        if self.margin is not None:
            if self.margin.shape != self.objects.shape:
                raise ValueError(f"found margins of shape {self.margin.shape}; expected {self.objects.shape}")
            _refuse_unfinite(self.margin, "margins")

    def __len__(self) -> int:
        return len(self.objects)

    def features(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features of some places, shape ``(n, F)``; `ValueError` when one is not finite."""
        found = self.features_of(self.objects[places])
        _refuse_unfinite(found, "features")
        return found

    def labeled_features(self) -> NDArray[np.float32]:
        """Features of the labeled objects, shape ``(L, F)``."""
        found = self.features_of(self.labeled)
        _refuse_unfinite(found, "features of labeled objects")
        return found

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the head says of features: shape ``(n, C)``; `ValueError` without a head or when not finite."""
        if self.head is None:
            raise ValueError("found no model; before the first training use a strategy of COLD_STRATEGIES")
        found = self.head(features)
        _refuse_unfinite(found, "probabilities")
        return found

    def blocks(self) -> Iterator[NDArray[np.int64]]:
        """Yield all places, ascending, `BLOCK` at a time."""
        for begin in range(0, len(self), BLOCK):
            yield np.arange(begin, min(begin + BLOCK, len(self)))

    def at(self, places: NDArray[np.int64]) -> PoolView:
        """Return the view of some places only, which must ascend."""
        margin = None if self.margin is None else self.margin[places]
        return replace(self, objects=self.objects[places], margin=margin)


def _refuse_unfinite(values: NDArray[np.float32], what: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"found {what} that are not finite; expected numbers: nothing can be chosen by them")

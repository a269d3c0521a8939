"""BADGE: k-means++ seeding on gradient embeddings (Ash et al. 2020), never forming them.

An object's gradient embedding is the gradient of the loss at its own predicted label by the head's weight,
g = (p - e_y) h^T, of C times F numbers. With q = p - e_y the inner product of two is (q . q')(h . h'), so that
distances need q and h only: N (C + F) numbers instead of N C F.

Seeding draws each pick with probability proportional to D^2, the squared distance to the nearest pick. Old distances
are upper bounds of D^2; a draw by the bounds that is kept with probability D^2 / bound is a draw by D^2 (Cohen-Addad
et al. 2020). So everyone's distances are caught up only when too many draws were thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.selection.batch import Batch, informative, most

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.selection.view import PoolView

DRAWS = 256
"""Draws looked at together."""
PATIENCE = 1 / 16
"""Draws thrown away, as a share of the objects, before everyone is caught up: both then cost about the same."""
LEAST_PATIENCE = 1_024
"""Draws that are always put up with."""
WIDTH = 256
"""Picks compared with at a time: the products of a block stay in cache."""
ALIKE = 1e-5
"""Squared distances below this share of the squared norms are rounding: the objects are the same."""


def badge(view: PoolView, size: int, rng: np.random.Generator) -> Batch:
    """Take k-means++ picks among gradient embeddings: the largest gradient first, as its authors' code does.

    Where no gradient is left that differs from all picks, the batch is filled uniformly.

    Notes
    -----
    Memory: 16 bytes an object and a block's probabilities.
    """
    size = most(view, size)
    if not size:
        return informative(view, np.empty(0, np.int64))
    return informative(view, np.asarray(_seed(view, size, rng), np.int64))


@dataclass(frozen=True, slots=True)
class Gradients:
    """Gradient embeddings of n objects in factors; float32.

    Attributes
    ----------
    q
        Probabilities less the predicted label's one, shape ``(n, C)``.
    h
        Features, shape ``(n, F)``.
    squares
        Squared norms of the embeddings, shape ``(n,)``.
    """

    q: NDArray[np.float32]
    h: NDArray[np.float32]
    squares: NDArray[np.float32]

    @classmethod
    def of(cls, probabilities: NDArray[np.float32], features: NDArray[np.float32]) -> Gradients:
        """Return the factors of ``(n, C)`` probabilities and ``(n, F)`` features."""
        q = probabilities.copy()
        q[np.arange(len(q)), probabilities.argmax(axis=1)] -= 1.0
        return cls(q, features, np.einsum("nc,nc->n", q, q) * np.einsum("nf,nf->n", features, features))

    def take(self, rows: NDArray[np.int64]) -> Gradients:
        """Return some of them."""
        return Gradients(self.q[rows], self.h[rows], self.squares[rows])

    def and_(self, others: Gradients) -> Gradients:
        """Return these and others."""
        return Gradients(
            np.concatenate([self.q, others.q]),
            np.concatenate([self.h, others.h]),
            np.concatenate([self.squares, others.squares]),
        )

    def distances(self, others: Gradients) -> NDArray[np.float32]:
        """Squared distances to k others, shape ``(n, k)``, 0 where nothing but rounding is left."""
        sums = self.squares[:, None] + others.squares
        found = self.q @ others.q.T
        found *= self.h @ others.h.T
        found *= -2.0
        found += sums
        found[found < ALIKE * sums] = 0.0
        return found


def _seed(view: PoolView, size: int, rng: np.random.Generator) -> list[int]:
    """Places of the picks, in order."""
    squares = np.concatenate([_gradients(view, block).squares for block in view.blocks()]).astype(np.float64)
    picks = [int(squares.argmax())]
    chosen = _gradients(view, np.asarray(picks))
    bound = (np.sqrt(squares) + np.sqrt(squares.max())) ** 2  # nobody is farther from the first pick
    caught_up, thrown_away = 0, 0
    while len(picks) < size:
        if thrown_away > max(LEAST_PATIENCE, PATIENCE * len(view)):
            _catch_up(view, bound, chosen.take(np.arange(caught_up, len(picks))))
            caught_up, thrown_away = len(picks), 0
        total = np.cumsum(bound)
        if total[-1] <= 0.0:
            left = np.setdiff1d(np.arange(len(view)), picks)
            return [*picks, *rng.choice(left, size=size - len(picks), replace=False).tolist()]
        draws = np.minimum(np.searchsorted(total, rng.random(DRAWS) * total[-1], side="right"), len(view) - 1)
        drawn = _gradients(view, draws)
        kept = _keep(drawn, chosen, rng.random(DRAWS) * bound[draws], size - len(picks))
        chosen = chosen.and_(drawn.take(kept))
        picks += draws[kept].tolist()
        thrown_away += DRAWS - len(kept)
    return picks


def _keep(drawn: Gradients, chosen: Gradients, least: NDArray[np.float64], wanted: int) -> NDArray[np.int64]:
    """Rows of `drawn` to pick: in turn, those whose D^2 to everything picked by then is above their `least`."""
    distance = _nearest(drawn, chosen)
    between = drawn.distances(drawn)
    kept: list[int] = []
    for row in range(len(least)):
        if distance[row] > least[row] and len(kept) < wanted:
            kept.append(row)
            np.minimum(distance, between[row], out=distance)
    return np.asarray(kept, np.int64)


def _catch_up(view: PoolView, bound: NDArray[np.float64], chosen: Gradients) -> None:
    """Lower everyone's bound, in place, to the distance to picks made since it was last done."""
    for block in view.blocks():
        bound[block] = np.minimum(bound[block], _nearest(_gradients(view, block), chosen))


def _nearest(gradients: Gradients, chosen: Gradients) -> NDArray[np.float32]:
    """Squared distance of each row to the nearest of `chosen`, shape ``(n,)``."""
    found = np.full(len(gradients.squares), np.inf, np.float32)
    for begin in range(0, len(chosen.squares), WIDTH):
        part = chosen.take(np.arange(begin, min(begin + WIDTH, len(chosen.squares))))
        np.minimum(found, gradients.distances(part).min(axis=1), out=found)
    return found


def _gradients(view: PoolView, places: NDArray[np.int64]) -> Gradients:
    features = view.features(places)
    return Gradients.of(view.probabilities(features), features)

"""Spread: the objects nearest to the centres of a k-means clustering."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.selection.batch import Batch, informative, most

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.selection.view import PoolView

ITERATIONS = 12
"""Lloyd steps: medoids are wanted, not converged centres; later steps move almost none of them."""
SPREAD_SAMPLE = 5_000
"""Objects among which a batch is spread, or five a pick: more move the centres less than the start does."""
LARGEST = 1 << 26
"""Distances computed at a time, 256 MiB; fewer never change a pick's last bit, so they are not cut up."""


def spread(view: PoolView, size: int, rng: np.random.Generator) -> Batch:
    """Take the k-means medoids of a uniform sample of the pool: every region is reached, no model is needed."""
    size = most(view, size)
    if not size:
        return informative(view, np.empty(0, np.int64))
    places = sample(len(view), max(SPREAD_SAMPLE, 5 * size), rng)
    return informative(view, places[medoids(view.features(places), size, rng)])


def sample(count: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw `size` of `count` places uniformly, ascending; all of them when there are no more."""
    if count <= size:
        return np.arange(count)
    return np.sort(rng.choice(count, size=size, replace=False))


def medoids(features: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of `count` distinct rows, each the nearest to a k-means centre, ascending.

    Parameters
    ----------
    features
        Shape ``(n, D)``, float32, n >= count.

    Notes
    -----
    Clusters start from k distinct random rows (Arthur and Vassilvitskii's seeding costs k passes and changes the picks'
    accuracy by less than their noise at five candidates a pick). Memory ``O(n k)``, at most `LARGEST` distances at a
    time.
    """
    n = len(features)
    if not 0 < count <= n:
        msg = f"found {count} medoids of {n} rows; expected between 1 and all of them"
        raise ValueError(msg)
    nearest, distance = lloyd(features, features[np.sort(rng.choice(n, size=count, replace=False))])
    return _one_of_each(nearest, distance, count)


def lloyd(features: NDArray[np.float32], centres: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Cluster by Lloyd's algorithm from `centres` ``(k, D)``; clusters may end empty.

    Returns each row's cluster ``(n,)``, in [0, k), and its squared distance to the centre ``(n,)``.
    """
    count = len(centres)
    squares = np.einsum("nd,nd->n", features, features)
    for _ in range(ITERATIONS):
        nearest, _ = _nearest(features, squares, centres)
        sizes = np.bincount(nearest, minlength=count)
        order = np.argsort(nearest, kind="stable")
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        filled = sizes > 0
        centres = centres.copy()
        centres[filled] = np.add.reduceat(features[order], starts[filled], axis=0) / sizes[filled, None]
    return _nearest(features, squares, centres)


def plus_plus(features: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows to start k-means from, shape ``(count,)``: each drawn by D^2 to those before (Arthur, Vassilvitskii 2007).

    Where no row is left that differs from all of them, rows are drawn uniformly, perhaps again.
    """
    squares = np.einsum("nd,nd->n", features, features)
    rows = [int(rng.integers(len(features)))]
    distance = np.full(len(features), np.inf)
    for _ in range(count - 1):
        to_last = squares + squares[rows[-1]] - 2.0 * (features @ features[rows[-1]])
        np.minimum(distance, np.maximum(to_last, 0.0), out=distance)
        total = np.cumsum(distance)
        draw = rng.random()
        place = np.searchsorted(total, draw * total[-1], side="right") if total[-1] > 0 else int(draw * len(features))
        rows.append(min(int(place), len(features) - 1))
    return np.asarray(rows, np.int64)


def _nearest(
    features: NDArray[np.float32], squares: NDArray[np.float32], centres: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Nearest centre of each row and its squared distance up to rounding, both shape ``(n,)``."""
    height = max(1, LARGEST // len(centres))
    centre_squares = np.einsum("kd,kd->k", centres, centres)
    nearest = np.empty(len(features), np.int64)
    distance = np.empty(len(features), np.float32)
    for begin in range(0, len(features), height):
        rows = slice(begin, begin + height)
        found = squares[rows, None] - 2.0 * (features[rows] @ centres.T) + centre_squares
        nearest[rows] = found.argmin(axis=1)
        distance[rows] = np.take_along_axis(found, nearest[rows, None], axis=1)[:, 0]
    return nearest, distance


def _one_of_each(cluster: NDArray[np.int64], distance: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Row nearest to its centre in every cluster; empty clusters are made up for by the first rows left over."""
    order = np.lexsort((distance, cluster))
    first = np.concatenate([[True], np.diff(cluster[order]) > 0])
    picked = order[first]
    if len(picked) < count:
        left = np.setdiff1d(np.arange(len(cluster)), picked)
        picked = np.concatenate([picked, left[: count - len(picked)]])
    return np.sort(picked).astype(np.int64)

"""Spread: the objects nearest to the centres of a k-means clustering."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ITERATIONS = 12
"""Lloyd steps: medoids are wanted, not converged centres; later steps move almost none of them."""


def medoids(features: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of `count` distinct rows, each the nearest to a k-means centre, ascending.

    Parameters
    ----------
    features
        Shape ``(n, D)``, float32, n >= count.

    Notes
    -----
    Lloyd's algorithm from k distinct random rows (arthur and vassilvitskii's seeding costs k passes and changes the
    picks' accuracy by less than their noise at five candidates a pick). Memory ``O(n k)``.
    """
    n = len(features)
    if not 0 < count <= n:
        msg = f"found {count} medoids of {n} rows; expected between 1 and all of them"
        raise ValueError(msg)
    centres = features[np.sort(rng.choice(n, size=count, replace=False))]
    squares = np.einsum("nd,nd->n", features, features)
    for _ in range(ITERATIONS):
        nearest = _distances(features, squares, centres).argmin(axis=1)
        sizes = np.bincount(nearest, minlength=count)
        order = np.argsort(nearest, kind="stable")
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        filled = sizes > 0
        centres = centres.copy()
        centres[filled] = np.add.reduceat(features[order], starts[filled], axis=0) / sizes[filled, None]
    distances = _distances(features, squares, centres)
    return _one_of_each(distances.argmin(axis=1), distances.min(axis=1), count)


def _distances(
    features: NDArray[np.float32], squares: NDArray[np.float32], centres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Squared distances, shape ``(n, k)``, up to rounding."""
    return np.asarray(squares[:, None] - 2.0 * (features @ centres.T) + np.einsum("kd,kd->k", centres, centres))


def _one_of_each(cluster: NDArray[np.int64], distance: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Row nearest to its centre in every cluster; empty clusters are made up for by the first rows left over."""
    order = np.lexsort((distance, cluster))
    first = np.concatenate([[True], np.diff(cluster[order]) > 0])
    picked = order[first]
    if len(picked) < count:
        left = np.setdiff1d(np.arange(len(cluster)), picked)
        picked = np.concatenate([picked, left[: count - len(picked)]])
    return np.sort(picked).astype(np.int64)

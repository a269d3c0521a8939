"""TypiClust: the most typical object of every region that has no label yet (Hacohen, Dekel and Weinshall 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.selection.batch import Batch, informative, most
from autolabel.selection.diversity import lloyd, plus_plus, sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.selection.view import PoolView

NEIGHBOURS = 20
MOST_CLUSTERS = 500
SMALLEST_CLUSTER = 6
"""The authors' numbers: smaller clusters are outliers and come last."""
SAMPLE = 20_000
"""Objects clustered, or five a pick, and labeled ones counted in: densities are those of a uniform sample."""
ROWS = 1_024
"""Rows whose distances to their whole cluster are computed at a time."""


def typiclust(view: PoolView, size: int, rng: np.random.Generator) -> Batch:
    """Cluster pool and labeled objects; take each cluster's most typical, those with the fewest labels first.

    There are as many clusters as there will be labels, at most `MOST_CLUSTERS`. Clusters are visited by the number of
    their labels, then from large to small, then again; visit v takes the object with the v-th largest typicality, the
    inverse of the mean distance to its `NEIGHBOURS` nearest unlabeled neighbours in the cluster. No model is needed.
    Unlike the authors' code typicality is not computed anew after each pick of a cluster.
    """
    size = most(view, size)
    if not size:
        return informative(view, np.empty(0, np.int64))
    places = sample(len(view), max(SAMPLE, 5 * size), rng)
    features = view.features(places)
    counted = len(view.labeled)
    if counted:
        labeled = view.labeled_features()[sample(counted, SAMPLE, rng)]
        counted = len(labeled)
        features = np.concatenate([labeled, features])
    start = plus_plus(features, min(counted + size, MOST_CLUSTERS, len(features)), rng)
    clusters, _ = lloyd(features, features[start])
    visit = _visits(features[counted:], clusters[counted:])
    rank, late = _ranks(clusters, counted)
    own = clusters[counted:]
    order = np.lexsort((rank[own], visit, late[own]))
    return informative(view, places[order[:size]])


def typicality(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inverse mean distance of each row of ``(n, F)`` to its nearest rows, shape ``(n,)``, infinite for copies.

    Nearest are `NEIGHBOURS`, or half of the rows where that is less, the row itself not counted.
    """
    n = len(features)
    count = min(NEIGHBOURS, max(n // 2, 1), n - 1)
    if count == 0:
        return np.zeros(n, np.float32)
    squares = np.einsum("nf,nf->n", features, features)
    found = np.empty(n, np.float32)
    for begin in range(0, n, ROWS):
        rows = np.arange(begin, min(begin + ROWS, n))
        distance = squares[rows, None] - 2.0 * (features[rows] @ features.T) + squares
        distance[np.arange(len(rows)), rows] = np.inf
        nearest = np.partition(distance, count - 1, axis=1)[:, :count]
        found[rows] = np.sqrt(np.maximum(nearest, 0.0)).mean(axis=1)
    with np.errstate(divide="ignore"):
        return 1.0 / found


def _visits(features: NDArray[np.float32], clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which visit of its cluster takes each row: its rank by typicality, shape ``(n,)``; ties by place."""
    visit = np.empty(len(clusters), np.int64)
    for cluster in np.unique(clusters).tolist():
        members = np.flatnonzero(clusters == cluster)
        order = np.argsort(-typicality(features[members]), kind="stable")
        visit[members[order]] = np.arange(len(members))
    return visit


def _ranks(clusters: NDArray[np.int64], counted: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Order in which clusters are visited, and which are too small, each shape ``(K,)``; labeled rows lead."""
    sizes = np.bincount(clusters)
    labels = np.bincount(clusters[:counted], minlength=len(sizes))
    rank = np.empty(len(sizes), np.int64)
    rank[np.lexsort((-sizes, labels))] = np.arange(len(sizes))
    return rank, sizes < SMALLEST_CLUSTER

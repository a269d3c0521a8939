"""The neighbourhood of every object of a pool, labeled or not: what the objects around one say about it.

The graph is built once, because embeddings never change. In a round every object hears its neighbours: the labels of
those that people labeled, the head's probabilities of the others. One step of label propagation (Zhou et al. 2004) is
enough; more steps change the labels that a job needs by less than a percent. It costs no label, and next to nothing a
round, while a search for labeled neighbours would cost more than everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

NEIGHBOURS = 10
EXACT = 30_000
"""Up to this many objects every pair is compared; more are looked for in the nearest clusters only."""
CLUSTER = 1_000
"""Objects a cluster, on average."""
LARGEST = 4
"""Times `CLUSTER` that a cluster may hold; copies, and texts without a known term, all fall into one."""
PROBES = 4
"""Clusters searched for an object's neighbours, its own among them."""
SAMPLE = 50_000
"""Objects that cluster centres are fitted on."""
LLOYD_STEPS = 5
BLOCK = 2_048


class FeatureReader(Protocol):
    """Features of places of the pool, shape ``(n, F)``, float32."""

    def __call__(self, places: NDArray[np.int64], /) -> NDArray[np.float32]:
        """Read some rows."""
        ...


@dataclass(frozen=True, slots=True)
class PoolGraph:
    """The nearest neighbours of n objects by cosine similarity.

    Attributes
    ----------
    neighbours
        Places of the pool, shape ``(n, k)``, int32; an object is never its own neighbour.
    weights
        How much each one counts, shape ``(n, k)``, float16, rows sum to 1.
    """

    neighbours: NDArray[np.int32]
    weights: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.neighbours)

    def opinion(self, places: NDArray[np.int64], beliefs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Weighted mean of the neighbours' `beliefs` ``(n, C)`` about each of `places`, shape ``(len(places), C)``."""
        around, weights = self.neighbours[places], self.weights[places].astype(np.float32)
        heard = np.zeros((len(places), beliefs.shape[1]), np.float32)
        for rank in range(around.shape[1]):
            heard += weights[:, rank, None] * beliefs[around[:, rank]]
        return heard


def build_graph(
    features_of: FeatureReader,
    count: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> PoolGraph:
    """Find the neighbours of `count` objects.

    Memory beyond the graph is that of a block: a few hundred megabytes at most, however large the pool. Every pair is
    compared up to `EXACT` objects, ``O(n^2 F)``; beyond that ``O(n F PROBES CLUSTER)``, and an object may miss
    neighbours on the far side of a cluster's border.

    Parameters
    ----------
    progress
        Called with objects done and objects in all.
    """
    kept = min(NEIGHBOURS, count - 1)
    if kept < 1:
        return PoolGraph(np.empty((count, 0), np.int32), np.empty((count, 0), np.float16))
    neighbours = np.empty((count, kept), np.int32)
    weights = np.empty((count, kept), np.float16)
    done = 0
    for places, candidates, features in _searches(features_of, count, rng):
        for begin in range(0, len(places), BLOCK):
            block = places[begin : begin + BLOCK]
            own = np.searchsorted(candidates, block)  # every search has its own objects among the candidates
            similarity = features[own] @ features.T
            similarity[np.arange(len(block)), own] = -np.inf
            nearest = np.argpartition(similarity, -kept, axis=1)[:, -kept:]
            near = np.take_along_axis(similarity, nearest, axis=1)
            order = np.argsort(-near, axis=1, kind="stable")
            nearest, near = np.take_along_axis(nearest, order, axis=1), np.take_along_axis(near, order, axis=1)
            strength = np.maximum(near, 0.0) ** 2 + 1e-6
            neighbours[block] = candidates[nearest]
            weights[block] = strength / strength.sum(axis=1, keepdims=True)
            done += len(block)
            progress(done, count)
    return PoolGraph(neighbours, weights)


def _searches(
    features_of: FeatureReader, count: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Yield objects, the candidates for their neighbours (ascending, the objects included) and these's features."""
    everything = np.arange(count)
    if count <= EXACT:
        yield everything, everything, _unit(features_of(everything))
        return
    centres = _centres(features_of, count, rng)
    cluster = np.concatenate(
        [(_unit(features_of(block)) @ centres.T).argmax(axis=1) for block in _blocks(everything, BLOCK)]
    )
    members = np.split(np.argsort(cluster, kind="stable"), np.cumsum(np.bincount(cluster, minlength=len(centres)))[:-1])
    pieces = [max(1, -(-len(objects) // (LARGEST * CLUSTER))) for objects in members]
    members = [part for objects, count in zip(members, pieces, strict=True) for part in np.array_split(objects, count)]
    centres = np.repeat(centres, pieces, axis=0)
    nearby = np.argsort(-(centres @ centres.T), axis=1, kind="stable")[:, :PROBES]
    for own, near in zip(members, nearby, strict=True):
        if len(own):
            candidates = np.sort(np.concatenate([own, *(members[each] for each in near if members[each] is not own)]))
            if len(candidates) <= NEIGHBOURS:
                candidates = np.union1d(candidates, everything[: 2 * NEIGHBOURS])
            yield own, candidates, _unit(features_of(candidates))


def _centres(features_of: FeatureReader, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Spherical k-means on a sample, shape ``(k, F)``; few steps are enough to cut a pool into pieces."""
    sample = np.sort(rng.choice(count, size=min(SAMPLE, count), replace=False))
    wanted = min(-(-count // CLUSTER), len(sample))
    centres = _unit(features_of(np.sort(rng.choice(sample, size=wanted, replace=False))))
    for _ in range(LLOYD_STEPS):
        sums = np.zeros_like(centres)
        for block in _blocks(sample, BLOCK):
            features = _unit(features_of(block))
            np.add.at(sums, (features @ centres.T).argmax(axis=1), features)
        filled = np.abs(sums).sum(axis=1) > 0
        centres[filled] = _unit(sums[filled])
    return centres


def _blocks(places: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    return (places[begin : begin + size] for begin in range(0, len(places), size))


def _unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(norms, 1e-12), dtype=np.float32)

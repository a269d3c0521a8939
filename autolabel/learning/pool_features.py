"""Features of a pool: from vectors on the disk, through the map, with what trained networks say where there are any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.inference.shards.streaming import each_shard, widen
from autolabel.learning.tuned_pool import TunedPool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from autolabel.inference.encoder import State
    from autolabel.inference.shards.embeddings import Embeddings
    from autolabel.inference.shards.layout import Shard
    from autolabel.learning.base import Arrays
    from autolabel.learning.features import FeatureMap
    from autolabel.learning.head import LinearHead

MOST_KEPT = 1 << 27
"""Bytes of mapped features that are kept in memory; of larger pools they are mapped whenever they are read."""


@dataclass(frozen=True, slots=True)
class _Kept:
    objects: NDArray[np.int64]
    features: NDArray[np.float32]


class PoolFeatures:
    """What a learner sees of its pool.

    Parameters
    ----------
    embeddings, mapped
        The frozen encoder's vectors, and the map from them to features.
    tuned
        The same with trained networks beside the encoder; ``None`` where none were trained.
    """

    def __init__(self, embeddings: Embeddings, mapped: FeatureMap, tuned: TunedPool | None = None) -> None:
        self._frozen = (embeddings, mapped)
        self._tuned = tuned
        self.embeddings, self.mapped = self._frozen if tuned is None else (tuned.embeddings, tuned.mapped)
        self._kept: _Kept | None = None

    def beside(self, folder: Path, facts: Mapping[str, Any], arrays: Arrays) -> PoolFeatures:
        """Return the features with what a tuning left in `folder` beside the frozen encoder's."""
        embeddings, mapped = self._frozen
        return PoolFeatures(embeddings, mapped, TunedPool.open(folder, facts, arrays, base=embeddings, mapped=mapped))

    def networks(self) -> list[State]:
        """Read the networks that were trained, if any were."""
        return [] if self._tuned is None else self._tuned.networks()

    @property
    def added(self) -> int:
        """Features that trained networks add; 0 without any."""
        return 0 if self._tuned is None else self._tuned.width

    @property
    def objects(self) -> NDArray[np.int64]:
        """Every object that was embedded or failed to be, ascending."""
        return np.concatenate([np.empty(0, np.int64), *(shard.objects for shard in self.embeddings.shards)])

    def of(self, objects: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features of some objects, shape ``(n, F)``, float32."""
        kept = self._keep()
        if kept is not None:
            places = np.minimum(np.searchsorted(kept.objects, objects), len(kept.objects) - 1)
            if (kept.objects[places] == objects).all():
                return kept.features[places]
        return self._unseen(objects, self.mapped.apply(self.embeddings.rows(objects)))

    def believed(self, head: LinearHead, pool: NDArray[np.int64]) -> NDArray[np.float32]:
        """Probabilities of the whole pool by a head on features, in the pool's order: shape ``(N, C)``."""
        kept = self._keep()
        if kept is not None:
            objects, beliefs = kept.objects, head.probabilities(kept.features)
        else:
            objects, beliefs = self._believed_by_shard(self.mapped.fold(head))
        if len(beliefs) == len(pool):
            return beliefs
        return beliefs[np.isin(objects, pool, assume_unique=True)]

    def _believed_by_shard(self, folded: LinearHead) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Probabilities from embeddings, shard by shard: objects ``(N,)`` and ``(N, C)``."""

        def believe(shard: Shard) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            half = shard.vectors()
            vectors = np.empty(half.shape, np.float32)
            widen(half, vectors)
            return shard.objects, folded.probabilities(vectors)

        parts = list(each_shard(believe, self.embeddings.shards))
        return np.concatenate([objects for objects, _ in parts]), np.concatenate([each for _, each in parts])

    def _keep(self) -> _Kept | None:
        """Map a small pool once: a round asks for most of it several times."""
        if self._kept is None and len(self.embeddings) and 4 * self.mapped.dim * len(self.embeddings) <= MOST_KEPT:
            parts = [(objects, self.mapped.apply(vectors)) for objects, vectors in self.embeddings.blocks()]
            objects, features = (np.concatenate(each) for each in zip(*parts, strict=True))
            self._kept = _Kept(objects, self._unseen(objects, features))
        return self._kept

    def _unseen(self, objects: NDArray[np.int64], features: NDArray[np.float32]) -> NDArray[np.float32]:
        return features if self._tuned is None else self._tuned.unseen(objects, features)

"""Reading a pool's vectors, shard by shard: neither memory nor open files grow with the pool."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.errors import CheckpointError
from autolabel.inference.shards.layout import Shard, read_layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from autolabel.inference.shards.layout import Receipt


@dataclass(frozen=True, slots=True, eq=False)
class _Pair(Shard):
    """A shard with another one's vectors beside its own."""

    right: Shard

    def vectors(self) -> NDArray[np.float16]:
        """Read both, shape ``(n, D + D')``."""
        return np.concatenate([Shard.vectors(self), self.right.vectors()], axis=1)


class Embeddings:
    """Vectors of a pool, memory-mapped a shard at a time.

    Attributes
    ----------
    shards
        In the order of the pool.
    fingerprint, route
        Of the encoder, and how the vectors were computed.
    failures
        Objects without a vector, and why; their rows are zero.
    """

    def __init__(self, shards: Sequence[Shard], receipts: Sequence[Receipt]) -> None:
        self.shards = tuple(shards)
        self._objects = np.concatenate([np.empty(0, np.int64), *(shard.objects for shard in shards)])
        self._begins = np.cumsum([0, *(len(shard.objects) for shard in shards)])
        self.failures = {int(number): reason for each in receipts for number, reason in each.failures.items()}
        self.fingerprint = receipts[0].origin.fingerprint if receipts else ""
        self.route = receipts[0].origin.route if receipts else ""

    @classmethod
    def open(cls, folder: Path, fingerprint: str) -> Embeddings:
        """Open what `embed_pool` finished; `CheckpointError` when it is not there, or another encoder's."""
        shards = read_layout(folder)
        receipts: list[Receipt] = []
        for shard in shards:
            receipt = shard.read_receipt()
            if receipt is None:
                raise CheckpointError(f"{folder}: shard {shard.place} is not finished; embed the pool to the end")
            found = receipt.origin.fingerprint
            if found != fingerprint:
                raise CheckpointError(
                    f"{folder}: shard {shard.place} was made by the encoder {found[:12]}, expected "
                    f"{fingerprint[:12]}; embed the pool again"
                )
            if receipt.origin != (receipts or [receipt])[0].origin:
                raise CheckpointError(
                    f"{folder}: shard {shard.place} was computed by {receipt.origin.route}, those before it by "
                    f"{receipts[0].origin.route}; embed the pool again"
                )
            receipts.append(receipt)
        return cls(shards, receipts)

    def beside(self, other: Embeddings) -> Embeddings:
        """Return the same pool with another's vectors to the right of these; both are read when they are asked for.

        Raises
        ------
        CheckpointError
            The other is not of the same objects.
        """
        if not np.array_equal(self._objects, other._objects):
            raise CheckpointError("two embeddings of different objects do not stand side by side; embed the pool again")
        joined = copy.copy(self)
        pairs = zip(self.shards, other.shards, strict=True)
        joined.shards = tuple(_Pair(left.place, left.objects, left.folder, right) for left, right in pairs)
        joined.failures = self.failures | other.failures
        return joined

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def dim(self) -> int:
        """Width D; 0 for an empty pool."""
        return int(self.shards[0].vectors().shape[1]) if self.shards else 0

    def rows(self, objects: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors of objects that were embedded, in the order asked: shape ``(n, D)``, float32.

        Raises
        ------
        CheckpointError
            An object is not of this pool.
        """
        places = np.searchsorted(self._objects, objects)
        known = places < len(self._objects)
        known[known] = self._objects[places[known]] == objects[known]
        if not known.all():
            raise CheckpointError(f"object {int(objects[~known][0])} was not embedded; embed the whole pool first")
        found = np.empty((len(places), self.dim), np.float32)
        shard = np.searchsorted(self._begins, places, side="right") - 1
        for number in np.unique(shard).tolist():
            chosen = shard == number
            found[chosen] = self.shards[number].vectors()[places[chosen] - self._begins[number]]
        return found

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield the whole pool a shard at a time: objects ``(n,)`` and their vectors ``(n, D)``, float32."""
        for shard in self.shards:
            yield shard.objects, shard.vectors().astype(np.float32)

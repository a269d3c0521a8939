"""Embedding a pool once: a killed process loses one shard at most, and the next one goes on after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from autolabel.inference.shards.embeddings import Embeddings
from autolabel.inference.shards.layout import lay_out
from autolabel.inference.shards.scorer import ShardScorer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from autolabel.inference.encoder import Encoder


class SourceReader(Protocol):
    """Where objects come from; thread-safe."""

    @property
    def content(self) -> str:
        """Digest of what the object numbers mean, of the manifest say: other content has other vectors."""
        ...

    @property
    def ahead(self) -> int:
        """Objects worth asking for before they are needed, each in a thread of its own; 0 where nothing waits."""
        ...

    def get(self, number: int, /) -> bytes | str:
        """Return bytes of a picture or a text; `ObjectError` when this object cannot be read."""
        ...


def embed_pool(
    encoder: Encoder,
    sources: SourceReader,
    folder: Path,
    *,
    rows: NDArray[np.int64],
    threads: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Embeddings:
    """Encode objects into `folder`, skipping shards whose receipt fits; one bad object never stops a shard.

    Parameters
    ----------
    rows
        Object numbers, ascending, shape ``(n,)``.
    threads
        Threads that read, decode and encode; 0: one a core.
    progress
        Called with objects done and objects in all.

    Raises
    ------
    StorageError
        Objects cannot be reached at all; what is finished stays, and the next try goes on after it.
    CheckpointError
        The encoder gives vectors that are not finite.
    """
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, len(rows))

    shards = lay_out(folder, rows)
    scorer = ShardScorer(encoder, sources, threads=threads, progress=advance)
    receipts = {shard.place: shard.finished(scorer.origin) for shard in shards}
    missing = [shard for shard in shards if receipts[shard.place] is None]
    advance(len(rows) - sum(len(shard.objects) for shard in missing))
    for shard, receipt in zip(missing, scorer.map(missing), strict=True):
        receipts[shard.place] = receipt
    return Embeddings(shards, [receipt for receipt in receipts.values() if receipt is not None])

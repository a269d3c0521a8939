"""`ShardScorer`: shards to files of vectors, the same on one machine, under a scheduler and in a Ray actor."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from autolabel.inference.shards.layout import Origin
from autolabel.inference.shards.workers import encode_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from autolabel.inference.embed import SourceReader
    from autolabel.inference.encoder import Encoder
    from autolabel.inference.shards.layout import Receipt, Shard


class ShardScorer:
    """Fetch, decode, encode, write: idempotent, so that a shard may be given to it twice, here and elsewhere.

    Parameters
    ----------
    threads
        Threads that read, decode and encode; 0: one a core.
    progress
        Called with the number of objects done since the last call.
    """

    def __init__(
        self,
        encoder: Encoder,
        sources: SourceReader,
        *,
        threads: int = 0,
        progress: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._encoder = encoder
        self._sources = sources
        self._threads = threads
        self._progress = progress
        self.origin = Origin(encoder.fingerprint, encoder.route, sources.content)

    def __call__(self, shard: Shard) -> Receipt:
        """Return the shard's receipt; the work is done only if it was not done before."""
        return shard.finished(self.origin) or next(self.map([shard]))

    def map(self, shards: Sequence[Shard]) -> Generator[Receipt, None, None]:
        """Score shards whatever is there already; yield their receipts in order.

        Threads go on with the next shard while the last windows of the one before are finished, but no window crosses
        the end of a shard: what a shard holds depends on its own objects only.
        """
        windows = _windows(shards, self._encoder.window)
        with closing(encode_windows(self._encoder, self._sources, windows, threads=self._threads)) as encoded:
            for shard in shards:
                vectors = np.zeros((len(shard.objects), self._encoder.dim), np.float16)
                failures: dict[str, str] = {}
                done = 0
                while done < len(shard.objects):
                    part = next(encoded)
                    vectors[done : done + len(part.objects)] = part.vectors
                    failures |= {str(number): reason for number, reason in part.failures.items()}
                    done += len(part.objects)
                    self._progress(len(part.objects))
                yield shard.write(vectors, failures, self.origin)


def _windows(shards: Iterable[Shard], size: int) -> Iterator[NDArray[np.int64]]:
    for shard in shards:
        for begin in range(0, len(shard.objects), size):
            yield shard.objects[begin : begin + size]

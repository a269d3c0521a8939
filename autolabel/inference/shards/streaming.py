"""Later passes over finished shards: each thread maps a shard, computes on one core, and lets go of it."""

from __future__ import annotations

import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from autolabel.inference.threads import cores, single_threaded_libraries, use_one_torch_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from autolabel.inference.shards.layout import Shard

T = TypeVar("T")


def each_shard(work: Callable[[Shard], T], shards: Iterable[Shard], *, threads: int = 0) -> Iterator[T]:
    """Yield ``work(shard)`` of every shard in order; as many run at a time as there are threads, 0: one a core."""
    threads = threads or cores()
    with single_threaded_libraries():
        pool = ThreadPoolExecutor(threads, thread_name_prefix="stream", initializer=use_one_torch_thread)
        try:
            begun = (pool.submit(work, shard) for shard in shards)
            under_way: deque[Future[T]] = deque(islice(begun, 2 * threads))
            while under_way:
                finished = under_way.popleft().result()
                under_way.extend(islice(begun, 1))
                yield finished
        finally:
            pool.shutdown(cancel_futures=True)


def widen(half: NDArray[np.float16], out: NDArray[np.float32]) -> None:
    """Copy float16 values to float32, which is exact.

    torch, where it is loaded already, has the processor's instruction for it and takes a fifteenth of numpy's time.
    """
    if "torch" in sys.modules:
        from_numpy = sys.modules["torch"].from_numpy
        from_numpy(out).copy_(from_numpy(half))
    else:
        np.copyto(out, half)

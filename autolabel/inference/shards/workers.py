"""Run to completion: each thread takes a window of objects and reads, decodes and encodes it by itself.

No queues between stages, nothing handed over but the finished vectors, and every library inside a thread is told to
use one thread: on two cores that is several times as fast as decoder processes beside a network with threads of its
own, and the vectors do not depend on the number of threads.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Self

import numpy as np

from autolabel.errors import CheckpointError, ObjectError
from autolabel.inference.threads import cores, single_threaded_libraries, use_one_torch_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from numpy.typing import NDArray

    from autolabel.inference.embed import SourceReader
    from autolabel.inference.encoder import Encoder, Prepared

LARGEST = float(np.finfo(np.float16).max)
AHEAD = 3
"""Windows a thread that may be under way or waiting to be taken: a window that takes long blocks nobody."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A window of objects and their vectors.

    Attributes
    ----------
    objects
        Shape ``(n,)``.
    vectors
        Shape ``(n, D)``, float16; zero where an object failed.
    failures
        By object number.
    """

    objects: NDArray[np.int64]
    vectors: NDArray[np.float16]
    failures: dict[int, str]


def encode_windows(
    encoder: Encoder, sources: SourceReader, windows: Iterable[NDArray[np.int64]], *, threads: int = 0
) -> Generator[Encoded, None, None]:
    """Encode windows of objects side by side; yield them in the order they came.

    Parameters
    ----------
    windows
        Object numbers, each of shape ``(n,)``: what one thread does in one go.
    threads
        0: one a core.

    Raises
    ------
    StorageError
        Objects cannot be reached at all.
    CheckpointError
        The encoder gives vectors that are not finite.
    """
    threads = threads or cores()
    with single_threaded_libraries(), _Fetcher(sources, encoder.window) as fetcher:
        pool = ThreadPoolExecutor(threads, thread_name_prefix="encode", initializer=use_one_torch_thread)
        try:
            begun = (pool.submit(_encode, encoder, window, get) for window, get in fetcher.ahead_of(windows))
            under_way: deque[Future[Encoded]] = deque(islice(begun, AHEAD * threads))
            while under_way:
                finished = under_way.popleft().result()
                under_way.extend(islice(begun, 1))
                yield finished
        finally:
            pool.shutdown(cancel_futures=True)


def prepare_one(encoder: Encoder, get: Callable[[int], bytes | str], number: int) -> Prepared | ObjectError:
    """Read and prepare an object, or return why that cannot be done."""
    try:
        return encoder.prepare(get(number))
    except ObjectError as error:
        return error


def checked(vectors: NDArray[np.float32], encoder: Encoder) -> NDArray[np.float16]:
    """Round vectors to half precision, which costs a linear head 0.0005 of accuracy at most; huge values are capped.

    Raises
    ------
    CheckpointError
        They are not finite.
    """
    if not np.isfinite(vectors).all():
        raise CheckpointError(f"the encoder {encoder.name} gives values that are not finite; use another model")
    return np.clip(vectors, -LARGEST, LARGEST).astype(np.float16)


def _encode(encoder: Encoder, objects: NDArray[np.int64], get: Callable[[int], bytes | str]) -> Encoded:
    outcomes = [prepare_one(encoder, get, number) for number in objects.tolist()]
    good = [row for row, outcome in enumerate(outcomes) if not isinstance(outcome, ObjectError)]
    failures = {
        int(number): str(outcome)
        for number, outcome in zip(objects, outcomes, strict=True)
        if isinstance(outcome, ObjectError)
    }
    vectors = np.zeros((len(objects), encoder.dim), np.float16)
    if good:
        vectors[good] = checked(encoder.encode([outcomes[row] for row in good]), encoder)
    return Encoded(objects, vectors, failures)


class _Fetcher:
    """Asks for the objects of the next windows while the threads are busy, where asking means waiting."""

    def __init__(self, sources: SourceReader, window: int) -> None:
        self._sources = sources
        self._windows = -(-sources.ahead // window)
        self._pool = ThreadPoolExecutor(sources.ahead, thread_name_prefix="fetch") if sources.ahead else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def ahead_of(
        self, windows: Iterable[NDArray[np.int64]]
    ) -> Iterator[tuple[NDArray[np.int64], Callable[[int], bytes | str]]]:
        """Yield windows, each with the function that gets its objects."""
        if self._pool is None:
            yield from ((window, self._sources.get) for window in windows)
            return
        waiting = iter(windows)
        asked = deque(map(self._ask, islice(waiting, self._windows)))
        while asked:
            asked.extend(map(self._ask, islice(waiting, 1)))
            window, futures = asked.popleft()
            yield window, partial(_wait, futures)

    def _ask(self, window: NDArray[np.int64]) -> tuple[NDArray[np.int64], dict[int, Future[bytes | str]]]:
        assert self._pool is not None  # noqa: S101 - only called where there is one
        return window, {number: self._pool.submit(self._sources.get, number) for number in window.tolist()}


def _wait(futures: dict[int, Future[bytes | str]], number: int) -> bytes | str:
    """Return what was asked for, and forget it: a window of photos is large."""
    return futures.pop(number).result()

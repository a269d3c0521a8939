"""The lane of pictures through a device: threads decode into page-locked slots, the device does everything else.

    reader and decoder threads ──► slots ──► copies beside the computation ──► cut, scale, normalise, network ──►
    vectors in half precision, copied back while the next batch is computed

Threads share one interpreter, so what they do in Python for a picture is kept to some tens of microseconds: a read, a
header, a call that decodes without the interpreter's lock, a copy.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from autolabel.errors import CheckpointError
from autolabel.inference.gpu.batch_size import OutOfRoomError, within_memory
from autolabel.inference.gpu.filling import Filled, Filler
from autolabel.inference.gpu.hardware import HardwareDecoder
from autolabel.inference.gpu.plan import SHARES
from autolabel.inference.gpu.slots import Slot
from autolabel.inference.gpu.tuning import Tuner
from autolabel.inference.jpeg import decoder
from autolabel.inference.shards.workers import Encoded, Fetcher
from autolabel.inference.threads import cores, single_threaded_libraries, use_one_torch_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from numpy.typing import NDArray

    from autolabel.inference.embed import SourceReader
    from autolabel.inference.encoder import DeviceEncoder
    from autolabel.inference.gpu.engine import Mark

    Get = Callable[[int], bytes | str]

SLOTS = 4
"""Slots that are filled, full or on their way."""
BUNDLE = 4
"""Pictures a thread takes at a time."""


@dataclass(slots=True, eq=False)
class _Chunk:
    """A slot's worth of a window, being decoded."""

    window: NDArray[np.int64]
    begin: int
    """First of its rows in the window."""
    slot: Slot
    work: list[Future[Filled]]


@dataclass(slots=True, eq=False)
class _Running:
    """A window that the device was given."""

    window: NDArray[np.int64]
    failures: dict[int, str]
    mark: Mark
    result: torch.Tensor


class _Ring:
    """Slots in turn, each free again when the device has read it."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        self._free: deque[tuple[Slot, Mark | None]] = deque((slot, None) for slot in slots)

    def take(self) -> Slot:
        """Return the next slot; waits for the device."""
        slot, mark = self._free.popleft()
        if mark is not None:
            mark.wait()
        slot.clear()
        return slot

    def give(self, slot: Slot, mark: Mark) -> None:
        """Put a slot back, free from `mark` on."""
        self._free.append((slot, mark))


class DeviceLane:
    """See `autolabel.inference.shards.lane.Lane`.

    Parameters
    ----------
    threads
        Threads that read and decode; 0: one a core.
    objects
        How many there are to be encoded: whether it pays to compile depends on it.
    """

    def __init__(self, encoder: DeviceEncoder, sources: SourceReader, *, threads: int = 0, objects: int = 0) -> None:
        self._name = encoder.name
        self._sources = sources
        self._threads = threads or cores()
        self._tuner = Tuner(encoder, sources, self._threads)
        self._plan = self._tuner.plan(objects)
        self._engine = self._tuner.build(self._plan)
        device = self._tuner.device
        hardware = HardwareDecoder(device) if self._plan.hardware else None
        framings = [part.framing for part in encoder.device_parts()]
        self._filler = Filler(encoder.name, max(each.wanted for each in framings), encoder.limits, hardware)
        self._new_slot = partial(Slot, framings=framings, pinned=device.type == "cuda")
        kind = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        self.route = f"{decoder()}; torch {torch.__version__}, {kind}, {self._plan.words}"

    @property
    def window(self) -> int:
        """Objects a batch; the last one of a shard is filled up with nothing."""
        return self._engine.batch

    def encode(self, windows: Iterable[NDArray[np.int64]]) -> Generator[Encoded, None, None]:
        """Encode windows in order, each a batch late; one that is larger than a batch comes out in pieces.

        When memory runs out the batch is halved for good, and what was under way is done again.
        """
        unfinished: list[NDArray[np.int64]] = []
        source = iter(windows)

        def pieces(objects: Iterable[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
            size = self._engine.batch
            return [each[begin : begin + size] for each in objects for begin in range(0, len(each), size)]

        def feed() -> Iterator[NDArray[np.int64]]:
            yield from list(unfinished)
            for window in source:
                new = pieces([window])
                unfinished.extend(new)
                yield from new

        while True:
            try:
                for encoded in self._encode(feed()):
                    del unfinished[0]
                    yield encoded
            except OutOfRoomError:
                self._plan = self._tuner.smaller(self._plan)
                del self._engine
                self._engine = self._tuner.build(self._plan)
                unfinished[:] = pieces(unfinished)
            else:
                return

    def _encode(self, windows: Iterator[NDArray[np.int64]]) -> Generator[Encoded, None, None]:
        engine = self._engine
        ring = _Ring([self._new_slot(engine.rows) for _ in range(SLOTS)])
        with single_threaded_libraries(), Fetcher(self._sources, engine.batch) as fetcher:
            pool = ThreadPoolExecutor(self._threads, thread_name_prefix="decode", initializer=use_one_torch_thread)
            try:
                chunks = self._begin_chunks(fetcher.ahead_of(windows), ring, pool)
                under_way = deque(islice(chunks, SLOTS - 1))
                running: deque[_Running] = deque()
                failures: dict[int, str] = {}
                while under_way:
                    chunk = under_way.popleft()
                    failures |= self._take(chunk, ring)
                    under_way.extend(islice(chunks, 1))
                    if chunk.begin + engine.rows >= len(chunk.window):
                        running.append(_Running(chunk.window, failures, *within_memory(engine.run)))
                        failures = {}
                    if len(running) > 1:
                        yield self._finished(running.popleft())
                while running:
                    yield self._finished(running.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    def _begin_chunks(
        self, windows: Iterator[tuple[NDArray[np.int64], Get]], ring: _Ring, pool: ThreadPoolExecutor
    ) -> Iterator[_Chunk]:
        """Hand slots to the threads, window by window."""
        fill, rows = self._filler.fill, self._engine.rows
        for window, get in windows:
            for begin in range(0, len(window), rows):
                slot = ring.take()
                numbers = window[begin : begin + rows].tolist()
                split = len(numbers) * self._plan.hardware // SHARES
                work = [
                    pool.submit(fill, slot, first, numbers[first : first + BUNDLE], get)
                    for first in range(split, len(numbers), BUNDLE)
                ]
                if split:
                    work.append(pool.submit(self._filler.fill_by_device, slot, numbers[:split], get))
                yield _Chunk(window, begin, slot, work)

    def _take(self, chunk: _Chunk, ring: _Ring) -> dict[int, str]:
        """Wait for a chunk's pictures and give them to the device, which frees the slot; return what failed."""
        filled = [work.result() for work in chunk.work]
        pictures = [picture for each in filled for picture in each.pictures]
        mark = within_memory(partial(self._engine.take, chunk.slot, chunk.begin, pictures))
        ring.give(chunk.slot, mark)
        return {number: reason for each in filled for number, reason in each.failures.items()}

    def _finished(self, run: _Running) -> Encoded:
        run.mark.wait()
        vectors: NDArray[np.float16] = run.result[: len(run.window)].numpy().copy()
        vectors[np.isin(run.window, np.fromiter(run.failures, np.int64, len(run.failures)))] = 0
        if not np.isfinite(vectors).all():
            raise CheckpointError(f"the encoder {self._name} gives values that are not finite; use another model")
        return Encoded(run.window, vectors, run.failures)

"""Finding a plan: trials on the device, once for a network and kind of device, once for an output folder."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING

import msgspec
import torch

from autolabel.errors import ObjectError
from autolabel.inference.gpu.batch_size import (
    MEMORY,
    BatchSize,
    OutOfRoomError,
    find_batch,
    halved,
    memory_share,
    name_of,
    remember,
    remembered,
    within_memory,
)
from autolabel.inference.gpu.engine import Engine
from autolabel.inference.gpu.filling import Filler
from autolabel.inference.gpu.hardware import HardwareDecoder
from autolabel.inference.gpu.module import WholeEncoder
from autolabel.inference.gpu.plan import DevicePlan, hardware_share, repays_compiling
from autolabel.inference.gpu.slots import side_of
from autolabel.inference.images import decode
from autolabel.inference.runtimes.graph_cache import find, keep

if TYPE_CHECKING:
    from collections.abc import Callable

    from autolabel.inference.embed import SourceReader
    from autolabel.inference.encoder import DeviceEncoder

ROWS = 128
"""Pictures of a slot: a hundred megabytes that are copied in two milliseconds."""
RUNS = 5
"""Batches that a size is timed with."""
TRIED = 256
"""Pictures that both decoders are tried with."""


class Tuner:
    """Knows one encoder on one device, and how it is best computed there."""

    def __init__(self, encoder: DeviceEncoder, sources: SourceReader, threads: int) -> None:
        self.device = encoder.compute.torch_device()
        self._compute = encoder.compute
        self._fingerprint = encoder.fingerprint
        self._limits = encoder.limits
        self._sources = sources
        self._threads = threads
        self._parts = encoder.device_parts()
        module = WholeEncoder(self._parts, reduced=self._compute.reduced)
        self._module = module.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs know no memory_format beside a device
        self._size_name = name_of(self._fingerprint, self.device, reduced=self._compute.reduced)

    def plan(self, objects: int) -> DevicePlan:
        """Return the plan that the output folder holds, or find one and keep it there.

        Parameters
        ----------
        objects
            How many there are to be encoded; 0 where nobody knows.
        """
        known = self._known()
        if known is not None:
            return known
        size = remembered(self._size_name)
        if size is None:
            size = find_batch(self._seconds)
            remember(self._size_name, size)
        pays = bool(objects) and repays_compiling(objects, 1.0 / self._seconds(size.batch))
        share = self._hardware() if self.device.type == "cuda" else 0
        plan = DevicePlan(size.batch, pays, share, self._compute.reduced)
        self._keep(plan)
        return plan

    def smaller(self, plan: DevicePlan) -> DevicePlan:
        """Return a plan with half the batch, for when memory ran out, and remember it; `CheckpointError` below one."""
        before = remembered(self._size_name) or BatchSize(plan.batch)
        size = halved(BatchSize(plan.batch, before.ceiling))
        remember(self._size_name, size)
        plan = msgspec.structs.replace(plan, batch=size.batch)
        self._keep(plan)
        return plan

    def build(self, plan: DevicePlan) -> Engine:
        """Build the engine of a plan; with less than it says when memory is short."""
        while True:
            try:
                return self._engine(plan.batch, compiled=plan.compiled)
            except OutOfRoomError:
                plan = self.smaller(plan)

    def _engine(self, batch: int, *, compiled: bool) -> Engine:
        make = partial(Engine, self._module, self._parts, self.device, batch=batch, rows=min(ROWS, batch))
        return within_memory(partial(make, compiled=compiled))

    def _seconds(self, batch: int) -> float:
        """Seconds that a picture takes in batches of this size; `OutOfRoomError` when they do not fit."""
        engine = self._engine(batch, compiled=False)
        if memory_share(self.device) > MEMORY:
            raise OutOfRoomError(f"a batch of {batch} takes more than {MEMORY:.0%} of the memory")
        engine.run()[0].wait()
        begun = time.perf_counter()
        for _ in range(RUNS):
            mark, _ = engine.run()
        mark.wait()
        return (time.perf_counter() - begun) / (RUNS * batch)

    def _hardware(self) -> int:
        """Sixteenths of a batch that the device should decode: both decoders are tried on the first pictures."""
        framings = [part.framing for part in self._parts]
        wanted = max(framing.wanted for framing in framings)
        filler = Filler("", wanted, self._limits, None)
        raws = _first_pictures(self._sources, TRIED)
        plain = [raw for raw in raws if filler.plain_size(raw, side_of(framings))]
        if 2 * len(plain) < len(raws) or not plain:
            return 0
        hardware = HardwareDecoder(self.device)
        if hardware.decode(plain) is None:
            return 0
        by_device = _per_second(lambda: hardware.decode(plain), len(plain))
        with ThreadPoolExecutor(self._threads) as pool:
            decode_one = partial(decode, wanted=wanted, limits=self._limits)
            by_threads = _per_second(lambda: list(pool.map(decode_one, plain)), len(plain))
        return hardware_share(by_device, by_threads)

    def _known(self) -> DevicePlan | None:
        if self._compute.trials is None:
            return None
        data = find(self._plan_name, folder=self._compute.trials)
        try:
            plan = None if data is None else msgspec.json.decode(data, type=DevicePlan)
        except msgspec.DecodeError:
            return None
        return plan if plan is not None and plan.reduced == self._compute.reduced else None

    def _keep(self, plan: DevicePlan) -> None:
        if self._compute.trials is not None:
            keep(self._plan_name, msgspec.json.encode(plan), folder=self._compute.trials)

    @property
    def _plan_name(self) -> str:
        return f"device-{self._fingerprint[:16]}.json"


def _first_pictures(sources: SourceReader, wanted: int) -> list[bytes]:
    """Read the first objects, as far as they can be read; object numbers begin at 0."""
    found: list[bytes] = []
    for number in islice(count(), 2 * wanted):
        try:
            raw = sources.get(number)
        except ObjectError:
            continue
        except IndexError:
            break
        if isinstance(raw, bytes):
            found.append(raw)
        if len(found) == wanted:
            break
    return found


def _per_second(work: Callable[[], object], items: int) -> float:
    """Items a second, after one run that warms up."""
    work()
    begun = time.perf_counter()
    work()
    return items / (time.perf_counter() - begun)

"""How many pictures at a time: found once for a network on a device, remembered, and lowered when memory runs out."""

from __future__ import annotations

import gc
import hashlib
from typing import TYPE_CHECKING, TypeVar

import msgspec
import torch

from autolabel.errors import CheckpointError
from autolabel.inference.runtimes.graph_cache import find, keep

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FIRST = 64
LARGEST = 2_048
WORTH = 1.03
"""Times faster that twice the batch has to be."""
MEMORY = 0.85
"""Share of a device's memory that a batch may take: something else may want some too."""


class BatchSize(msgspec.Struct, frozen=True):
    """What is known of one network on one kind of device."""

    batch: int
    """The best so far."""
    ceiling: int = LARGEST
    """No batch of this size or more: memory ran out with it."""


class OutOfRoomError(Exception):
    """A batch does not fit into the device's memory."""


def find_batch(seconds: Callable[[int], float], *, first: int = FIRST, ceiling: int = LARGEST) -> BatchSize:
    """Double the batch until it gains less than 3 %.

    Parameters
    ----------
    seconds
        Seconds an object takes with a batch of this size; raises `OutOfRoomError`.
    ceiling
        The batch stays below it.

    Raises
    ------
    OutOfRoomError
        Not even one object fits.
    """
    batch = min(first, max(1, ceiling // 2))
    while True:
        try:
            best = seconds(batch)
            break
        except OutOfRoomError:
            if batch == 1:
                raise
            ceiling = batch
            batch //= 2
    while 2 * batch < ceiling:
        try:
            found = seconds(2 * batch)
        except OutOfRoomError:
            return BatchSize(batch, 2 * batch)
        if best < WORTH * found:
            break
        best, batch = found, 2 * batch
    return BatchSize(batch, ceiling)


def remembered(name: str) -> BatchSize | None:
    """Return what the cache knows under a name."""
    data = find(name)
    try:
        return None if data is None else msgspec.json.decode(data, type=BatchSize)
    except msgspec.DecodeError:
        return None


def remember(name: str, size: BatchSize) -> None:
    """Keep it for the next process."""
    keep(name, msgspec.json.encode(size))


def halved(size: BatchSize) -> BatchSize:
    """Return what to go on with after memory ran out, half the batch, and never as much again.

    Raises
    ------
    CheckpointError
        Not even one object fits.
    """
    if size.batch == 1:
        raise CheckpointError(
            "one picture does not fit into the device's memory; use a smaller network or the processor"
        )
    return BatchSize(size.batch // 2, size.batch)


def name_of(fingerprint: str, device: torch.device, *, reduced: bool) -> str:
    """Name of a network's entry in the cache: for the kind of device, not for this one."""
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    digest = hashlib.sha256(f"{fingerprint} {kind} {reduced} {torch.__version__}".encode()).hexdigest()
    return f"batches/{digest}.json"


def within_memory(work: Callable[[], T]) -> T:
    """Return what `work` returns; `OutOfRoomError`, with everything freed that it held, when memory runs out.

    The error's traceback holds the tensors of the failed try, so it must be gone before the next one.
    """
    try:
        return work()
    except torch.OutOfMemoryError as error:
        message = str(error).partition("\n")[0]
    gc.collect()
    torch.cuda.empty_cache()
    raise OutOfRoomError(message)


def memory_share(device: torch.device) -> float:
    """Share of the device's memory that this process has taken; 0 on a processor."""
    if device.type != "cuda":
        return 0.0
    _, total = torch.cuda.mem_get_info(device)
    return torch.cuda.max_memory_reserved(device) / total

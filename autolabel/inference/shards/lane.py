"""Lanes: what carries windows of objects through an encoder, on the processor's cores or on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from autolabel.inference.encoder import Computed, DeviceEncoder
from autolabel.inference.shards.workers import WorkerLane

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from autolabel.inference.embed import SourceReader
    from autolabel.inference.encoder import Encoder
    from autolabel.inference.shards.workers import Encoded


DEVICE_THREADS = 3
"""Threads around a device that texts go to: one waits for it, the others cut the next texts into pieces."""


class Lane(Protocol):
    """Reads, prepares and encodes objects, many at a time."""

    @property
    def route(self) -> str:
        """How the vectors are computed; see `Encoder.route`."""
        ...

    @property
    def window(self) -> int:
        """Objects that a window should have."""
        ...

    def encode(self, windows: Iterable[NDArray[np.int64]]) -> Generator[Encoded, None, None]:
        """Encode windows of object numbers, each of shape ``(n,)``; yield them in the order they came.

        Raises
        ------
        StorageError
            Objects cannot be reached at all.
        CheckpointError
            The encoder gives vectors that are not finite.
        """
        ...


def open_lane(encoder: Encoder, sources: SourceReader, *, threads: int = 0, objects: int = 0) -> Lane:
    """Return the lane of an encoder: a pipeline around the device for networks of pictures on one, else threads.

    Parameters
    ----------
    threads
        Threads that read and decode, and on processors encode; 0: one a core.
    objects
        How many there are to be encoded: whether it pays to compile depends on it.
    """
    if isinstance(encoder, DeviceEncoder) and encoder.on_device:
        from autolabel.inference.gpu.lane import DeviceLane

        return DeviceLane(encoder, sources, threads=threads, objects=objects)
    if isinstance(encoder, Computed) and encoder.compute.torch_device().type != "cpu":
        threads = DEVICE_THREADS
    return WorkerLane(encoder, sources, threads=threads)

"""The device's side: pixels go over while it computes, are cut and scaled there, and vectors come back a batch late."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from autolabel.inference.gpu.graph import StaticGraph
from autolabel.inference.gpu.resize import PLACES, Resize
from autolabel.inference.gpu.slots import side_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from autolabel.inference.gpu.module import DevicePart, WholeEncoder
    from autolabel.inference.gpu.slots import Slot

STAGES = 2
"""Arrays on the device that pixels arrive in: one fills while the other is read."""


class Mark:
    """A moment of a stream that others can wait for; on a processor everything has happened already."""

    def __init__(self, device: torch.device) -> None:
        self._event = torch.cuda.Event() if device.type == "cuda" else None
        self._device = device

    def record(self) -> None:
        """Put the mark behind what the current stream was given so far."""
        if self._event is not None:
            self._event.record()

    def wait_on_device(self) -> None:
        """Let the current stream go no further before the mark; the processor goes on."""
        if self._event is not None:
            torch.cuda.current_stream(self._device).wait_event(self._event)

    def wait(self) -> None:
        """Wait on the processor."""
        if self._event is not None:
            self._event.synchronize()


class Engine:
    """One network, one batch size, one device.

    Parameters
    ----------
    module
        On the device.
    rows
        Pictures that come over at a time; a divisor of `batch`.
    """

    def __init__(
        self,
        module: WholeEncoder,
        parts: Sequence[DevicePart],
        device: torch.device,
        *,
        batch: int,
        rows: int,
        compiled: bool,
    ) -> None:
        self.batch, self.rows = batch, rows
        self._device = device
        framings = [part.framing for part in parts]
        side = side_of(framings)
        self._resizes = [Resize(framing.size, bicubic=framing.bicubic) for framing in framings]
        self._pixels = [torch.zeros((rows, side, side, 3), dtype=torch.uint8, device=device) for _ in range(STAGES)]
        self._places = [torch.zeros((len(framings), rows, PLACES), device=device) for _ in range(STAGES)]
        squares = [
            torch.zeros((batch, framing.size, framing.size, 3), dtype=torch.uint8, device=device)
            for framing in framings
        ]
        self._squares = tuple(squares)
        self._graph = StaticGraph(module, self._squares, compiled=compiled)
        pinned = device.type == "cuda"
        self._results = [
            torch.zeros((batch, module.dim), dtype=torch.float16, pin_memory=pinned) for _ in range(STAGES)
        ]
        self._copies: Any = torch.cuda.Stream(device) if pinned else None
        self._arrived, self._used = ([Mark(device) for _ in range(STAGES)] for _ in range(2))
        self._finished = [Mark(device) for _ in range(STAGES)]
        self._turn = self._round = 0

    def take(self, slot: Slot, begin: int, decoded: Sequence[Tensor] = ()) -> Mark:
        """Bring a slot's pictures over and scale them into rows of the batch from `begin` on; does not wait.

        Parameters
        ----------
        decoded
            Pictures ``(3, H, W)`` that are on the device already, for the slot's first rows; their places are in it.

        Returns
        -------
        The moment from which on the slot may be filled again.
        """
        turn = self._turn = (self._turn + 1) % STAGES
        pixels, places = self._pixels[turn], self._places[turn]
        with torch.cuda.stream(self._copies) if self._copies is not None else nullcontext():
            self._used[turn].wait_on_device()
            pixels[len(decoded) :].copy_(slot.pixels[len(decoded) :], non_blocking=True)
            places.copy_(slot.places, non_blocking=True)
            self._arrived[turn].record()
        self._arrived[turn].wait_on_device()
        with torch.inference_mode():
            for row, picture in enumerate(decoded):
                pixels[row, : picture.shape[1], : picture.shape[2]].copy_(picture.permute(1, 2, 0))
                if picture.is_cuda:  # its memory belongs to the decoder's stream, which must not reuse it before
                    picture.record_stream(torch.cuda.current_stream(self._device))
            for resize, square, where in zip(self._resizes, self._squares, places, strict=True):
                square[begin : begin + self.rows].copy_(resize(pixels, where))
        self._used[turn].record()
        return self._arrived[turn]

    def run(self) -> tuple[Mark, Tensor]:
        """Start the network on the batch; return when its vectors ``(B, D)`` will be in memory, and where."""
        self._round = (self._round + 1) % STAGES
        result, finished = self._results[self._round], self._finished[self._round]
        with torch.inference_mode():
            result.copy_(self._graph.run(), non_blocking=True)
        finished.record()
        return finished, result

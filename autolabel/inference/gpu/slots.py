"""Page-locked arrays that threads decode into and the device reads from, reused for the whole run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from autolabel.inference.framing import framed
from autolabel.inference.gpu.resize import PLACES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from autolabel.inference.framing import Framing
    from autolabel.inference.images import Picture

ROOM = 1.25
"""Times the pixels that a framing wants of the short side, of which a slot has place for each side."""
TILE = 64
"""Sides of a slot are multiples of it: matrix products like that."""


def side_of(framings: Sequence[Framing]) -> int:
    """Side of the square that a picture has in a slot; larger ones are scaled before they come there."""
    most = max(framing.wanted for framing in framings)
    return TILE * math.ceil(ROOM * most / TILE)


class Slot:
    """Room for a batch of pictures of any shape, and where each framing finds its square in them.

    Parameters
    ----------
    pinned
        Page-locked, so that the device can read while the processor goes on; only where there is such a device.
    """

    def __init__(self, rows: int, framings: Sequence[Framing], *, pinned: bool) -> None:
        self.framings = tuple(framings)
        self.side = side_of(framings)
        self.pixels = torch.zeros((rows, self.side, self.side, 3), dtype=torch.uint8, pin_memory=pinned)
        self.places = torch.zeros((len(framings), rows, PLACES), dtype=torch.float32, pin_memory=pinned)
        self._places: NDArray[np.float32] = (
            self.places.numpy()
        )  # assigning to it costs a fifth of assigning to a tensor
        self.clear()

    def clear(self) -> None:
        """Let every row hold one black pixel: what is not filled must still give finite vectors."""
        for places, framing in zip(self._places, self.framings, strict=True):
            places[:] = (0, 0, 1 / framing.size, 1 / framing.size, 0, 0, 1, 1)

    def put(self, row: int, picture: Picture) -> None:
        """Store a picture, or, if it is too large or has to be turned, its finished squares side by side."""
        height, width = picture.pixels.shape[:2]
        left, top, right, bottom = _seen(self.framings, width, height)
        if picture.orientation > 1 or max(right - left, bottom - top) > self.side:
            self._put_squares(row, [framed(picture, framing) for framing in self.framings])
            return
        # torch's copy frees the GIL, numpy's does not.
        part = torch.from_numpy(picture.pixels)[top:bottom, left:right]
        self.pixels[row, : bottom - top, : right - left].copy_(part)
        for places, framing in zip(self._places, self.framings, strict=True):
            x, y, step_x, step_y = framing.sampling(width, height)
            places[row] = (x - left, y - top, step_x, step_y, 0, 0, right - left, bottom - top)

    def place_whole(self, row: int, width: int, height: int) -> None:
        """Say that a row holds a whole picture, which comes there by another way."""
        for places, framing in zip(self._places, self.framings, strict=True):
            x, y, step_x, step_y = framing.sampling(width, height)
            places[row] = (x, y, step_x, step_y, 0, 0, width, height)

    def _put_squares(self, row: int, squares: Sequence[NDArray[np.uint8]]) -> None:
        begin = 0
        for places, square in zip(self._places, squares, strict=True):
            size = len(square)
            self.pixels[row, :size, begin : begin + size].copy_(torch.from_numpy(square))
            places[row] = (begin, 0, 1, 1, begin, 0, begin + size, size)
            begin += size


def _seen(framings: Sequence[Framing], width: int, height: int) -> tuple[int, int, int, int]:
    """Return the pixels that any framing samples: left, top, right, bottom."""
    edges = []
    for framing in framings:
        x, y, step_x, step_y = framing.sampling(width, height)
        edges.append((*_reach(x, step_x, framing, width), *_reach(y, step_y, framing, height)))
    left, right, top, bottom = zip(*edges, strict=True)
    return min(left), min(top), max(right), max(bottom)


def _reach(begin: float, step: float, framing: Framing, length: int) -> tuple[int, int]:
    """Return the first pixel of a side and the one after the last that have a weight."""
    support = (2.0 if framing.bicubic else 1.0) * max(step, 1.0)
    return (
        max(0, math.floor(begin - support)),
        min(length, math.ceil(begin + framing.size * step + support)),
    )

"""The fast way through a JPEG: simplejpeg, where it is installed, with Pillow as the judge of everything odd.

Both wrap libjpeg-turbo and are asked for the same method and the same scale, so they give the same pixels where their
libraries are of one version; simplejpeg takes a quarter less time. It refuses what is not quite in order, which Pillow
then decodes or fails with a reason: the answer about a file never depends on what is installed.
"""

from __future__ import annotations

import functools
import importlib.util
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCALES = (8, 4, 2, 1)
"""What a JPEG can be divided by while it is decoded, at no loss but that of the pixels."""


def scale_for(size: tuple[int, int], wanted: int) -> int:
    """Return the largest of `SCALES` that leaves `wanted` pixels of both sides: the one that Pillow's draft takes."""
    most = min(side // wanted for side in size)
    return next((scale for scale in SCALES if scale <= most), 1)


def fast_jpeg(raw: bytes, size: tuple[int, int], wanted: int) -> NDArray[np.uint8] | None:
    """Decode a grey or colour JPEG to ``(H, W, 3)`` uint8; ``None``: let Pillow try.

    Parameters
    ----------
    size
        Width and height in the header.
    wanted
        Pixels that are needed of each side.
    """
    if not has_simplejpeg():
        return None
    import simplejpeg

    width, height = (-(-side // scale_for(size, wanted)) for side in size)
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(raw, "RGB", min_height=height, min_width=width)
    except (ValueError, RuntimeError, MemoryError):
        return None
    return pixels if pixels.shape == (height, width, 3) else None


@functools.cache
def has_simplejpeg() -> bool:
    """Whether simplejpeg is installed."""
    return importlib.util.find_spec("simplejpeg") is not None


@functools.cache
def decoder() -> str:
    """Name what decodes pictures here, with versions; part of `Encoder.route`."""
    pillow = f"Pillow {version('pillow')}"
    return f"simplejpeg {version('simplejpeg')}, {pillow}" if has_simplejpeg() else pillow

"""How a picture of any shape becomes the square that a network sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.inference.images import DEFAULT_LIMITS, ImageLimits, Picture, decode, upright

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDEST = 4
"""Times the square's pixels that a scaled picture may have before it is cut first: nobody blows up 1 x 10,000."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How a picture of any shape becomes a square.

    Attributes
    ----------
    size
        Side S of the square in pixels.
    short_side
        Scale the short side to this and cut the central square out, as ImageNet evaluation does; ``None`` leaves
        the choice to `cut`.
    cut
        How a picture that is not square loses its surplus: 0 squeezes all of it into the square, 1 cuts the central
        square out, and between them the long side is first cut to ``short * (long / short) ** (1 - cut)``.
    bicubic
        Bicubic instead of bilinear interpolation; both smooth when they shrink.
    """

    size: int
    short_side: int | None = None
    cut: float = 0.5
    bicubic: bool = False

    @property
    def wanted(self) -> int:
        """Pixels that the short side should have at least before it is scaled: twice those that are left of it."""
        return 2 * (self.short_side or self.size)

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that the whole picture is scaled to; its central S x S pixels are the square."""
        short = min(width, height)
        return self._scaled_side(width, short), self._scaled_side(height, short)

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Return the part of a picture that fills the square: left, top, right, bottom in its own pixels."""
        short = min(width, height)
        left, right = self._span(width, self._scaled_side(width, short))
        top, bottom = self._span(height, self._scaled_side(height, short))
        return left, top, right, bottom

    def _scaled_side(self, length: int, short: int) -> int:
        if self.short_side is not None:
            return self.short_side * length // short
        scaled: float = self.size * (length / short) ** self.cut
        return round(scaled)

    def _span(self, length: int, scaled: int) -> tuple[float, float]:
        """Return where the part that is kept of one side begins and ends."""
        begin = _middle(scaled, self.size) * length / scaled
        return max(begin, 0.0), min(begin + self.size * length / scaled, float(length))


def decode_image(raw: bytes, framing: Framing, limits: ImageLimits = DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG to a square, upright RGB picture, shape ``(S, S, 3)``, uint8.

    Raises
    ------
    ObjectError
        ``INVALID_IMAGE`` with the reason.
    """
    return framed(decode(raw, framing.wanted, limits), framing)


def framed(picture: Picture, framing: Framing) -> NDArray[np.uint8]:
    """Scale and cut a picture, then turn it upright, which on a square is the same and less work; ``(S, S, 3)``, uint8.

    torch scales a whole uint8 picture with antialiasing in a third of the time that Pillow takes for the part that is
    kept, and gives torchvision's own pixels; both free the GIL.
    """
    height, width = picture.pixels.shape[:2]
    scaled_width, scaled_height = framing.scaled(width, height)
    if scaled_width * scaled_height > WIDEST * framing.size**2:
        square = _cut_first(picture, framing)
    else:
        square = _scaled_first(picture, framing, scaled_width, scaled_height)
    return np.ascontiguousarray(upright(square, picture.orientation))


def _scaled_first(picture: Picture, framing: Framing, width: int, height: int) -> NDArray[np.uint8]:
    import torch
    from torch.nn.functional import interpolate

    size = framing.size
    left, top = _middle(width, size), _middle(height, size)
    if picture.pixels.shape[:2] == (height, width):
        return picture.pixels[top : top + size, left : left + size]
    # (H, W, 3) in memory seen as (1, 3, H, W) is what torch calls channels_last, for which it has a kernel of its own.
    whole = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None]
    mode = "bicubic" if framing.bicubic else "bilinear"
    scaled = interpolate(whole, (height, width), mode=mode, antialias=True)
    square: NDArray[np.uint8] = scaled[0, :, top : top + size, left : left + size].permute(1, 2, 0).numpy()
    return square


def _cut_first(picture: Picture, framing: Framing) -> NDArray[np.uint8]:
    """Do the same for a picture that is long and thin: Pillow scales a part of it, whatever fraction that begins at."""
    from PIL import Image
    from PIL.Image import Resampling

    height, width = picture.pixels.shape[:2]
    method = Resampling.BICUBIC if framing.bicubic else Resampling.BILINEAR
    size = (framing.size, framing.size)
    return np.asarray(Image.fromarray(picture.pixels).resize(size, method, framing.box(width, height)))


def _middle(scaled: int, size: int) -> int:
    """Return where the middle part of a scaled side begins."""
    return round((scaled - size) / 2.0)

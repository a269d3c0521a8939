"""The gate that every picture passes, and its decoding to pixels of one form: uint8 RGB of one size.

Format and size are decided by the bytes, never by a name: JPEG and PNG, whose headers are read before a pixel is.
What Pillow reads beyond them (EPS runs a program, TIFF and GIF hold many frames) is never tried; of an animated
PNG the default picture is used. Pillow frees the GIL while it decodes and resizes, so threads work in parallel.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.errors import ObjectError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

INVALID_IMAGE = "INVALID_IMAGE"

_ORIENTATION = 0x0112
BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, OverflowError, LookupError)
"""What Pillow raises for broken files: mostly OSError and SyntaxError, the rest from its chunk readers."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What is refused before it is decoded.

    The service takes files of up to 40 MB; automated labeling there also stops at 3840 x 2160 pixels, which callers
    who want the same answer pass as `max_pixels`.
    """

    max_bytes: int = 40_000_000
    max_pixels: int = 100_000_000
    """About 300 MB of memory for each decoding thread at worst."""


DEFAULT_LIMITS = ImageLimits()


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

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Return the part of a picture that fills the square: left, top, right, bottom in its own pixels.

        Cutting before scaling takes the same samples as torchvision's scaling before cutting, and a picture of
        1 x 10,000 pixels is never blown up on the way.
        """
        left, right = self._span(width, min(width, height))
        top, bottom = self._span(height, min(width, height))
        return left, top, right, bottom

    def _span(self, length: int, short: int) -> tuple[float, float]:
        """Return where the part that is kept of one side begins and ends."""
        if self.short_side is None:
            kept = short * (length / short) ** (1.0 - self.cut)
            begin = (length - kept) / 2.0
        else:
            scaled = self.short_side * length // short
            kept = self.size * length / scaled
            begin = round((scaled - self.size) / 2.0) * length / scaled
        return max(begin, 0.0), min(begin + kept, float(length))


def decode_image(raw: bytes, framing: Framing, limits: ImageLimits = DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG to a square, upright RGB picture, shape ``(S, S, 3)``, uint8.

    1-bit, grey, palette and CMYK pictures become RGB; of 16 bits a channel the high eight are kept; transparency
    shows white, as on the worker's page. Colour profiles are ignored. The EXIF orientation is applied, because the
    backbones have learned upright pictures and a class has no coordinates; boxes and masks are in stored pixels,
    so a detector must not use this function. Large JPEGs are scaled by a power of two while they are decoded, to no
    less than twice the size asked for.

    Raises
    ------
    ObjectError
        ``INVALID_IMAGE`` with the reason.
    """
    image = open_image(raw, limits)
    target = 2 * (framing.short_side or framing.size)
    try:
        image.draft(None, (target, target))
        image.load()
        orientation = orientation_of(image.info.get("exif", b""))
        # Shrinking first: what follows then works on a few thousand pixels instead of millions.
        square = _resized(plain(image), framing)
        return np.ascontiguousarray(on_white(upright(square, orientation)))
    except (*BROKEN, Warning) as error:  # a Warning arrives only where the user made warnings errors
        raise ObjectError(INVALID_IMAGE, f"cannot be decoded: {_reason(error)}") from error


def open_image(raw: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> ImageFile:
    """Read a picture's header and check it; no pixel is decoded.

    Raises
    ------
    ObjectError
        ``INVALID_IMAGE``: empty, too large, neither JPEG nor PNG, a broken header, no pixels or too many.
    """
    # Pillow's classes are used directly: `PIL.Image.open` would only warn of a bomb, after its own global limit.
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    if not raw:
        raise ObjectError(INVALID_IMAGE, "the file has 0 bytes")
    if len(raw) > limits.max_bytes:
        raise ObjectError(
            INVALID_IMAGE, f"{len(raw):,} bytes; at most {limits.max_bytes:,} are accepted, store it smaller"
        )
    formats = {b"\xff\xd8\xff": JpegImageFile, b"\x89PNG\r\n\x1a\n": PngImageFile}
    reader = next((each for magic, each in formats.items() if raw.startswith(magic)), None)
    if reader is None:
        raise ObjectError(INVALID_IMAGE, f"{_looks_like(raw)}; JPEG and PNG are accepted, convert it")
    try:
        image = reader(io.BytesIO(raw))
    except (*BROKEN, Warning) as error:
        raise ObjectError(INVALID_IMAGE, f"its header is broken: {_reason(error)}") from error
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ObjectError(
            INVALID_IMAGE,
            f"{width:,} x {height:,} pixels; at most {limits.max_pixels:,} are accepted, store it smaller",
        )
    return image


def plain(image: Image) -> Image:
    """Bring every mode to one that can be resized: L, RGB or RGBA, 8 bits a channel."""
    from PIL import Image as PillowImage

    if image.mode.startswith("I"):
        high = np.asarray(image).astype(np.uint32) >> 8
        return PillowImage.fromarray(high.clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode in {"1", "L"}:
        return image.convert("L")
    return image.convert("RGB")


def _resized(image: Image, framing: Framing) -> Image:
    from PIL.Image import Resampling

    method = Resampling.BICUBIC if framing.bicubic else Resampling.BILINEAR
    return image.resize((framing.size, framing.size), method, framing.box(*image.size))


def on_white(image: Image) -> Image:
    """Turn what `plain` returns into RGB."""
    from PIL import Image as PillowImage

    if image.mode != "RGBA":
        return image.convert("RGB")
    white = PillowImage.new("RGBA", image.size, "white")
    return PillowImage.alpha_composite(white, image).convert("RGB")


def orientation_of(exif: bytes) -> int:
    """EXIF orientation 1 to 8; 1 where there is none or the EXIF block is broken, which harms no picture.

    Pillow's own reader of these blocks warns on the console about every camera that wrote them sloppily.
    """
    tiff = exif.removeprefix(b"Exif\x00\x00")
    order = ">" if tiff.startswith(b"MM") else "<"
    try:
        (first,) = struct.unpack_from(order + "L", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, first)
        for place in range(first + 2, first + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHLH", tiff, place)
            if tag == _ORIENTATION:
                return int(value)
    except struct.error:
        return 1
    return 1


def upright(image: Image, orientation: int) -> Image:
    """Turn a picture as its EXIF orientation says; turning after resizing to a square gives the same, for less work."""
    from PIL.Image import Transpose

    turn = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if turn is None else image.transpose(turn)


def _looks_like(raw: bytes) -> str:
    """Say what a file is, for the commonest of what is not a picture that we read."""
    start = raw[:512].lstrip().lower()
    known = {
        b"gif8": "a GIF",
        b"bm": "a BMP",
        b"ii*\x00": "a TIFF",
        b"mm\x00*": "a TIFF",
        b"%!ps": "a PostScript file",
        b"%pdf": "a PDF",
        b"<svg": "an SVG",
        b"<?xml": "an XML or SVG file",
        b"<!doctype html": "an HTML page",
        b"<html": "an HTML page",
        b"pk\x03\x04": "a ZIP archive",
    }
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "a WebP"
    if raw[4:8] == b"ftyp":
        return "a HEIF, AVIF or MP4 file"
    found = next((words for magic, words in known.items() if start.startswith(magic)), None)
    return found or f"an unknown format that begins with {raw[:8].hex(' ')}"


def _reason(error: BaseException) -> str:
    return f"{error}".strip() or type(error).__name__

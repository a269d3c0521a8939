"""The gate that every picture passes, and its decoding to pixels of one form: uint8 RGB.

Format and size are decided by the bytes, never by a name: JPEG and PNG, whose headers are read before a pixel is.
What Pillow reads beyond them (EPS runs a program, TIFF and GIF hold many frames) is never tried; of an animated
PNG the default picture is used. What decodes frees the GIL, so threads work in parallel.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.errors import ObjectError
from autolabel.inference.jpeg import fast_jpeg

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


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture.

    Attributes
    ----------
    pixels
        As they are stored, RGB, shape ``(H, W, 3)``, uint8.
    orientation
        EXIF orientation, 1 to 8: how they are to be turned.
    """

    pixels: NDArray[np.uint8]
    orientation: int


def decode(raw: bytes, wanted: int, limits: ImageLimits = DEFAULT_LIMITS) -> Picture:
    """Decode a JPEG or PNG to RGB.

    1-bit, grey, palette and CMYK pictures become RGB; of 16 bits a channel the high eight are kept; transparency
    shows white, as on the worker's page. Colour profiles are ignored. The EXIF orientation is handed on, because the
    backbones have learned upright pictures and a class has no coordinates; boxes and masks are in stored pixels.

    Parameters
    ----------
    wanted
        Pixels that the caller needs of each side: large JPEGs are scaled by a power of two while they are decoded, to
        no less than this.

    Raises
    ------
    ObjectError
        ``INVALID_IMAGE`` with the reason.
    """
    image = open_image(raw, limits)
    orientation = orientation_of(image.info.get("exif", b""))
    pixels = fast_jpeg(raw, image.size, wanted) if image.format == "JPEG" and image.mode in {"L", "RGB"} else None
    if pixels is not None:
        return Picture(pixels, orientation)
    try:
        image.draft(None, (wanted, wanted))
        image.load()
        orientation = orientation_of(image.info.get("exif", b""))  # in a PNG it may come after the pixels
        return Picture(np.array(on_white(plain(image))), orientation)
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


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn ``(H, W, ...)`` pixels as their EXIF orientation, 1 to 8, says; a view."""
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return pixels


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

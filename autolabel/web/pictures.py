"""Pictures for browsers: the same pixels, without anything else that a file may carry.

What the camera wrote (EXIF with places and names, thumbnails, comments), what hides behind the end of the picture, and
the frames of an animation are left out; pixels are not decoded, so they stay what they were. An orientation is kept,
alone, so that people see the picture upright as the encoder does.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from autolabel.errors import ObjectError
from autolabel.inference.images import BROKEN, INVALID_IMAGE, open_image, orientation_of, plain, upright

if TYPE_CHECKING:
    from collections.abc import Iterator

JPEG = "image/jpeg"
PNG = "image/png"

_SOI, _EOI, _SOS = b"\xff\xd8", b"\xff\xd9", 0xDA
_APP0, _APP2, _APP14 = 0xE0, 0xE2, 0xEE
_KEPT_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs"})
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def browser_copy(raw: bytes) -> tuple[bytes, str]:
    """Return what a browser is sent of a JPEG or PNG file, and its content type, both decided by the bytes.

    Raises
    ------
    ObjectError
        ``INVALID_IMAGE``: not a picture that the job would label, or one whose parts do not hold together.
    """
    image = open_image(raw)
    orientation = orientation_of(image.info.get("exif", b""))
    try:
        if raw.startswith(_SOI):
            return b"".join(_jpeg(raw, orientation)), JPEG
        if orientation != 1:
            return _upright_png(raw, orientation), PNG
        return b"".join(_png(raw)), PNG
    except (*BROKEN, Warning) as error:
        raise ObjectError(INVALID_IMAGE, f"cannot be shown: {error}") from error


def _jpeg(raw: bytes, orientation: int) -> Iterator[bytes]:
    """Yield the segments that make the pixels, up to the end of the first picture (ITU T.81, annex B)."""
    yield _SOI
    placed = orientation == 1
    at = 2
    while True:
        while raw[at : at + 1] == b"\xff" and raw[at + 1 : at + 2] == b"\xff":  # fill bytes
            at += 1
        if at + 2 > len(raw) or raw[at] != 0xFF:
            raise ValueError(f"no marker at byte {at:,}")
        marker = raw[at + 1]
        if marker == _EOI[1]:
            yield _EOI
            return
        (length,) = struct.unpack_from(">H", raw, at + 2)
        segment = raw[at : at + 2 + length]
        at += 2 + length
        if marker != _APP0 and not placed:
            yield _orientation_segment(orientation)
            placed = True
        if _makes_pixels(marker, segment):
            yield segment
        if marker == _SOS:
            end = _end_of_scan(raw, at)
            yield raw[at:end]
            if end == len(raw):  # cut short: browsers show what there is
                yield _EOI
                return
            at = end


def _makes_pixels(marker: int, segment: bytes) -> bool:
    if marker == _APP2:
        return segment[4:].startswith(b"ICC_PROFILE\x00")
    if marker in {_APP0, _APP14}:
        return segment[4:].startswith((b"JFIF\x00", b"Adobe"))
    return not (_APP0 <= marker <= 0xEF or marker == 0xFE)


def _end_of_scan(raw: bytes, at: int) -> int:
    """Find the marker that follows entropy-coded data: stuffed zeros and restart markers belong to the data."""
    while True:
        at = raw.find(b"\xff", at)
        if at < 0 or at + 1 >= len(raw):
            return len(raw)
        following = raw[at + 1]
        if following == 0xFF:
            at += 1
        elif following == 0 or 0xD0 <= following <= 0xD7:
            at += 2
        else:
            return at


def _orientation_segment(orientation: int) -> bytes:
    """Build an EXIF block that says which way is up and nothing else."""
    tiff = b"MM\x00*" + struct.pack(">LHHHLHHL", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\x00\x00" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def _png(raw: bytes) -> Iterator[bytes]:
    """Yield the chunks that make the pixels, up to the end of the picture (PNG specification, section 5)."""
    yield _PNG_SIGNATURE
    at = len(_PNG_SIGNATURE)
    while at < len(raw):
        length, kind = struct.unpack_from(">L4s", raw, at)
        end = at + 12 + length
        if end > len(raw):
            break
        if kind in _KEPT_CHUNKS:
            yield raw[at:end]
        if kind == b"IEND":
            return
        at = end
    yield struct.pack(">L4sL", 0, b"IEND", zlib.crc32(b"IEND"))  # cut short: browsers show what there is


def _upright_png(raw: bytes, orientation: int) -> bytes:
    """Turn the pixels themselves: not every browser heeds an orientation inside a PNG."""
    from PIL import Image

    image = open_image(raw)
    image.load()
    file = io.BytesIO()
    pixels = upright(np.asarray(plain(image)), orientation)
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    return file.getvalue()

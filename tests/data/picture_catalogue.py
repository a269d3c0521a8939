"""Pictures of the catalogue of bad inputs (S6 to S15 but S14, lying extensions), each with the one answer it must get.

A file is either a defined conversion to RGB or a failed object with a reason; it never stops anything.
``python -m data.picture_catalogue`` in ``tests/`` prints the table for the docs.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

RED = (200, 30, 40)


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width, height, depth=8, colour=2, body=b"\x00" * 40):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def jpeg(size=(80, 60), **options):
    return encoded(Image.new("RGB", size, RED), "JPEG", quality=95, **options)


def with_chunks(chunks):
    """A sound PNG with chunks after its header."""
    whole = encoded(Image.new("RGB", (8, 8), RED))
    return whole[:33] + chunks + whole[33:]


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


FIFTY_MEGABYTES = zlib.compress(b"\x00" * 50_000_000)
NOISE_JPEG = encoded(Image.effect_noise((200, 200), 80), "JPEG")

_REFUSED = {
    "0 bytes": (b"", "0 bytes"),
    "truncated PNG": (encoded(Image.effect_noise((64, 64), 80))[:-2000], "cannot be decoded"),
    "truncated JPEG": (NOISE_JPEG[: len(NOISE_JPEG) // 2], "cannot be decoded: image file is truncated"),
    "JPEG cut in its tables": (NOISE_JPEG[:300], "its header is broken"),
    "a JPEG of its first bytes": (b"\xff\xd8\xff", "its header is broken"),
    "HTML": (b"<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG"),
    "SVG with a declaration": (b'<?xml version="1.0"?><svg/>', "an XML or SVG file"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", "a PostScript file"),
    "PDF": (b"%PDF-1.7\n", "a PDF"),
    "GIF": (encoded(Image.new("P", (9, 9)), "GIF"), "a GIF"),
    "GIF that is also a ZIP": (encoded(Image.new("P", (9, 9)), "GIF") + b"PK\x03\x04", "a GIF"),
    "BMP": (encoded(Image.new("RGB", (9, 9)), "BMP"), "a BMP"),
    "TIFF": (encoded(Image.new("RGB", (9, 9)), "TIFF"), "a TIFF"),
    "WebP": (encoded(Image.new("RGB", (9, 9)), "WEBP"), "a WebP"),
    "text": (b"just some words", "an unknown format"),
    "larger than 40 MB": (b"\xff\xd8\xff" + b"\x00" * 40_000_000, "40,000,003 bytes"),
    "PNG of 0 x 0": (png_header(0, 0), "its header is broken"),
    "PNG that claims 2^31 - 1 a side": (png_header(2**31 - 1, 2**31 - 1), "pixels; at most 100,000,000"),
    "bomb that Pillow only warns of": (png_header(12_000, 12_000, depth=1, colour=0), "12,000 x 12,000 pixels"),
    "bomb that Pillow refuses": (png_header(20_000, 20_000, depth=1, colour=0), "20,000 x 20,000 pixels"),
    "PNG without pixels": (png_header(8, 8, body=b""), "cannot be decoded"),
    "text that explodes": (with_chunks(chunk(b"zTXt", b"a\x00\x00" + FIFTY_MEGABYTES)), "data too large"),
    "international text that explodes": (
        with_chunks(chunk(b"iTXt", b"a\x00\x01\x00\x00\x00" + FIFTY_MEGABYTES)),
        "data too large",
    ),
    "colour profile that explodes": (with_chunks(chunk(b"iCCP", b"a\x00\x00" + FIFTY_MEGABYTES)), "data too large"),
}


def palette_with_transparency():
    image = Image.new("P", (8, 8), 0)
    image.putpalette([*RED, 0, 0, 0])
    return encoded(image, transparency=bytes([128, 255]))


def sixteen_bits():
    rows = np.full((8, 8), 0x8040, np.uint16)
    return encoded(Image.fromarray(rows))


LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
HALF_RED = tuple(round(0.5 * channel + 0.5 * 255) for channel in RED)

_CONVERTED = {
    "RGB": (encoded(Image.new("RGB", (8, 8), RED)), RED),
    "grey": (encoded(Image.new("L", (8, 8), 77)), (77, 77, 77)),
    "1 bit": (encoded(Image.new("1", (8, 8), 1)), (255, 255, 255)),
    "16 bits keep the high eight": (sixteen_bits(), (0x80, 0x80, 0x80)),
    "16 bits of colour": (png_header(1, 1, depth=16, body=b"\x00" + struct.pack(">HHH", 0xC8FF, 0x1EFF, 0x28FF)), RED),
    "palette": (encoded(Image.new("RGB", (8, 8), RED).quantize(4)), RED),
    "palette with transparency shows white": (palette_with_transparency(), HALF_RED),
    "grey with alpha shows white": (encoded(Image.new("LA", (8, 8), (0, 0))), (255, 255, 255)),
    "colour with alpha shows white": (encoded(Image.new("RGBA", (8, 8), (*RED, 128))), HALF_RED),
    "one colour declared transparent": (encoded(Image.new("RGB", (8, 8), RED), transparency=RED), (255, 255, 255)),
    "JPEG": (jpeg((8, 8)), RED),
    "grey JPEG": (encoded(Image.new("L", (8, 8), 77), "JPEG"), (77, 77, 77)),
    "progressive JPEG": (jpeg((80, 60), progressive=True), RED),
    "CMYK JPEG": (encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95), (254, 0, 0)),
    "JPEG with a ZIP after its end": (jpeg() + b"PK\x03\x04" + b"x" * 99, RED),
    "1 x 10,000": (encoded(Image.new("RGB", (1, 10_000), RED)), RED),
    "1 x 1": (encoded(Image.new("RGB", (1, 1), RED)), RED),
    "animated PNG shows its default picture": (
        encoded(
            Image.new("RGB", (8, 8), RED),
            save_all=True,
            append_images=[Image.new("RGB", (8, 8), (0, 0, 0))],
        ),
        RED,
    ),
    "100,000 chunks of text": (with_chunks(100_000 * chunk(b"tEXt", b"k\x00v")), RED),
    "JPEG of a camera held upright": (jpeg(exif=turned(6)), RED),
    "PNG turned upside down": (encoded(Image.new("RGB", (8, 8), RED), exif=turned(3)), RED),
    "PNG with a profile of another colour space": (encoded(Image.new("RGB", (8, 8), RED), icc_profile=LAB), RED),
    "JPEG with a profile of another colour space": (jpeg(icc_profile=LAB), RED),
}


@dataclass(frozen=True)
class Refused:
    """A file that fails its object."""

    number: str
    what: str
    raw: bytes
    words: str
    """Part of the reason."""


@dataclass(frozen=True)
class Converted:
    """A file that is a picture."""

    number: str
    what: str
    raw: bytes
    colour: tuple[int, int, int]
    """Its mean colour."""


_NUMBERS = {
    "0 bytes": "S6",
    "truncated PNG": "S6",
    "truncated JPEG": "S6",
    "JPEG cut in its tables": "S6",
    "a JPEG of its first bytes": "S6",
    "HTML": "S6",
    "SVG": "S6",
    "SVG with a declaration": "S6",
    "EPS": "S6",
    "PDF": "S6",
    "GIF": "S12",
    "GIF that is also a ZIP": "S13",
    "BMP": "S12",
    "TIFF": "S12",
    "WebP": "S12",
    "text": "S6",
    "larger than 40 MB": "S7",
    "PNG of 0 x 0": "S8",
    "PNG that claims 2^31 - 1 a side": "S8",
    "bomb that Pillow only warns of": "S7",
    "bomb that Pillow refuses": "S7",
    "PNG without pixels": "S6",
    "RGB": "S10",
    "grey": "S10",
    "1 bit": "S10",
    "16 bits keep the high eight": "S10",
    "16 bits of colour": "S10",
    "palette": "S10",
    "palette with transparency shows white": "S10",
    "grey with alpha shows white": "S10",
    "colour with alpha shows white": "S10",
    "one colour declared transparent": "S10",
    "JPEG": "S10",
    "grey JPEG": "S10",
    "progressive JPEG": "S10",
    "CMYK JPEG": "S10",
    "JPEG with a ZIP after its end": "S13",
    "1 x 10,000": "S8",
    "1 x 1": "S8",
    "animated PNG shows its default picture": "S12",
    "text that explodes": "S9",
    "international text that explodes": "S9",
    "colour profile that explodes": "S9",
    "100,000 chunks of text": "S9",
    "JPEG of a camera held upright": "S11",
    "PNG turned upside down": "S11",
    "PNG with a profile of another colour space": "S15",
    "JPEG with a profile of another colour space": "S15",
}

REFUSED = [Refused(_NUMBERS[what], what, raw, words) for what, (raw, words) in _REFUSED.items()]
CONVERTED = [Converted(_NUMBERS[what], what, raw, colour) for what, (raw, colour) in _CONVERTED.items()]


def main() -> None:
    """Print the table."""
    print("| case | file | answer |\n|---|---|---|")
    for case in (*REFUSED, *CONVERTED):
        answer = f"INVALID_IMAGE: … {case.words}" if isinstance(case, Refused) else f"RGB, mean colour {case.colour}"
        print(f"| {case.number} | {case.what} | {answer} |")


if __name__ == "__main__":
    main()

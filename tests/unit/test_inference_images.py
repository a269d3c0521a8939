"""The bad-input catalogue's pictures (S6 to S15): each is a defined conversion or a failed object with a reason."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from autolabel.errors import ObjectError
from autolabel.inference.framing import Framing, decode_image
from autolabel.inference.images import ImageLimits, open_image

SMALL = Framing(32, cut=0.0)
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


NOISE_JPEG = encoded(Image.effect_noise((200, 200), 80), "JPEG")

REFUSED = {
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
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_fails_with_a_reason(name):
    raw, reason = REFUSED[name]
    with pytest.raises(ObjectError) as caught:
        decode_image(raw, SMALL)
    assert caught.value.code == "INVALID_IMAGE"
    assert reason in str(caught.value)


def test_a_zipped_text_chunk_that_explodes_fails_instead_of_filling_memory():
    bomb = chunk(b"zTXt", b"a\x00\x00" + zlib.compress(b"\x00" * 50_000_000))
    whole = encoded(Image.new("RGB", (8, 8)))
    with pytest.raises(ObjectError, match="INVALID_IMAGE"):
        decode_image(whole[:33] + bomb + whole[33:], SMALL)


def palette_with_transparency():
    image = Image.new("P", (8, 8), 0)
    image.putpalette([*RED, 0, 0, 0])
    return encoded(image, transparency=bytes([128, 255]))


def sixteen_bits():
    rows = np.full((8, 8), 0x8040, np.uint16)
    return encoded(Image.fromarray(rows))


HALF_RED = tuple(round(0.5 * channel + 0.5 * 255) for channel in RED)

CONVERTED = {
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
}


@pytest.mark.parametrize("name", CONVERTED)
def test_every_kind_of_picture_becomes_rgb_of_one_size(name):
    raw, colour = CONVERTED[name]
    pixels = decode_image(raw, SMALL)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels.reshape(-1, 3).mean(axis=0), colour, atol=3)


def test_a_colour_profile_changes_nothing():
    image = Image.new("RGB", (8, 8), RED)
    with_profile = encoded(image, icc_profile=b"not a profile, and nobody reads it")
    np.testing.assert_array_equal(decode_image(with_profile, SMALL), decode_image(encoded(image), SMALL))


def marked():
    """A picture whose four corners can be told apart."""
    image = Image.new("RGB", (64, 64))
    for corner, colour in zip(
        ((0, 0), (32, 0), (0, 32), (32, 32)), ((250, 0, 0), (0, 250, 0), (0, 0, 250)), strict=False
    ):
        image.paste(colour, (*corner, corner[0] + 32, corner[1] + 32))
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright_whatever_its_exif_says(orientation):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = marked().transpose(undo[orientation]) if orientation in undo else marked()
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = decode_image(encoded(marked()), SMALL).astype(int)
    assert np.abs(decode_image(encoded(stored, exif=exif), SMALL) - upright).max() <= 2


BROKEN_EXIF = [b"Exif\x00\x00", b"Exif\x00\x00MM\x00*\x00\x00\x00\x08", b"Exif\x00\x00II*\x00zzzz", b"nonsense"]


@pytest.mark.parametrize("exif", BROKEN_EXIF)
def test_a_broken_exif_block_harms_no_picture(exif):
    assert decode_image(encoded(Image.new("RGB", (8, 8), RED), exif=exif), SMALL).shape == (32, 32, 3)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")  # Pillow's, when it opens such a JPEG
@pytest.mark.parametrize("exif", BROKEN_EXIF)
def test_a_broken_exif_block_harms_no_jpeg(exif):
    assert decode_image(jpeg(exif=exif), SMALL).shape == (32, 32, 3)


def test_an_orientation_out_of_range_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 77
    pixels = decode_image(encoded(marked(), exif=exif), SMALL)
    np.testing.assert_array_equal(pixels, decode_image(encoded(marked()), SMALL))


def test_limits_are_parameters():
    raw = encoded(Image.new("RGB", (100, 50)))
    assert open_image(raw, ImageLimits(max_pixels=5000)).size == (100, 50)
    with pytest.raises(ObjectError, match="100 x 50 pixels; at most 4,999"):
        open_image(raw, ImageLimits(max_pixels=4999))
    with pytest.raises(ObjectError, match=f"at most {len(raw) - 1:,} are accepted"):
        open_image(raw, ImageLimits(max_bytes=len(raw) - 1))


def test_many_text_chunks_are_read_in_bounded_time():
    info = PngImagePlugin.PngInfo()
    for number in range(10_000):
        info.add_text(f"k{number}", "v")
    assert decode_image(encoded(Image.new("RGB", (8, 8), RED), pnginfo=info), SMALL).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("framing", "size", "box"),
    [
        (Framing(10, cut=0.0), (400, 100), (0, 0, 400, 100)),
        (Framing(10, cut=1.0), (400, 100), (150, 0, 250, 100)),
        (Framing(10, cut=0.5), (400, 100), (100, 0, 300, 100)),
        (Framing(10, cut=0.5), (100, 400), (0, 100, 100, 300)),
        (Framing(224, short_side=256), (512, 256), (144, 16, 368, 240)),
        (Framing(224, short_side=256), (256, 256), (16, 16, 240, 240)),
    ],
)
def test_framing_keeps_the_middle(framing, size, box):
    assert framing.box(*size) == pytest.approx(box)


def test_large_photos_are_scaled_while_they_are_decoded_and_look_the_same():
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (12, 16, 3), np.uint8)).resize((1600, 1200), Image.Resampling.BICUBIC)
    raw = encoded(smooth, "JPEG", quality=95)
    framing = Framing(96, cut=0.0)
    whole = np.asarray(Image.open(io.BytesIO(raw)).resize((96, 96), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(decode_image(raw, framing) - whole).mean() < 1.0

"""The bad-input catalogue's pictures (S6 to S15): each is a defined conversion or a failed object with a reason."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from data.picture_catalogue import CONVERTED, RED, REFUSED, chunk, encoded, jpeg
from PIL import Image, PngImagePlugin

from autolabel.errors import ObjectError
from autolabel.inference.framing import Framing, decode_image
from autolabel.inference.images import ImageLimits, open_image

SMALL = Framing(32, cut=0.0)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.what)
def test_what_is_no_picture_fails_with_a_reason(case):
    with pytest.raises(ObjectError) as caught:
        decode_image(case.raw, SMALL)
    assert caught.value.code == "INVALID_IMAGE"
    assert case.words in str(caught.value)


def test_a_zipped_text_chunk_that_explodes_fails_instead_of_filling_memory():
    bomb = chunk(b"zTXt", b"a\x00\x00" + zlib.compress(b"\x00" * 50_000_000))
    whole = encoded(Image.new("RGB", (8, 8)))
    with pytest.raises(ObjectError, match="INVALID_IMAGE"):
        decode_image(whole[:33] + bomb + whole[33:], SMALL)


@pytest.mark.parametrize("case", CONVERTED, ids=lambda case: case.what)
def test_every_kind_of_picture_becomes_rgb_of_one_size(case):
    pixels = decode_image(case.raw, SMALL)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels.reshape(-1, 3).mean(axis=0), case.colour, atol=3)


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

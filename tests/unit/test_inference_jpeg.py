"""The fast JPEG decoder gives Pillow's pixels, and Pillow decides about everything odd."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from autolabel.errors import ObjectError
from autolabel.inference import jpeg
from autolabel.inference.framing import Framing, decode_image
from autolabel.inference.images import decode
from autolabel.inference.jpeg import fast_jpeg, scale_for

pytestmark = pytest.mark.skipif(not jpeg.has_simplejpeg(), reason="simplejpeg is not installed")


def photo(width, height, mode="RGB", **options):
    rng = np.random.default_rng(width * height)
    small = rng.integers(0, 255, (max(height // 20, 2), max(width // 20, 2), 3), np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.fixture
def by_pillow(monkeypatch):
    def decoded(raw, wanted):
        with monkeypatch.context() as patch:
            patch.setattr(jpeg, "has_simplejpeg", lambda: False)
            return decode(raw, wanted).pixels

    return decoded


@pytest.mark.parametrize("wanted", [48, 96, 384])
@pytest.mark.parametrize("size", [(160, 213), (640, 480), (1601, 1203), (97, 1500), (8, 8), (1, 1)])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}, {"mode": "L"}, {"quality": 30}]
)
def test_both_decoders_give_the_same_pixels_at_the_same_scale(by_pillow, size, options, wanted):
    raw = photo(*size, **options)
    assert fast_jpeg(raw, size, wanted) is not None
    np.testing.assert_array_equal(decode(raw, wanted).pixels, by_pillow(raw, wanted))


@pytest.mark.parametrize(
    ("size", "wanted", "scale"),
    [((100, 100), 100, 1), ((199, 400), 100, 1), ((200, 400), 100, 2), ((6000, 4000), 384, 8), ((50, 9000), 96, 1)],
)
def test_no_side_is_scaled_below_what_is_wanted(size, wanted, scale):
    assert scale_for(size, wanted) == scale
    width, height = size
    pixels = decode(photo(width, height), wanted).pixels
    assert pixels.shape[:2] == (-(-height // scale), -(-width // scale))


def test_what_simplejpeg_refuses_pillow_decodes_or_fails(by_pillow):
    whole = photo(200, 100)
    assert fast_jpeg(whole[: len(whole) // 2], (200, 100), 48) is None
    with pytest.raises(ObjectError, match="truncated"):
        decode(whole[: len(whole) // 2], 48)
    odd = bytearray(whole)
    odd[2:2] = b"\xff\xfe\x00\x08nothing"[:10]  # a comment, which is in order
    np.testing.assert_array_equal(decode(bytes(odd), 48).pixels, by_pillow(whole, 48))


def test_cmyk_is_left_to_pillow(by_pillow):
    raw = photo(64, 64, mode="CMYK")
    np.testing.assert_array_equal(decode(raw, 48).pixels, by_pillow(raw, 48))


def test_a_header_that_lies_about_the_size_is_left_to_pillow():
    raw = bytearray(photo(64, 64))
    place = raw.index(b"\xff\xc0") + 5
    raw[place : place + 2] = (128).to_bytes(2, "big")
    assert fast_jpeg(bytes(raw), (64, 64), 48) is None


def test_the_route_changes_with_the_decoder(monkeypatch):
    jpeg.decoder.cache_clear()
    with_it = jpeg.decoder()
    monkeypatch.setattr(jpeg, "has_simplejpeg", lambda: False)
    jpeg.decoder.cache_clear()
    assert with_it.startswith("simplejpeg ")
    assert jpeg.decoder() == with_it.partition(", ")[2]
    monkeypatch.undo()
    jpeg.decoder.cache_clear()


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (97, 300), (200, 200), (64, 64)])
@pytest.mark.parametrize(
    "framing", [Framing(64), Framing(64, cut=0.0), Framing(64, cut=1.0), Framing(56, short_side=64)]
)
def test_scaling_first_and_cutting_first_see_the_same_part_of_a_picture(monkeypatch, size, framing):
    from autolabel.inference import framing as module

    raw = photo(*size)
    first = decode_image(raw, framing).astype(int)
    monkeypatch.setattr(module, "WIDEST", 0)
    second = decode_image(raw, framing).astype(int)
    assert np.abs(first - second).mean() < 0.6
    assert np.abs(first - second).max() <= 6


def test_a_thread_of_a_picture_is_cut_before_it_is_scaled():
    file = io.BytesIO()
    Image.new("RGB", (1, 10_000), (200, 30, 40)).save(file, "PNG")
    for framing in (Framing(192), Framing(224, short_side=256)):
        square = decode_image(file.getvalue(), framing)
        assert (square == (200, 30, 40)).all()

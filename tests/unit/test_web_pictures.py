"""What a browser is sent of a picture: its pixels, upright, and nothing else that the file carried."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from autolabel.errors import ObjectError
from autolabel.web.pictures import JPEG, PNG, browser_copy

SECRET = b"a place that nobody should know"


def drawing(mode="RGB", size=(40, 24)):
    """A picture that looks different from every side."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    pixels[:8, :8] = 255
    return Image.fromarray(pixels).convert(mode)


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = "N"
    return exif


def jpeg(image=None, **options):
    file = io.BytesIO()
    (image or drawing()).save(file, "JPEG", **options)
    return file.getvalue()


def png(image=None, **options):
    file = io.BytesIO()
    (image or drawing()).save(file, "PNG", **options)
    return file.getvalue()


def pixels(data):
    image = Image.open(io.BytesIO(data))
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("write", [jpeg, png])
def test_the_pixels_stay_and_stand_upright_and_nothing_else_is_left(write, orientation):
    raw = write(exif=exif_of(orientation))
    copy, kind = browser_copy(raw)
    assert kind == (JPEG if write is jpeg else PNG)
    assert SECRET in raw
    assert SECRET not in copy
    assert np.array_equal(pixels(copy), pixels(raw))
    kept = dict(Image.open(io.BytesIO(copy)).getexif())
    assert kept == ({0x0112: orientation} if write is jpeg and orientation != 1 else {})


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}, {"comment": SECRET}])
def test_every_kind_of_jpeg_decodes_to_the_same_pixels(mode, options):
    raw = jpeg(drawing(mode), **options)
    copy, _ = browser_copy(raw)
    assert SECRET not in copy
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(copy))), np.asarray(Image.open(io.BytesIO(raw))))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_decodes_to_the_same_pixels(mode):
    image = Image.fromarray(np.arange(960, dtype=np.uint16).reshape(24, 40)) if mode == "I;16" else drawing(mode)
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", SECRET.decode(), zip=False)
    notes.add_itxt("Place", SECRET.decode())
    raw = png(image, pnginfo=notes)
    copy, _ = browser_copy(raw)
    assert SECRET in raw
    assert SECRET not in copy
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(copy))), np.asarray(Image.open(io.BytesIO(raw))))


def test_a_colour_profile_of_a_jpeg_stays():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    copy, _ = browser_copy(jpeg(icc_profile=profile))
    assert Image.open(io.BytesIO(copy)).info["icc_profile"] == profile


@pytest.mark.parametrize("write", [jpeg, png])
def test_what_hides_behind_the_end_of_a_picture_is_cut_off(write):
    tail = b"PK\x03\x04<script>alert(1)</script>"
    copy, _ = browser_copy(write() + tail)
    assert tail not in copy
    assert copy == browser_copy(write())[0]


def test_of_an_animation_only_the_first_picture_is_sent():
    frames = [drawing(), drawing().transpose(Image.Transpose.ROTATE_180)]
    raw = png(frames[0], save_all=True, append_images=frames[1:])
    copy, _ = browser_copy(raw)
    assert getattr(Image.open(io.BytesIO(raw)), "n_frames", 1) == 2
    assert getattr(Image.open(io.BytesIO(copy)), "n_frames", 1) == 1
    assert np.array_equal(pixels(copy), pixels(raw))


SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"


@pytest.mark.parametrize("raw", [b"", SVG, b"GIF89a\x01\x00\x01\x00", b"<html>", b"\xff\xd8\xff"])
def test_what_is_no_picture_of_the_job_is_not_sent(raw):
    with pytest.raises(ObjectError):
        browser_copy(raw)


@pytest.mark.parametrize("write", [jpeg, png])
def test_a_picture_that_was_cut_short_is_ended(write):
    raw = write(drawing(size=(400, 300)))
    copy, _ = browser_copy(raw[: len(raw) // 2])
    assert copy.endswith(b"\xff\xd9" if write is jpeg else b"IEND\xaeB`\x82")


@given(st.data())
def test_no_broken_file_is_more_than_a_picture_that_cannot_be_shown(data):
    raw = bytearray(data.draw(st.sampled_from([jpeg(), jpeg(progressive=True, exif=exif_of(6)), png(exif=exif_of(3))])))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    try:
        copy, kind = browser_copy(bytes(raw))
    except ObjectError:
        return
    assert kind in {JPEG, PNG}
    assert copy.startswith(b"\xff\xd8" if kind == JPEG else b"\x89PNG")
    assert len(copy) <= 4 * len(raw) + 1_000

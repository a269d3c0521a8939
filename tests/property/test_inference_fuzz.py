"""Bytes from anywhere either are what they should be or are refused with a reason; nothing else comes out."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from autolabel.api.kinds import TaskKind
from autolabel.errors import CheckpointError, ObjectError
from autolabel.inference.bert import batches_of_one_length
from autolabel.inference.checkpoint import Checkpoint
from autolabel.inference.framing import Framing, decode_image
from autolabel.inference.tensors import dump_tensors, load_tensors


def encoded(form, mode, **options):
    file = io.BytesIO()
    Image.effect_noise((40, 30), 60).convert("RGB").convert(mode).save(file, form, **options)
    return file.getvalue()


EXIF = Image.Exif()
EXIF[0x0112] = 6
PICTURES = [
    encoded("PNG", "RGB", exif=EXIF),
    encoded("PNG", "P", transparency=bytes(range(256))),
    encoded("PNG", "LA"),
    encoded("JPEG", "RGB", exif=EXIF),
    encoded("JPEG", "CMYK", progressive=True),
]
MODEL = Checkpoint(
    TaskKind.TEXT_CLASSIFICATION,
    ("no", "yes"),
    "tfidf",
    "f" * 64,
    {"head.weight": np.ones((2, 3), np.float32), "head.bias": np.zeros(2, np.float32)},
).pack()
TENSORS = dump_tensors(
    {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(3), "c": np.zeros(0, np.float16)}
)


@st.composite
def damaged(draw, originals):
    """One of `originals` with a few bytes changed, or cut, or with something inserted."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    place = draw(st.integers(0, len(data)))
    data[place:place] = draw(st.binary(max_size=6))
    return bytes(data)


@pytest.mark.filterwarnings("ignore")  # Pillow's, about EXIF blocks and animations
@settings(max_examples=400, deadline=None)
@given(
    damaged(PICTURES), st.sampled_from([Framing(16), Framing(16, short_side=20), Framing(16, cut=0.0, bicubic=True)])
)
def test_a_damaged_picture_is_pixels_or_a_failed_object(raw, framing):
    with contextlib.suppress(ObjectError):
        pixels = decode_image(raw, framing)
        assert pixels.shape == (16, 16, 3)
        assert pixels.dtype == np.uint8


@settings(max_examples=400, deadline=None)
@given(damaged([TENSORS]))
def test_damaged_tensors_are_finite_arrays_or_refused(data):
    with contextlib.suppress(CheckpointError):
        for array in load_tensors(data, "fuzz").values():
            assert array.dtype.kind != "f" or np.isfinite(array).all()


@settings(max_examples=200, deadline=None)
@given(damaged([MODEL]))
def test_a_damaged_model_is_the_same_model_or_refused(data):
    with contextlib.suppress(CheckpointError):
        assert Checkpoint.load_tar(data).pack() == MODEL


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8),
        st.tuples(
            st.sampled_from(["<f8", "<f4", "<f2", "<i8", "<i4", "|u1"]),
            st.lists(st.integers(0, 4), max_size=3).map(tuple),
        ),
        max_size=5,
    )
)
def test_arrays_survive_the_journey(shapes):
    arrays = {
        name: np.arange(int(np.prod(shape))).reshape(shape).astype(dtype) for name, (dtype, shape) in shapes.items()
    }
    found = load_tensors(dump_tensors(arrays), "journey")
    assert {name: (array.dtype, array.shape) for name, array in found.items()} == {
        name: (array.dtype, array.shape) for name, array in arrays.items()
    }
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 1000), st.sampled_from([0.0, 0.5, 1.0]))
def test_a_frame_lies_inside_its_picture(sides, other, cut):
    for side in sides:
        for framing in (Framing(8, cut=cut), Framing(8, short_side=10)):
            left, top, right, bottom = framing.box(side, other)
            assert 0 <= left < right <= side
            assert 0 <= top < bottom <= other


@given(st.lists(st.integers(1, 256), max_size=80), st.integers(1, 2000))
def test_every_text_is_in_one_batch_of_its_length_and_no_batch_is_over_budget(lengths, budget):
    lengths = np.asarray(lengths, np.int64)
    batches = list(batches_of_one_length(lengths, budget))
    assert sorted(np.concatenate(batches).tolist() if batches else []) == list(range(len(lengths)))
    assert all(len(set(lengths[rows].tolist())) == 1 for rows in batches)
    assert all(len(rows) == 1 or lengths[rows].sum() <= budget for rows in batches)

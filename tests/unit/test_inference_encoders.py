"""The encoders that need no weights, and the names and folders that lead to every encoder."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from autolabel.api.kinds import TaskKind
from autolabel.errors import CheckpointError, ObjectError, SettingsError
from autolabel.inference import catalogue
from autolabel.inference.catalogue import encoder_for, list_models, model_entry, task_of
from autolabel.inference.encoder import Modality, PoolFitted, digest_of, fingerprint_of
from autolabel.inference.pixels import PixelEncoder
from autolabel.inference.tensors import dump_tensors, load_tensors
from autolabel.inference.tfidf import TfidfEncoder
from autolabel.inference.thumbnail import thumbnail

TEXTS = [
    f"{animal} number {number} eats {food}"
    for number in range(40)
    for animal, food in (("cat", "fish"), ("cow", "grass"))
]


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def bar(*, across, size=8, colour=255, mode="L"):
    """A bright bar on black, lying or standing."""
    image = Image.new(mode, (size, size))
    middle, thick = size // 2, max(size // 8, 1)
    image.paste(colour, (0, middle, size, middle + thick) if across else (middle, 0, middle + thick, size))
    return image


def vectors(encoder, raws):
    return encoder.encode([encoder.prepare(raw) for raw in raws])


def test_pixels_tells_directions_apart_at_any_size_and_ignores_brightness():
    lying, lying_large, lying_dim, standing = vectors(
        PixelEncoder(),
        [
            png(bar(across=True)),
            png(bar(across=True, size=64)),
            png(bar(across=True, colour=120)),
            png(bar(across=False)),
        ],
    )[:, :128]
    assert lying @ lying_large > 0.8
    assert lying @ lying_dim > 0.99
    assert lying @ standing < 0.6


def test_pixels_tells_colours_apart():
    red, red_again, blue = vectors(
        PixelEncoder(),
        [png(Image.new("RGB", (size, size), colour)) for size, colour in ((8, "red"), (50, "red"), (8, "blue"))],
    )
    np.testing.assert_allclose(red, red_again, atol=1e-5)
    assert red @ blue < 0


def test_pixels_of_grey_and_of_flat_pictures_are_finite():
    found = vectors(PixelEncoder(), [png(Image.new("L", (3, 5), grey)) for grey in (0, 127, 128, 255)])
    assert found.shape == (4, PixelEncoder.dim)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_a_text_is_no_picture():
    with pytest.raises(ObjectError, match="use a text encoder"):
        PixelEncoder().prepare("hello")


def test_pixels_gives_the_same_bytes_alone_and_in_a_batch():
    raws = [png(Image.effect_noise((9, 9), 50)) for _ in range(5)]
    together = vectors(PixelEncoder(), raws)
    assert together.tobytes() == vectors(PixelEncoder(), raws).tobytes()
    np.testing.assert_allclose(vectors(PixelEncoder(), raws[2:3])[0], together[2], atol=1e-6)


def fitted(texts):
    encoder = TfidfEncoder()
    encoder.fit(texts)
    return encoder


def test_tfidf_puts_texts_on_the_same_thing_together():
    found = vectors(fitted(TEXTS), ["cat fish", "the cat and its fish", "cow grass"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert found[0] @ found[1] > found[0] @ found[2] + 0.3


def test_tfidf_of_unknown_signs_is_zero_and_finite():
    assert not vectors(fitted(TEXTS), ["☃☃☃"]).any()


def test_tfidf_is_the_same_after_another_fit_and_after_safetensors():
    first, second = fitted(TEXTS), fitted(TEXTS)
    restored = TfidfEncoder(load_tensors(dump_tensors(first.state()), "state"))
    assert first.fingerprint == second.fingerprint == restored.fingerprint
    assert vectors(first, TEXTS).tobytes() == vectors(restored, TEXTS).tobytes()
    assert first.fingerprint != fitted(TEXTS[:50]).fingerprint
    assert first.dim == len(first.state()["components"])


def test_tfidf_says_when_it_was_not_fitted():
    encoder = TfidfEncoder()
    assert isinstance(encoder, PoolFitted)
    assert not encoder.fitted
    assert encoder.state() == {}
    with pytest.raises(CheckpointError, match="learns from the pool"):
        encoder.encode(["a"])


@pytest.mark.parametrize("texts", [["😀", "😎"], ["a"], ["一二三四", "一二五"], ["??", "!!"], ["x" * 50_000]])
def test_tfidf_fits_texts_of_any_kind(texts):
    found = vectors(fitted(texts), texts)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-3)


def test_tfidf_refuses_texts_that_share_nothing():
    with pytest.raises(CheckpointError, match="no term occurs twice"):
        fitted([chr(0x4E00 + number) for number in range(200)])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"words": None}, "no 'words' of type uint8"),
        ({"letters": np.zeros(3, np.float32)}, "no 'letters' of type uint8"),
        ({"words": np.frombuffer(b"\xff\xfe", np.uint8)}, "not UTF-8"),
        ({"letters": np.frombuffer(b"a\na", np.uint8)}, "repeat a term"),
        ({"idf": np.ones(3, np.float32)}, "not as many idf values"),
        ({"components": np.ones((2, 3), np.float16)}, "not as many idf values"),
    ],
)
def test_tfidf_refuses_a_state_that_does_not_hold_together(change, reason):
    state = {name: array for name, array in (fitted(TEXTS).state() | change).items() if array is not None}
    with pytest.raises(CheckpointError, match=reason):
        TfidfEncoder(state)


def test_every_model_of_the_catalogue_is_described():
    entries = {entry.name: entry for entry in list_models()}
    assert sorted(entries) == ["efficientnet-lite0", "minilm-l6-v2", "pixels", "tfidf"]
    for entry in entries.values():
        assert entry.preprocessing
        assert entry.licence
        assert all(figure.keys() >= {"value", "what", "command"} for figure in entry.figures.values())
        assert entry.to_json()["task"] == str(entry.task)


def test_the_catalogue_is_found_in_a_source_tree(monkeypatch):
    installed = list_models()
    monkeypatch.setattr(catalogue, "find_spec", lambda _name: None)
    assert list_models() == installed


@pytest.mark.parametrize(("name", "modality"), [("pixels", Modality.IMAGE), ("tfidf", Modality.TEXT)])
def test_names_lead_to_encoders_of_their_task(name, modality):
    encoder = encoder_for(name, device="cpu")
    assert (encoder.name, encoder.modality) == (name, modality)
    assert model_entry(name).dim == encoder.dim or isinstance(encoder, PoolFitted)
    assert task_of(name) is (
        TaskKind.IMAGE_CLASSIFICATION if modality is Modality.IMAGE else TaskKind.TEXT_CLASSIFICATION
    )


def test_a_fitted_encoder_comes_back_from_its_state():
    encoder = fitted(TEXTS)
    assert encoder_for("tfidf", state=encoder.state()).fingerprint == encoder.fingerprint


@pytest.mark.parametrize("name", ["resnet51", "", "pixels2", "/nowhere/model"])
def test_an_unknown_name_is_answered_with_the_known_ones(name):
    for ask in (encoder_for, model_entry, task_of):
        with pytest.raises(CheckpointError, match="expected efficientnet-lite0, minilm-l6-v2, pixels, tfidf, two of"):
            ask(name)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("efficientnet-lite0", {"size": 100}, "multiples of 32"),
        ("efficientnet-lite0", {"size": 4096}, "multiples of 32"),
        ("efficientnet-lite0@big", {}, "after @ the size in pixels is expected"),
        ("efficientnet-lite0@", {}, "after @ the size in pixels is expected"),
        ("pixels", {"size": 64}, "pixels has no choice of size"),
        ("efficientnet-lite0", {"device": "tpu"}, "device 'tpu' is unknown"),
        ("efficientnet-lite0", {"device": "cpu:1"}, "device 'cpu:1' is unknown"),
        ("efficientnet-lite0", {"device": "cuda:99"}, "device 'cuda:99' is not there"),
        ("torchvision:resnet51", {}, "torchvision has no classification model 'resnet51'"),
    ],
)
def test_a_setting_that_cannot_be_met_is_refused(name, options, reason):
    with pytest.raises(SettingsError, match=reason):
        encoder_for(name, **options)


def test_a_fingerprint_depends_on_everything_that_changes_a_vector():
    one = fingerprint_of("aa", {"version": 1, "size": 192})
    assert one == fingerprint_of("aa", {"size": 192, "version": 1})
    assert (
        len({one, fingerprint_of("ab", {"version": 1, "size": 192}), fingerprint_of("aa", {"version": 1, "size": 128})})
        == 3
    )
    array = np.arange(4, dtype=np.float32)
    digests = [
        digest_of({name: each})
        for name, each in (("a", array), ("b", array), ("a", array[::-1]), ("a", array.reshape(2, 2)))
    ]
    assert len(set(digests)) == 4


def test_a_thumbnail_is_a_small_jpeg_without_metadata():
    exif = Image.Exif()
    exif[0x0110] = "a camera"
    file = io.BytesIO()
    Image.new("RGB", (900, 300), "red").save(file, "JPEG", exif=exif)
    with Image.open(io.BytesIO(thumbnail(file.getvalue(), 96))) as found:
        assert (found.format, found.size, dict(found.getexif())) == ("JPEG", (96, 32), {})
    with pytest.raises(ObjectError):
        thumbnail(b"<html>", 96)

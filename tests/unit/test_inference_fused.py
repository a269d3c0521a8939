"""Encoders side by side."""

from __future__ import annotations

import numpy as np
import pytest

from autolabel.api.kinds import TaskKind
from autolabel.errors import CheckpointError, ObjectError, SettingsError
from autolabel.inference.catalogue import encoder_for, is_fused, model_entry
from autolabel.inference.encoder import Modality, PoolFitted, View, fingerprint_of
from autolabel.inference.fused import FusedEncoder
from autolabel.inference.tfidf import TfidfEncoder
from autolabel.learning.learner import ClassificationLearner

TEXTS = ["where is the red house", "who built the house", "where is the river", "who is the red king"]


class Lengths:
    """An encoder of two numbers: how long a text is, and its negative."""

    name = "lengths"
    route = "by hand"
    dim = 2
    modality = Modality.TEXT
    window = 3
    fingerprint = fingerprint_of("", {"kind": "lengths"})

    def __init__(self, *, rectified=False):
        self.views = (View(2, rectified=rectified),)

    def prepare(self, raw):
        return len(raw)

    def encode(self, batch):
        return np.asarray([[length, -length] for length in batch], np.float32).reshape(-1, 2)

    def state(self):
        return {}


def fitted(texts=TEXTS):
    encoder = FusedEncoder([Lengths(), TfidfEncoder()])
    encoder.fit([encoder.prepare(text) for text in texts])
    return encoder


def vectors(encoder, texts):
    return encoder.encode([encoder.prepare(text) for text in texts])


def test_the_parts_stand_side_by_side_and_the_later_ones_weigh_less():
    encoder = fitted()
    found = vectors(encoder, TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (4, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(found[:, :2], axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found[:, 2:], vectors(encoder._parts[1], TEXTS), atol=1e-5)
    assert [view.weight for view in encoder.views] == pytest.approx([1, np.sqrt(0.5)])
    assert sum(view.width for view in encoder.views) == encoder.dim


def test_activations_behind_a_rectifier_are_rooted():
    encoder = FusedEncoder([Lengths(rectified=True), Lengths()])
    found = vectors(encoder, ["four"])
    np.testing.assert_allclose(found, [[1, 0, np.sqrt(0.5), -np.sqrt(0.5)]], atol=1e-6)


def test_what_was_learned_comes_back_and_changes_the_fingerprint():
    encoder, fresh = fitted(), FusedEncoder([Lengths(), TfidfEncoder()])
    assert isinstance(fresh, PoolFitted)
    assert (fresh.fitted, encoder.fitted) == (False, True)
    assert fresh.fingerprint != encoder.fingerprint
    fresh.restore(encoder.state())
    assert fresh.fingerprint == encoder.fingerprint
    assert vectors(fresh, TEXTS).tobytes() == vectors(encoder, TEXTS).tobytes()


def test_a_part_that_finds_nothing_to_learn_is_silent_and_stays_so():
    strangers = [chr(0x4E00 + number) for number in range(200)]  # no term occurs twice
    encoder = fitted(strangers)
    assert encoder.fitted
    assert encoder.dim == 2
    assert vectors(encoder, strangers).shape == (200, 2)
    again = FusedEncoder([Lengths(), TfidfEncoder()])
    again.restore(encoder.state())
    assert again.fingerprint == encoder.fingerprint
    with pytest.raises(CheckpointError, match="no part of tfidf"):
        FusedEncoder([TfidfEncoder(), TfidfEncoder()]).fit([(text, text) for text in strangers])


def test_another_process_goes_on_where_a_part_is_silent(tmp_path):
    strangers = [chr(0x4E00 + number) for number in range(200)]

    def learner():
        encoder = FusedEncoder([Lengths(), TfidfEncoder()])
        return ClassificationLearner(encoder, kind=TaskKind.TEXT_CLASSIFICATION, categories=("a", "b"), seed=0)

    class Texts:
        content, ahead = "c" * 64, 0

        def get(self, number):
            return strangers[number]

    prepared = learner().prepare(Texts(), np.arange(200), tmp_path, lambda _done, _all: None)
    again = learner()
    again.resume(tmp_path, prepared.facts, prepared.arrays)
    assert again.features(np.arange(200)).shape == (200, 1)


def test_a_bad_object_fails_whichever_part_refuses_it():
    with pytest.raises(ObjectError, match="EMPTY_TEXT"):
        fitted().prepare("  ")


def test_only_encoders_of_one_modality_go_together():
    with pytest.raises(CheckpointError, match=r"lengths \(text\)"):
        FusedEncoder([Lengths()])
    for ask in (encoder_for, model_entry):
        with pytest.raises(CheckpointError, match="pixels for image-classification; encoders side by side"):
            ask("tfidf+pixels")
        with pytest.raises(CheckpointError, match="found no model 'nothing'"):
            ask("tfidf+nothing")
    with pytest.raises(SettingsError, match="no choice of size"):
        encoder_for("tfidf+minilm-l6-v2", size=64)


def test_a_name_with_a_plus_leads_to_both_unless_it_is_a_path(tmp_path):
    encoder = encoder_for("pixels+efficientnet-lite0", size=64, device="cpu")
    assert encoder.name == "pixels+efficientnet-lite0@64"
    assert encoder.dim == model_entry(encoder.name).dim == 176 + 1280 + 768
    assert model_entry(encoder.name).task is TaskKind.IMAGE_CLASSIFICATION
    assert encoder_for(encoder.name, device="cpu").fingerprint == encoder.fingerprint
    folder = tmp_path / "a+b"
    folder.mkdir()
    assert not is_fused(str(folder))

"""What a packed model has to hold."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from autolabel.api.kinds import TaskKind
from autolabel.errors import CheckpointError
from autolabel.inference.tfidf import TfidfEncoder
from autolabel.learning.checked import check_arrays
from autolabel.learning.learner import ClassificationLearner, predict_with

TEXTS = [f"{topic} number {number % 7}" for number, topic in enumerate(["rain", "soup", "train"] * 40)]


class Texts:
    content, ahead = "toy texts", 0

    def get(self, number):
        return TEXTS[number]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    learner = ClassificationLearner(
        TfidfEncoder(), kind=TaskKind.TEXT_CLASSIFICATION, categories=("rain", "soup", "train"), seed=0
    )
    objects = np.arange(len(TEXTS))
    prepared = learner.prepare(Texts(), objects, folder, lambda _done, _all: None)
    learner.resume(folder, prepared.facts, prepared.arrays)
    model, _ = learner.fit(objects[:60], (objects[:60] % 3).tolist(), previous=None, search=True)
    return learner.checkpoint(model, {})


def changed(checkpoint, **arrays):
    kept = checkpoint.arrays | {name.replace("_", ".", 1): array for name, array in arrays.items()}
    return dataclasses.replace(checkpoint, arrays={name: array for name, array in kept.items() if array is not None})


def test_a_trained_model_passes_and_predicts(trained):
    assert check_arrays(trained, "model") is trained
    dim = len(trained.arrays["map.mean"])
    assert len(predict_with(trained.arrays, np.zeros((2, dim), np.float32)).predicted) == 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"map_mean": None}, "no array 'map.mean'"),
        ({"head_weight": None}, "no array 'head.weight'"),
        ({"errors_weight": None}, "no array 'errors.weight'"),
        ({"head_weight": np.zeros((3, 2), np.float32)}, r"'head.weight' has shape \(3, 2\)"),
        ({"head_bias": np.zeros(4, np.float32)}, r"'head.bias' has shape \(4,\), expected \(3,\)"),
        ({"head_strength": np.zeros(2)}, r"'head.strength' has shape \(2,\)"),
        ({"map_mean": np.zeros(5, np.float32)}, "has shape"),
        ({"map_mean": np.float32(1)}, "has shape"),
        ({"map_projection": np.float32(1)}, r"'map.projection' has shape \(\)"),
        ({"alone_mean": np.zeros(5)}, "'alone.mean' has shape"),
        ({"alone_scale": np.zeros(3)}, "'alone.scale' is not positive"),
        ({"head_bias": np.full(3, 3e38, np.float32)}, "'head.bias' holds numbers of 1e"),
        ({"head_bias": np.zeros(3, np.int64)}, "'head.bias' has type int64"),
    ],
)
def test_a_model_that_does_not_hold_together_is_refused(trained, arrays, message):
    with pytest.raises(CheckpointError, match=message):
        check_arrays(changed(trained, **arrays), "model")

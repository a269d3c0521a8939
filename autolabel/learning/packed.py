"""A classifier as named arrays: what rounds store and checkpoints carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.learning.base import Arrays, Predictions
from autolabel.learning.classifier import Classifier
from autolabel.learning.confidence import ErrorModel
from autolabel.learning.crossfit import Heads, Memory, Strengths
from autolabel.learning.features import FeatureMap
from autolabel.learning.head import LinearHead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_REMEMBERED = 20_000
"""Labeled objects that a checkpoint carries; with more than that a new job hardly needs them."""


def classifier_to_arrays(classifier: Classifier, mapped: FeatureMap) -> Arrays:
    """Pack everything that a later round or job needs."""
    heads = classifier.heads
    strengths = heads.strengths
    arrays: Arrays = {
        **map_to_arrays(mapped),
        "head.weight": heads.full.weight,
        "head.bias": heads.full.bias,
        "head.strength": np.asarray([strengths.penalty, float(strengths.with_memory), classifier.say], np.float64),
        "head.views": np.asarray(strengths.views, np.float64),
        **_errors_to_arrays("errors", classifier.errors),
        **_errors_to_arrays("alone", classifier.errors_alone),
    }
    for fold, head in enumerate(heads.folds):
        arrays[f"fold.{fold}.weight"], arrays[f"fold.{fold}.bias"] = head.weight, head.bias
    return arrays


def classifier_of(model: Arrays) -> Classifier:
    """Unpack what predicts; fold heads are `heads_of`'s."""
    heads = Heads(head_of(model, "head"), (), _strengths_of(model))
    nothing = Predictions(np.empty(0, np.int64), *(np.empty(0, np.float32) for _ in range(3)))
    return Classifier(
        heads, float(model["head.strength"][2]), _errors_of(model, "errors"), _errors_of(model, "alone"), nothing
    )


def heads_of(model: Arrays) -> Heads | None:
    """Unpack the heads that the next round starts from; ``None`` for a checkpoint's, which has no folds."""
    if "fold.0.weight" not in model:
        return None
    count = sum(name.startswith("fold.") and name.endswith(".weight") for name in model)
    folds = tuple(head_of(model, f"fold.{fold}") for fold in range(count))
    return Heads(head_of(model, "head"), folds, _strengths_of(model))


def _strengths_of(model: Arrays) -> Strengths:
    penalty, with_memory, _ = model["head.strength"]
    return Strengths(float(penalty), tuple(model["head.views"].tolist()), bool(with_memory))


def map_to_arrays(mapped: FeatureMap) -> Arrays:
    """Pack the feature map."""
    return {"map.mean": mapped.mean, "map.projection": mapped.projection, "map.widths": mapped.widths}


def map_of(model: Arrays) -> FeatureMap:
    """Unpack the feature map."""
    return FeatureMap(model["map.mean"], model["map.projection"], model["map.widths"])


def head_of(model: Arrays, name: str) -> LinearHead:
    """Unpack one head."""
    return LinearHead(model[f"{name}.weight"], model[f"{name}.bias"])


def memory_of(model: Arrays) -> Memory:
    """Unpack what a checkpoint was trained on."""
    return Memory(model["memory.features"].astype(np.float32), model["memory.labels"].astype(np.int64))


def memory_to_arrays(parts: Sequence[Memory]) -> Arrays:
    """Pack labeled objects, the most important part first; at most `MOST_REMEMBERED`, spread over a part."""
    features: list[NDArray[np.float16]] = []
    labels: list[NDArray[np.int32]] = []
    left = MOST_REMEMBERED
    for part in parts:
        kept = np.unique(np.linspace(0, len(part.labels) - 1, min(left, len(part.labels))).astype(np.int64))
        features.append(part.features[kept].astype(np.float16))
        labels.append(part.labels[kept].astype(np.int32))
        left -= len(kept)
    return {"memory.features": np.concatenate(features), "memory.labels": np.concatenate(labels)}


def _errors_to_arrays(name: str, errors: ErrorModel) -> Arrays:
    return {
        f"{name}.weight": errors.weight,
        f"{name}.bias": np.asarray([errors.bias], np.float64),
        f"{name}.mean": errors.mean,
        f"{name}.scale": errors.scale,
        f"{name}.classes": errors.classes,
    }


def _errors_of(model: Arrays, name: str) -> ErrorModel:
    return ErrorModel(
        model[f"{name}.weight"],
        float(model[f"{name}.bias"][0]),
        model[f"{name}.mean"],
        model[f"{name}.scale"],
        model[f"{name}.classes"],
    )

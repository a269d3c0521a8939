"""Confidence as a predicted error probability, learned from out-of-fold predictions on the labels at hand.

A head's own top probability ranks errors badly when classes are confusable or the pool has regions no label has
reached. A small logistic model on [top probability, margin, entropy, agreement of the nearest labeled neighbours,
distance to them] uses no extra label and orders the remainder better; the certificate holds whatever it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.learning.head import fit_head

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 10
SIGNALS = 5
MIN_ERRORS = 5
"""With fewer wrong (or right) out-of-fold predictions the model stays with the top probability."""


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """Logistic model of P(prediction wrong) on `signals`; all-zero weights on all but the first mean ``1 - p``.

    Attributes
    ----------
    weight, bias, mean, scale
        Shapes ``(SIGNALS,)``, scalar, ``(SIGNALS,)``, ``(SIGNALS,)``; float64.
    """

    weight: NDArray[np.float64]
    bias: float
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def from_top_probability(cls) -> ErrorModel:
        """Return the model that believes the head: P(wrong) = 1 - top probability."""
        weight = np.zeros(SIGNALS)
        weight[0] = 1.0
        return cls(weight, 0.0, np.zeros(SIGNALS), np.ones(SIGNALS))

    def error_probability(self, signals: NDArray[np.float32]) -> NDArray[np.float32]:
        """P(wrong) of each row of ``(n, SIGNALS)``, float32 in (0, 1)."""
        logits = (signals - self.mean) / self.scale @ self.weight + self.bias
        return (1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32)


class Neighbours:
    """The labeled objects, searched exactly by cosine similarity."""

    def __init__(self, features: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        self._features = _unit(features)
        self._labels = labels

    def arrays(self, most: int) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        """Unit features as float16 and labels, at most `most` evenly spread rows of them: how they are stored."""
        step = max(1, -(-len(self._labels) // most))
        return self._features[::step].astype(np.float16), self._labels[::step]

    def agreement(
        self,
        features: NDArray[np.float32],
        predicted: NDArray[np.int64],
        *,
        excluded: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Share of the nearest labeled neighbours with the predicted class, and similarity to the nearest.

        `excluded` ``(n, labeled)`` hides neighbours from a row: its own fold, when cross-fitting.
        """
        similarity = _unit(features) @ self._features.T
        if excluded is not None:
            similarity[excluded] = -1.0
        count = min(NEIGHBOURS, similarity.shape[1])
        nearest = np.argpartition(similarity, -count, axis=1)[:, -count:]
        values = np.take_along_axis(similarity, nearest, axis=1)
        weights = np.maximum(values, 0.0) ** 2 + 1e-6
        same = self._labels[nearest] == predicted[:, None]
        return ((weights * same).sum(axis=1) / weights.sum(axis=1)).astype(np.float32), values.max(axis=1)


def signals_of(
    probabilities: NDArray[np.float32], agreement: NDArray[np.float32], nearest: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Stack the signals of each object, shape ``(n, SIGNALS)``, float32."""
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    wrong = np.clip(1.0 - top[:, 1], 1e-6, 1 - 1e-6)
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1)
    columns = (np.log(wrong / (1 - wrong)), top[:, 1] - top[:, 0], entropy, agreement, nearest)
    return np.stack(columns, axis=1).astype(np.float32)


def fit_error_model(signals: NDArray[np.float32], wrong: NDArray[np.bool_]) -> ErrorModel:
    """Fit P(wrong) on out-of-fold signals ``(n, SIGNALS)`` and outcomes ``(n,)``; falls back to the head itself."""
    errors = int(wrong.sum())
    if min(errors, len(wrong) - errors) < MIN_ERRORS:
        return ErrorModel.from_top_probability()
    mean = signals.mean(axis=0, dtype=np.float64)
    scale = np.maximum(signals.std(axis=0, dtype=np.float64), 1e-6)
    standard = ((signals - mean) / scale).astype(np.float32)
    fitted = fit_head(standard, wrong.astype(np.int64), classes=2, penalty=1.0)
    weight = (fitted.weight[1] - fitted.weight[0]).astype(np.float64)
    return ErrorModel(weight, float(fitted.bias[1] - fitted.bias[0]), mean, scale)


def _unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(norms, 1e-12), dtype=np.float32)

"""Confidence as a predicted error probability, learned from out-of-fold predictions on the labels at hand.

A head's own top probability ranks errors badly when classes are confusable or the pool has regions no label has
reached. A small logistic model on [top probability, margin, entropy, what the neighbours in the pool say, the predicted
class] uses no extra label and orders the remainder better; the certificate holds whatever it does.
``benchmarks/labeling_cost/README.md`` has what each signal is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.learning.head import fit_head

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_ERRORS = 5
"""With fewer wrong (or right) out-of-fold predictions the model stays with the top probability."""
CLASS_SCALE = 0.3
"""Size of a class's indicator beside standardised signals: a class needs some errors before it stands out."""


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """Logistic model of P(prediction wrong) on signals and the predicted class.

    Attributes
    ----------
    weight, mean, scale
        Of S signals, shape ``(S,)``, float64; see `signals_of`.
    bias
        Of the logit.
    classes
        What each predicted class adds to the logit, shape ``(C,)``, float64.
    """

    weight: NDArray[np.float64]
    bias: float
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    classes: NDArray[np.float64]

    @classmethod
    def from_top_probability(cls, signals: int, classes: int) -> ErrorModel:
        """Return the model that believes the probabilities: P(wrong) = 1 - top probability."""
        weight = np.zeros(signals)
        weight[0] = 1.0
        return cls(weight, 0.0, np.zeros(signals), np.ones(signals), np.zeros(classes))

    def error_probability(self, signals: NDArray[np.float32], predicted: NDArray[np.int64]) -> NDArray[np.float32]:
        """P(wrong) of n objects with ``(n, S)`` signals and predicted class ids, float32 in (0, 1)."""
        logits = (signals - self.mean) / self.scale @ self.weight + self.bias + self.classes[predicted]
        return (1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32)


def signals_of(probabilities: NDArray[np.float32], opinion: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Signals of n objects, shape ``(n, 3)``, or ``(n, 5)`` with an opinion; float32.

    Parameters
    ----------
    probabilities
        Shape ``(n, C)``, rows sum to 1.
    opinion
        What the neighbours say, shape ``(n, C)``: its value for the predicted class and its largest are signals.
    """
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1)
    signals = signals_from(top[:, 1], top[:, 1] - top[:, 0], entropy)
    if opinion is None:
        return signals
    agreement = opinion[np.arange(len(opinion)), probabilities.argmax(axis=1)]
    return np.column_stack([signals, agreement, opinion.max(axis=1)]).astype(np.float32)


def signals_from(
    confidence: NDArray[np.float32], margin: NDArray[np.float32], entropy: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Signals of objects of which only this is left: top probability, its lead and entropy; shape ``(n, 3)``."""
    wrong = np.clip(1.0 - confidence, 1e-6, 1 - 1e-6)
    return np.stack([np.log(wrong / (1 - wrong)), margin, entropy], axis=1).astype(np.float32)


def fit_error_model(
    signals: NDArray[np.float32], predicted: NDArray[np.int64], wrong: NDArray[np.bool_], *, classes: int
) -> ErrorModel:
    """Fit P(wrong) on out-of-fold signals ``(n, S)``, class ids and outcomes ``(n,)``.

    With too few errors to learn from, the top probability is believed.
    """
    errors = int(wrong.sum())
    width = signals.shape[1]
    if min(errors, len(wrong) - errors) < MIN_ERRORS:
        return ErrorModel.from_top_probability(width, classes)
    mean = signals.mean(axis=0, dtype=np.float64)
    scale = np.maximum(signals.std(axis=0, dtype=np.float64), 1e-6)
    inputs = np.zeros((len(signals), width + classes), np.float32)
    inputs[:, :width] = (signals - mean) / scale
    inputs[np.arange(len(signals)), width + predicted] = CLASS_SCALE
    fitted = fit_head(inputs, wrong.astype(np.int64), classes=2, penalty=1.0)
    weight = (fitted.weight[1] - fitted.weight[0]).astype(np.float64)
    return ErrorModel(weight[:width], float(fitted.bias[1] - fitted.bias[0]), mean, scale, CLASS_SCALE * weight[width:])

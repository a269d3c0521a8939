"""A linear softmax head on frozen features, refit every round and able to start from an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.learning.lbfgs import minimise

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ITERATIONS = 300
"""L-BFGS iterations; a warm start from the last round's head needs about twenty."""
TOLERANCE = 3e-6
"""Least relative gain of two iterations. With ten times as much, whole jobs on TREC-6 and Clothing-10 buy 5 % more
labels for training and audit; a third as much changes nothing."""


@dataclass(frozen=True, slots=True)
class LinearHead:
    """``softmax(X @ weight.T + bias)`` over C classes.

    Attributes
    ----------
    weight
        Shape ``(C, D)``, float32.
    bias
        Shape ``(C,)``, float32.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def zero(cls, classes: int, dim: int) -> LinearHead:
        """Return the head that finds every class equally probable."""
        return cls(np.zeros((classes, dim), np.float32), np.zeros(classes, np.float32))

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities, shape ``(n, C)``, float32, rows sum to 1."""
        return softmax(features @ self.weight.T + self.bias)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Row-wise softmax, safe against overflow; works in place on `logits`."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def fit_head(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    classes: int,
    penalty: float,
    start: LinearHead | None = None,
    tolerance: float = TOLERANCE,
) -> LinearHead:
    """Fit by L-BFGS: sum of cross-entropies + penalty / 2 * ||weight||^2, ridge-penalised logistic regression.

    Biases are pulled a hundred times less, which keeps unseen classes finite.

    Parameters
    ----------
    features
        Shape ``(n, F)``, float32.
    labels
        Class ids, shape ``(n,)``, in [0, C).
    penalty
        Ridge strength, > 0.
    start
        Where the optimiser starts (the last round's head); changes the time, hardly the result.
    tolerance
        Least relative gain of two iterations; with less they end.

    Notes
    -----
    The optimiser moves ``(weight - start) / scale``, where ``scale ** -2`` is the diagonal of a bound on the loss's
    curvature at the start (Boehning 1992). Features are principal directions, view by view, so that the diagonal is
    nearly all there is of it: the whole matrix needs two thirds of the steps, and each costs twice as much.
    """
    begin = start or LinearHead.zero(classes, features.shape[1])
    scale = _scale(features, begin, penalty)
    scaled: NDArray[np.float32] = features * scale
    at: NDArray[np.float32] = begin.weight / scale
    ridge: NDArray[np.float32] = np.float32(penalty) * scale * scale
    rows = np.arange(len(labels))
    split = begin.weight.size
    slope = np.empty(split + classes, np.float32)

    def unpack(moved: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return moved[:split].reshape(at.shape) + at, moved[split:] + begin.bias

    def objective(moved: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
        weight, bias = unpack(moved)
        probability = softmax(scaled @ weight.T + bias)
        loss = -float(np.log(np.maximum(probability[rows, labels], 1e-30)).sum(dtype=np.float64))
        probability[rows, labels] -= 1.0
        np.matmul(probability.T, scaled, out=slope[:split].reshape(at.shape))
        slope[split:] = probability.sum(axis=0, dtype=np.float64) + 0.01 * penalty * bias
        pull = weight * ridge
        slope[:split] += pull.ravel()
        loss += 0.5 * float(np.vdot(weight, pull)) + 0.005 * penalty * float(np.vdot(bias, bias))
        return loss, slope

    moved = minimise(objective, split + classes, iterations=MAX_ITERATIONS, tolerance=tolerance, flat=1e-3)
    weight, bias = unpack(moved)
    return LinearHead(weight * scale, bias)


def _scale(features: NDArray[np.float32], begin: LinearHead, penalty: float) -> NDArray[np.float32]:
    """Root of the inverse diagonal of mean variance * X.T @ X + penalty, shape ``(F,)``."""
    probability = begin.probabilities(features)
    variance = float((probability * (1.0 - probability)).mean()) if len(features) else 0.0
    curvature = variance * np.einsum("nf,nf->f", features, features, dtype=np.float64) + penalty
    return np.asarray(curvature**-0.5, np.float32)

"""A linear softmax head on frozen features, refit every round and able to start from an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ITERATIONS = 300
"""L-BFGS iterations; a warm start from the last round's head needs about twenty."""


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
    prior: LinearHead | None = None,
    start: LinearHead | None = None,
) -> LinearHead:
    """Fit by L-BFGS: sum of cross-entropies + penalty / 2 * ||weight - prior weight||^2.

    With a `prior` the head stays near an earlier job's head where the new labels say nothing: that is what
    InitialActiveLearningModelArn starts from. Without one the prior is zero, ordinary ridge-penalised logistic
    regression. Biases are pulled a hundred times less, which keeps unseen classes finite.

    Parameters
    ----------
    features
        Shape ``(n, D)``, float32, roughly standardised.
    labels
        Class ids, shape ``(n,)``, in [0, C).
    penalty
        Ridge strength, > 0.
    start
        Where the optimiser starts (the last round's head); changes the time, hardly the result.
    """
    anchor = prior or LinearHead.zero(classes, features.shape[1])
    begin = start or anchor
    rows = np.arange(len(labels))
    shape = anchor.weight.shape
    split = anchor.weight.size

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weight = flat[:split].reshape(shape).astype(np.float32)
        bias = flat[split:].astype(np.float32)
        probability = softmax(features @ weight.T + bias)
        loss = -float(np.log(np.maximum(probability[rows, labels], 1e-30)).sum(dtype=np.float64))
        probability[rows, labels] -= 1.0
        weight_pull = flat[:split] - anchor.weight.ravel()
        bias_pull = flat[split:] - anchor.bias
        gradient = np.concatenate(
            [
                (probability.T @ features).ravel().astype(np.float64) + penalty * weight_pull,
                probability.sum(axis=0, dtype=np.float64) + 0.01 * penalty * bias_pull,
            ]
        )
        loss += 0.5 * penalty * float(weight_pull @ weight_pull + 0.01 * bias_pull @ bias_pull)
        return loss, gradient

    flat = np.concatenate([begin.weight.ravel(), begin.bias]).astype(np.float64)
    found = minimize(
        objective,
        flat,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "ftol": 1e-7, "gtol": 1e-3},
    ).x.astype(np.float32)
    return LinearHead(found[:split].reshape(shape), found[split:])

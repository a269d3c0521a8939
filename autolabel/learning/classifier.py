"""The classifier of a round: a head, its strength chosen by cross-fitting, and a model of its own errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.learning.base import Predictions
from autolabel.learning.confidence import ErrorModel, Neighbours, fit_error_model, signals_of
from autolabel.learning.head import LinearHead, fit_head

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True, slots=True)
class Heads:
    """The head on all training labels and one for each fold that was fitted without it."""

    full: LinearHead
    folds: tuple[LinearHead, ...]
    penalty: float
    from_prior: bool
    """Whether the heads are pulled towards the checkpoint's head."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """A fitted head with everything needed to predict classes and error probabilities.

    Attributes
    ----------
    out_of_fold
        The training objects' own predictions by heads that had not seen them: what reliability diagrams and
        forecasts are drawn from.
    """

    heads: Heads
    errors: ErrorModel
    neighbours: Neighbours
    out_of_fold: Predictions

    def predict(self, features: NDArray[np.float32]) -> Predictions:
        """Predict ``(n, F)`` features."""
        probabilities = self.heads.full.probabilities(features)
        predicted = probabilities.argmax(axis=1)
        agreement, nearest = self.neighbours.agreement(features, predicted)
        return _predictions(probabilities, predicted, signals_of(probabilities, agreement, nearest), self.errors)


def fit_classifier(
    features: NDArray[np.float32],
    objects: NDArray[np.int64],
    labels: NDArray[np.int64],
    *,
    classes: int,
    prior: LinearHead | None = None,
    previous: Heads | None = None,
    search: bool = True,
) -> Classifier:
    """Fit on everything labeled for training so far.

    Parameters
    ----------
    features, objects, labels
        Shapes ``(n, F)``, ``(n,)``, ``(n,)``: features, object numbers (which fix the folds) and class ids.
    prior
        Head of the checkpoint the job started from. Whether it helps is decided by out-of-fold likelihood.
    previous
        The last round's heads, where the optimiser starts.
    search
        Choose penalty and prior anew; else the previous ones are kept.
    """
    folds = fold_of(objects)
    training = _Training(features, labels, folds, classes, prior)
    if search or previous is None:
        heads, probabilities = _choose_strength(training, previous)
    else:
        heads, probabilities = _fit(training, previous.penalty, previous.from_prior, previous)
    predicted = probabilities.argmax(axis=1)
    neighbours = Neighbours(features, labels)
    agreement, nearest = neighbours.agreement(features, predicted, excluded=folds[:, None] == folds[None, :])
    signals = signals_of(probabilities, agreement, nearest)
    errors = fit_error_model(signals, predicted != labels)
    return Classifier(heads, errors, neighbours, _predictions(probabilities, predicted, signals, errors))


def fold_of(objects: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fold of each object: a fixed hash of its number, so that it never changes as labels come in."""
    return ((objects.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)).astype(np.int64) % FOLDS


@dataclass(frozen=True, slots=True)
class _Training:
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    folds: NDArray[np.int64]
    classes: int
    prior: LinearHead | None


def _choose_strength(training: _Training, previous: Heads | None) -> tuple[Heads, NDArray[np.float32]]:
    """Pick penalty and prior by out-of-fold log-likelihood; ties go to the stronger penalty."""
    best: tuple[float, Heads, NDArray[np.float32]] | None = None
    rows = np.arange(len(training.labels))
    for from_prior in (False, True) if training.prior is not None else (False,):
        start = previous
        for penalty in reversed(PENALTIES):
            start, probabilities = _fit(training, penalty, from_prior, start)
            loss = -float(np.log(np.maximum(probabilities[rows, training.labels], 1e-6)).mean())
            if best is None or loss < best[0] - 1e-9:
                best = (loss, start, probabilities)
            elif loss > 1.2 * best[0]:
                break  # weaker penalties only over-fit further from here
    if best is None:
        msg = "no penalty was tried; PENALTIES is never empty"
        raise AssertionError(msg)
    return best[1], best[2]


def _fit(
    training: _Training, penalty: float, from_prior: bool, start: Heads | None
) -> tuple[Heads, NDArray[np.float32]]:
    """Fit the head and its fold heads; return them and the out-of-fold probabilities ``(n, C)``.

    A fold's head starts from the same fold's head of an earlier fit, never from one that has seen the fold: an
    optimiser that stops early would otherwise leak it.
    """
    t = training
    prior = t.prior if from_prior else None
    full = fit_head(
        t.features,
        t.labels,
        classes=t.classes,
        penalty=penalty,
        prior=prior,
        start=start.full if start else None,
    )
    probabilities = np.empty((len(t.labels), t.classes), np.float32)
    folds = []
    for fold in range(FOLDS):
        held = t.folds == fold
        rest = ~held
        head = fit_head(
            t.features[rest],
            t.labels[rest],
            classes=t.classes,
            penalty=penalty,
            prior=prior,
            start=start.folds[fold] if start else None,
        )
        probabilities[held] = head.probabilities(t.features[held])
        folds.append(head)
    return Heads(full, tuple(folds), penalty, from_prior), probabilities


def _predictions(
    probabilities: NDArray[np.float32],
    predicted: NDArray[np.int64],
    signals: NDArray[np.float32],
    errors: ErrorModel,
) -> Predictions:
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    return Predictions(predicted.astype(np.int64), top[:, 1], top[:, 1] - top[:, 0], errors.error_probability(signals))

"""The classifier of a round: a head as strong as cross-fitting finds, its neighbours' say, a model of its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.learning.base import Predictions
from autolabel.learning.confidence import ErrorModel, fit_error_model, signals_of
from autolabel.learning.head import LinearHead, fit_head
from autolabel.learning.threads import each_on_a_core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.learning.graph import FeatureReader, PoolGraph

FOLDS = 5
PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
FIRST_PENALTY = 0.1
"""Where the first search begins."""
SAYS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
"""Weights that the neighbours' opinion may get; 0 does without them."""


@dataclass(frozen=True, slots=True)
class Heads:
    """The head on all training labels and one for each fold that was fitted without it."""

    full: LinearHead
    folds: tuple[LinearHead, ...]
    penalty: float
    with_memory: bool
    """Whether the checkpoint's own training labels were trained on too."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a checkpoint was trained on: features ``(n, F)``, float32, and class ids ``(n,)``."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The pool around labeled objects: its graph, its features, and where the labeled objects are in it."""

    graph: PoolGraph
    features_of: FeatureReader
    places: NDArray[np.int64]
    """Of the labeled objects, shape ``(n,)``."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """A fitted head with everything needed to predict classes and error probabilities.

    Attributes
    ----------
    say
        Weight of the neighbours' opinion, one of `SAYS`.
    errors
        Error model for objects of the pool, whose neighbours have an opinion.
    errors_alone
        Error model for objects seen without a pool.
    out_of_fold
        The training objects' own predictions by heads that had not seen them: what reliability diagrams and
        forecasts are drawn from.
    """

    heads: Heads
    say: float
    errors: ErrorModel
    errors_alone: ErrorModel
    out_of_fold: Predictions

    def predict(self, probabilities: NDArray[np.float32], opinion: NDArray[np.float32] | None = None) -> Predictions:
        """Predict from the head's probabilities ``(n, C)`` and, in the pool, the neighbours' opinion ``(n, C)``."""
        if opinion is None:
            return _predictions(probabilities, None, self.errors_alone)
        return _predictions(blended(probabilities, opinion, self.say), opinion, self.errors)


def fit_classifier(
    features: NDArray[np.float32],
    objects: NDArray[np.int64],
    labels: NDArray[np.int64],
    *,
    classes: int,
    memory: Memory | None = None,
    previous: Heads | None = None,
    search: bool = True,
    surroundings: Surroundings | None = None,
) -> Classifier:
    """Fit on everything labeled for training so far.

    Parameters
    ----------
    features, objects, labels
        Shapes ``(n, F)``, ``(n,)``, ``(n,)``: features, object numbers (which fix the folds) and class ids.
    memory
        Labeled objects of the checkpoint the job started from. Whether they help is decided by the out-of-fold
        likelihood of this job's own labels.
    previous
        The last round's heads, where the optimiser starts.
    search
        Choose penalty and memory anew; else the previous ones are kept.
    surroundings
        The pool around the objects. How much its opinion counts is decided by out-of-fold likelihood too.
    """
    training = Training(features, labels, fold_of(objects), classes, memory)
    heads, alone = _fit_heads(training, previous, search=search or previous is None)
    signals, predicted = signals_of(alone, None), alone.argmax(axis=1)
    errors_alone = fit_error_model(signals, predicted, predicted != labels, classes=classes)
    if surroundings is None:
        return Classifier(heads, 0.0, errors_alone, errors_alone, _predictions(alone, None, errors_alone))
    opinion = out_of_fold_opinion(training, heads, surroundings)
    say = min(SAYS, key=lambda weight: _loss(blended(alone, opinion, weight), labels))
    together = blended(alone, opinion, say)
    predicted = together.argmax(axis=1)
    errors = fit_error_model(signals_of(together, opinion), predicted, predicted != labels, classes=classes)
    return Classifier(heads, say, errors, errors_alone, _predictions(together, opinion, errors))


def fold_of(objects: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fold of each object: a fixed hash of its number, so that it never changes as labels come in."""
    return ((objects.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)).astype(np.int64) % FOLDS


def blended(probabilities: NDArray[np.float32], opinion: NDArray[np.float32], say: float) -> NDArray[np.float32]:
    """Product of experts: probability times opinion to the power of `say`, normalised; shape ``(n, C)``."""
    if say == 0.0:
        return probabilities
    product = (probabilities + np.float32(1e-6)) * (opinion + np.float32(1e-3)) ** np.float32(say)
    product /= product.sum(axis=1, keepdims=True)
    return product


@dataclass(frozen=True, slots=True)
class Training:
    """Labeled objects, the fold of each, and a memory, if there is one."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    folds: NDArray[np.int64]
    classes: int
    memory: Memory | None

    def fit(
        self, kept: NDArray[np.bool_], penalty: float, start: LinearHead | None, *, with_memory: bool
    ) -> LinearHead:
        """Fit on the `kept` rows, and on the memory."""
        features, labels = self.features[kept], self.labels[kept]
        if with_memory and self.memory is not None:
            features = np.concatenate([features, self.memory.features])
            labels = np.concatenate([labels, self.memory.labels])
        return fit_head(features, labels, classes=self.classes, penalty=penalty, start=start)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Fold heads at one strength, and what they say of their folds."""

    folds: tuple[LinearHead, ...]
    probabilities: NDArray[np.float32]
    loss: float


def _fit_heads(training: Training, previous: Heads | None, *, search: bool) -> tuple[Heads, NDArray[np.float32]]:
    """Choose penalty and memory by out-of-fold log-likelihood, fit; return also the out-of-fold probabilities."""
    t = training
    start = previous.folds if previous is not None else None
    penalty = previous.penalty if previous is not None else FIRST_PENALTY
    with_memory = previous is not None and previous.with_memory
    best = _fit_folds(t, penalty, start, with_memory=with_memory)
    if search:
        penalty, best = _climb(t, penalty, best, with_memory=with_memory)
        if t.memory is not None:
            other = _fit_folds(t, penalty, None, with_memory=not with_memory)
            other_penalty, other = _climb(t, penalty, other, with_memory=not with_memory)
            if other.loss < best.loss:
                penalty, best, with_memory = other_penalty, other, not with_memory
    everything = np.ones(len(t.labels), dtype=bool)
    begin = previous.full if previous is not None else None
    (full,) = each_on_a_core(lambda start: t.fit(everything, penalty, start, with_memory=with_memory), [begin])
    return Heads(full, best.folds, penalty, with_memory), best.probabilities


def _climb(training: Training, penalty: float, here: _Fitted, *, with_memory: bool) -> tuple[float, _Fitted]:
    """Follow the loss downhill along `PENALTIES`, first to stronger ones."""
    begun = PENALTIES.index(penalty)
    place, best = begun, here
    for step in (1, -1):
        if step < 0 and place != begun:
            break  # it went down on the other side
        while 0 <= place + step < len(PENALTIES):
            found = _fit_folds(training, PENALTIES[place + step], best.folds, with_memory=with_memory)
            if found.loss >= best.loss:
                break
            place, best = place + step, found
    return PENALTIES[place], best


def _fit_folds(
    training: Training, penalty: float, start: tuple[LinearHead, ...] | None, *, with_memory: bool
) -> _Fitted:
    """Fit a head without each fold.

    It starts from the same fold's head of an earlier fit, never from one that has seen the fold: an optimiser that
    stops early would otherwise leak it.
    """
    t = training
    probabilities = np.empty((len(t.labels), t.classes), np.float32)

    def without(fold: int) -> LinearHead:
        held = t.folds == fold
        head = t.fit(~held, penalty, start[fold] if start else None, with_memory=with_memory)
        probabilities[held] = head.probabilities(t.features[held])
        return head

    heads = tuple(each_on_a_core(without, range(FOLDS)))
    return _Fitted(heads, probabilities, _loss(probabilities, t.labels))


def out_of_fold_opinion(training: Training, heads: Heads, around: Surroundings) -> NDArray[np.float32]:
    """What the neighbours of each labeled object say, shape ``(n, C)``.

    Unlabeled ones speak through the head that has not seen the object's fold; labeled ones say their own label, which
    is safe, because no object is its own neighbour.
    """
    opinion = np.zeros((len(training.labels), training.classes), np.float32)
    for fold, head in enumerate(heads.folds):
        held = training.folds == fold
        places = around.places[held]
        asked, inverse = np.unique(around.graph.neighbours[places], return_inverse=True)
        if not len(asked):
            continue  # an empty fold, or a pool of one
        beliefs = head.probabilities(around.features_of(asked.astype(np.int64)))
        at = np.minimum(np.searchsorted(asked, around.places), len(asked) - 1)
        there = asked[at] == around.places
        beliefs[at[there]] = 0.0
        beliefs[at[there], training.labels[there]] = 1.0
        weights = around.graph.weights[places].astype(np.float32)
        heard = beliefs[inverse.reshape(weights.shape)]
        opinion[held] = np.einsum("nk,nkc->nc", weights, heard)
    return opinion


def _loss(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Mean negative log-likelihood."""
    return -float(np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-6)).mean(dtype=np.float64))


def _predictions(
    probabilities: NDArray[np.float32], opinion: NDArray[np.float32] | None, errors: ErrorModel
) -> Predictions:
    predicted = probabilities.argmax(axis=1).astype(np.int64)
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    wrong = errors.error_probability(signals_of(probabilities, opinion), predicted)
    return Predictions(predicted, top[:, 1], top[:, 1] - top[:, 0], wrong)

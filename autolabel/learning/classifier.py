"""The classifier of a round: heads as strong as cross-fitting finds, the neighbours' say, a model of the errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.learning.base import Predictions
from autolabel.learning.confidence import ErrorModel, fit_error_model, signals_of
from autolabel.learning.crossfit import Training, fold_of
from autolabel.learning.search import blended, fit_heads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.learning.crossfit import Heads, Memory, Surroundings


@dataclass(frozen=True, slots=True)
class Classifier:
    """A fitted head with everything needed to predict classes and error probabilities.

    Attributes
    ----------
    say
        Weight of the neighbours' opinion, one of `search.SAYS`.
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
    widths: tuple[int, ...] | None = None,
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
    widths
        Feature columns of every view, which sum to F; by default there is one view.
    memory
        Labeled objects of the checkpoint the job started from. Whether they help is decided by the out-of-fold
        likelihood of this job's own labels.
    previous
        The last round's heads, where the optimiser starts.
    search
        Choose strengths anew; else the previous ones are kept.
    surroundings
        The pool around the objects. How much its opinion counts is decided by out-of-fold likelihood too.
    """
    training = Training(features, labels, fold_of(objects), classes, widths or (features.shape[1],), memory)
    heads, fitted = fit_heads(training, surroundings, previous, search=search or previous is None)
    alone = fitted.probabilities
    signals, predicted = signals_of(alone, None), alone.argmax(axis=1)
    errors_alone = fit_error_model(signals, predicted, predicted != labels, classes=classes)
    if surroundings is None:
        return Classifier(heads, 0.0, errors_alone, errors_alone, _predictions(alone, None, errors_alone))
    hearings = surroundings.hearings(training, np.arange(len(labels)))
    opinion = np.concatenate([hearing.opinion(heads.folds) for hearing in hearings])
    together = blended(alone, opinion, fitted.say)
    predicted = together.argmax(axis=1)
    errors = fit_error_model(signals_of(together, opinion), predicted, predicted != labels, classes=classes)
    return Classifier(heads, fitted.say, errors, errors_alone, _predictions(together, opinion, errors))


def _predictions(
    probabilities: NDArray[np.float32], opinion: NDArray[np.float32] | None, errors: ErrorModel
) -> Predictions:
    predicted = probabilities.argmax(axis=1).astype(np.int64)
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    wrong = errors.error_probability(signals_of(probabilities, opinion), predicted)
    return Predictions(predicted, top[:, 1], top[:, 1] - top[:, 0], wrong)

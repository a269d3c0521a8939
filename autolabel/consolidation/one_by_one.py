"""One class for each object of an audit, by its own answers and by what was known of its workers before.

The certificate needs reference labels that do not depend on who else is audited: whether a prediction is wrong must be
a fact that was there before the audit was drawn, of objects inside and outside of it alike. Expectation maximisation
over all answers together does not give that: every audited object says something about its workers, and so about the
other objects. Here the workers are judged by objects whose labels were settled before, and each audited object by
nothing but its own answers and that judgement.

Each worker has a confusion matrix, counted on the settled objects; each of its rows is smoothed by two pseudo-answers
of the crowd as a whole and by two of a worker of the same accuracy who errs uniformly, so that a worker who was never
seen is one of the crowd. The class is the most probable one after Bayes' rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.consolidation.classes import CONFIDENCE_CAP, SAME_PROBABILITY, ConsolidatedClasses

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR_ACCURACY = 0.7
"""Of the crowd before any answer, worth `PSEUDO` answers."""
PSEUDO = 2.0


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers, one entry each, shape ``(A,)``."""

    objects: NDArray[np.int64]
    workers: NDArray[Any]
    """Names or numbers."""
    labels: NDArray[np.int64]
    """Class of each answer, in 0..C-1."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What each object's own answers say, and what is known of whoever answers next."""

    objects: NDArray[np.int64]
    """Object numbers, shape ``(N,)``, ascending."""
    posterior: NDArray[np.float64]
    """Probability of each class for each object, shape ``(N, C)``, rows sum to 1."""
    confusion: NDArray[np.float64]
    """P(answered class | true class) of the crowd on settled objects, shape ``(C, C)``, rows sum to 1."""


def one_by_one(answers: Answered, settled: Answered, truth: NDArray[np.integer], *, classes: int) -> Judged:
    """Weigh every object's own answers; see `consolidate_one_by_one`."""
    asked, row = np.unique(answers.objects, return_inverse=True)
    log_posterior = np.tile(np.log(_shares(truth, classes)), (len(asked), 1))
    np.add.at(log_posterior, row, np.log(_rates(answers, settled, truth, classes)))
    posterior = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True, initial=-np.inf))
    posterior /= posterior.sum(axis=1, keepdims=True)
    return Judged(asked.astype(np.int64), posterior, _crowd(settled, truth, classes))


def consolidate_one_by_one(
    answers: Answered, settled: Answered, truth: NDArray[np.integer], *, classes: int
) -> ConsolidatedClasses:
    """Give every object of `answers` one class: a single worker's own, else the most probable one.

    Parameters
    ----------
    answers
        To the objects that are to be labeled, at most one of each worker to each object.
    settled
        To objects that were labeled before.
    truth
        Class that each object of `settled` was given, an entry an answer, shape ``(S,)``, in 0..C-1.
    classes
        C, at least 2.

    Returns
    -------
    Objects ascending. Equal probabilities fall to the first class. No object's class depends on another's answers.
    """
    judged = one_by_one(answers, settled, truth, classes=classes)
    _, row, each = np.unique(answers.objects, return_inverse=True, return_counts=True)
    first = np.full(len(judged.objects), -1, np.int64)
    first[row[::-1]] = answers.labels[::-1]
    best = judged.posterior.max(axis=1, initial=0.0)
    label = np.where(each > 1, (judged.posterior >= best[:, None] - SAME_PROBABILITY).argmax(axis=1), first)
    confidence = np.where(each > 1, np.minimum(best, CONFIDENCE_CAP), 0.0)
    return ConsolidatedClasses(judged.objects, label.astype(np.intp), confidence)


def _shares(truth: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """Share of each class, shape ``(C,)``; none is impossible."""
    shares = np.bincount(truth, minlength=classes).astype(np.float64) + 1.0
    shares /= shares.sum()
    return shares


def _rates(answers: Answered, settled: Answered, truth: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """P(answer | true class) of each answer under each class, shape ``(A, C)``.

    Only the columns that an answer names are counted: memory is O((A + W) C), not O(W C C).
    """
    people = np.unique(np.concatenate([answers.workers, settled.workers]))
    worker, known = np.searchsorted(people, answers.workers), np.searchsorted(people, settled.workers)
    right = settled.labels == truth
    accuracy = _accuracy(settled, truth)
    answered = np.bincount(known, minlength=len(people))
    own = (np.bincount(known, right, len(people)) + PSEUDO * accuracy) / (answered + PSEUDO)
    crowd = _crowd(settled, truth, classes)
    seen = np.zeros((len(people), classes))
    np.add.at(seen, (known, truth), 1.0)
    pairs, pair = np.unique(worker * classes + answers.labels, return_inverse=True)
    place = np.searchsorted(pairs, known * classes + settled.labels)
    named = (place < len(pairs)) & (pairs[np.minimum(place, len(pairs) - 1)] == known * classes + settled.labels)
    counts = np.zeros((len(pairs), classes))
    np.add.at(counts, (place[named], truth[named]), 1.0)
    by, said = np.divmod(pairs, classes)
    counts += PSEUDO * (crowd[:, said].T + _one_coin(own[by], said, classes))
    rates: NDArray[np.float64] = counts / (seen[by] + 2 * PSEUDO)
    return rates[pair]


def _accuracy(settled: Answered, truth: NDArray[np.integer]) -> float:
    """Mean accuracy of the crowd on settled objects."""
    right = int((settled.labels == truth).sum())
    return (right + PSEUDO * PRIOR_ACCURACY) / (len(truth) + PSEUDO)


def _crowd(settled: Answered, truth: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """P(answered class | true class) of the crowd, shape ``(C, C)``, rows sum to 1."""
    crowd = np.zeros((classes, classes))
    np.add.at(crowd, (truth, settled.labels), 1.0)
    accuracy = np.full(classes, _accuracy(settled, truth))
    crowd += PSEUDO * _one_coin(accuracy, np.arange(classes), classes).T
    crowd /= crowd.sum(axis=1, keepdims=True)
    return crowd


def _one_coin(accuracy: NDArray[np.float64], said: NDArray[np.intp], classes: int) -> NDArray[np.float64]:
    """P(said | true class) of workers who err uniformly, shape ``(K, C)``."""
    rates = np.repeat(((1.0 - accuracy) / (classes - 1))[:, None], classes, axis=1)
    rates[np.arange(len(said)), said] = accuracy
    return rates

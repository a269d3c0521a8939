"""How good each worker is: by what the crowd makes of their answers, and by objects whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.consolidation.classes import AnswerSheet
from autolabel.consolidation.dawid_skene import UNKNOWN, dawid_skene

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class WorkerQuality:
    """One entry a worker, shape ``(W,)`` each, in the order of `people`."""

    people: NDArray[Any]
    answers: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    """Estimated share of right answers, in [0, 1]: by `dawid_skene`, which is told what gold says."""
    compared: NDArray[np.int64]
    """Answers to objects that others answered too."""
    agreed: NDArray[np.int64]
    """Those of them that are what most of the others said, ties included."""
    gold: NDArray[np.int64]
    """Answers to gold objects."""
    gold_right: NDArray[np.int64]


def worker_quality(
    objects: NDArray[np.integer],
    workers: NDArray[Any],
    labels: NDArray[np.integer],
    *,
    classes: int,
    known: Mapping[int, int],
) -> WorkerQuality:
    """Judge workers by all their answers.

    Parameters
    ----------
    objects, workers, labels, classes
        As `consolidate_classes` takes them; at least one answer.
    known
        Class of each gold object by its number; others may be in it too.

    Raises
    ------
    ValueError
        A label is no class, the arrays differ in length, or there is no answer.
    """
    sheet = AnswerSheet.of(objects, workers, labels, classes=classes)
    truth = np.asarray([known.get(number, UNKNOWN) for number in sheet.objects.tolist()], np.int64)
    estimate = dawid_skene(sheet.rows, sheet.workers, sheet.labels, classes=classes, known=truth)
    people = len(sheet.people)

    def count(which: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(sheet.workers[which], minlength=people).astype(np.int64)

    is_gold = truth[sheet.rows] != UNKNOWN
    compared, agreed = _with_the_others(sheet)
    return WorkerQuality(
        people=sheet.people,
        answers=count(np.ones(len(sheet.rows), np.bool_)),
        accuracy=estimate.accuracy,
        compared=count(compared),
        agreed=count(agreed),
        gold=count(is_gold),
        gold_right=count(is_gold & (sheet.labels == truth[sheet.rows])),
    )


def _with_the_others(sheet: AnswerSheet) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each answer has others beside it, and whether it is what most of the others said, shape ``(A,)``."""
    votes = np.zeros((len(sheet.objects), sheet.classes), np.int64)
    np.add.at(votes, (sheet.rows, sheet.labels), 1)
    most = votes.max(axis=1)
    second = np.partition(votes, -2, axis=1)[:, -2] if sheet.classes > 1 else np.zeros_like(most)
    own = votes[sheet.rows, sheet.labels]
    # Without the answer itself: its class has one vote less, and the best of the other classes is the best there is,
    # or the second best where the answer's class is that one.
    best_other = np.where(own == most[sheet.rows], second[sheet.rows], most[sheet.rows])
    tied = (votes == most[:, None]).sum(axis=1)[sheet.rows] > 1
    best_other = np.where((own == most[sheet.rows]) & tied, most[sheet.rows], best_other)
    compared = sheet.answers_each[sheet.rows] > 1
    return compared, compared & (own - 1 >= best_other)

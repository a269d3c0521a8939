"""The plain majority, against which better consolidations are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.consolidation.table import AnswerTable, Posterior

if TYPE_CHECKING:
    from numpy.typing import NDArray


def majority(
    objects: NDArray[np.integer], workers: NDArray[np.integer], labels: NDArray[np.integer], *, classes: int
) -> Posterior:
    """Believe in each class as much as an object's answers do; a worker is as good as they agree with that.

    Parameters
    ----------
    objects, workers, labels, classes
        As `AnswerTable.build` takes them.
    """
    table = AnswerTable.build(objects, workers, labels, classes)
    posterior = table.votes()
    counts = table.counts(posterior)
    right = table.right(counts)
    mean = float(right.sum() / table.answered.sum())
    return Posterior(posterior, right / table.answered, table.pooled(counts, mean, float(classes)), 0.0, 0)


def majority_vote(objects: NDArray[np.integer], labels: NDArray[np.integer], *, classes: int) -> NDArray[np.intp]:
    """Give each object its most frequent answer, the first class among equals.

    Parameters
    ----------
    objects, labels
        One entry an answer, shape ``(A,)``: object in 0..N-1, class in 0..C-1.
    classes
        C.

    Returns
    -------
    One class an object, shape ``(N,)`` with N one more than the greatest object.
    """
    n = int(objects.max()) + 1 if len(objects) else 0
    votes = np.bincount(objects.astype(np.intp) * classes + labels, minlength=n * classes)
    winner: NDArray[np.intp] = votes.reshape(n, classes).argmax(axis=1)
    return winner

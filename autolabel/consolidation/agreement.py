"""How far people agree: figures that need no truth and believe in no model of the workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of people over the objects that at least two of them answered."""

    objects: int
    """Objects with at least two answers."""
    pairwise: float
    """Share of pairs of answers to the same object that are equal, in [0, 1]; 1 where there is no such pair."""
    alpha: float
    """Krippendorff's alpha for nominal data: 1 is perfect, 0 is what chance gives; 1 where only one class was named."""


def agreement(objects: NDArray[np.integer], labels: NDArray[np.integer]) -> Agreement:
    """Compare all answers to each object (K. Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011).

    Parameters
    ----------
    objects, labels
        One entry an answer, shape ``(A,)``: any object number, class from 0.
    """
    _, row, answers_each = np.unique(objects, return_inverse=True, return_counts=True)
    paired = answers_each[row] > 1
    row, labels = row[paired], labels[paired]
    if not len(labels):
        return Agreement(0, 1.0, 1.0)
    classes = int(labels.max()) + 1
    _, votes = np.unique(row.astype(np.int64) * classes + labels, return_counts=True)
    together = np.unique(row.astype(np.int64) * classes + labels) // classes
    each = answers_each[answers_each > 1].astype(np.float64)
    equal = np.bincount(together, weights=votes.astype(np.float64) * (votes - 1), minlength=len(answers_each))
    equal = equal[answers_each > 1]
    total = float(each.sum())
    observed = float(((each * (each - 1) - equal) / (each - 1)).sum()) / total
    shares = np.bincount(labels).astype(np.float64)
    expected = (total**2 - float((shares**2).sum())) / (total * (total - 1))
    pairwise = float(equal.sum() / (each * (each - 1)).sum())
    return Agreement(len(each), pairwise, 1.0 if expected == 0 else 1 - observed / expected)

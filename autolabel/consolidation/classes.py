"""One class and one confidence for every object, by the rules that Ground Truth's output shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.consolidation.dawid_skene import dawid_skene

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE_CAP = 0.95
"""The service never writes more for a label that people gave, however many of them agree."""

SAME_PROBABILITY = 1e-9
"""Posteriors closer than this are a tie; without it, rounding noise would decide."""


@dataclass(frozen=True, slots=True)
class ConsolidatedClasses:
    """One class for every object that somebody answered."""

    objects: NDArray[np.int64]
    """Object numbers, shape ``(N,)``, ascending."""
    labels: NDArray[np.intp]
    """Class of each, shape ``(N,)``."""
    confidence: NDArray[np.float64]
    """0 where a single worker answered, else the class's probability, at most 0.95; shape ``(N,)``."""


def consolidate_classes(
    objects: NDArray[np.integer], workers: NDArray[Any], labels: NDArray[np.integer], *, classes: int
) -> ConsolidatedClasses:
    """Give every answered object one class: a single worker's own, else the most probable by Dawid and Skene.

    Equal posteriors fall to the first class. Of several answers of one worker to one object the first counts;
    apart from that, neither the order of the answers nor the numbers of objects and workers change a label.

    Parameters
    ----------
    objects, workers, labels
        One entry an answer, shape ``(A,)``: any object number, any worker name or number, class in 0..C-1.
    classes
        C, at least 2.

    Raises
    ------
    ValueError
        A label is no class, or the arrays differ in length.
    """
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"found class {labels.min()} to {labels.max()}, expected 0 to {classes - 1}")
    asked, row = np.unique(objects, return_inverse=True)
    people, worker = np.unique(workers, return_inverse=True)
    # In order of (object, worker) sums round the same way however the answers came in.
    _, first = np.unique(row * max(1, len(people)) + worker, return_index=True)
    row, worker, labels = row[first], worker[first], labels[first]
    several = np.bincount(row) > 1
    label = labels[np.flatnonzero(np.diff(row, prepend=-1))].astype(np.intp)
    confidence = np.zeros(len(asked))
    if several.any():
        posterior = dawid_skene(row, worker, labels, classes=classes).posterior
        best = posterior.max(axis=1)
        label = np.where(several, (posterior >= best[:, None] - SAME_PROBABILITY).argmax(axis=1), label)
        confidence = np.where(several, np.minimum(best, CONFIDENCE_CAP), 0.0)
    return ConsolidatedClasses(asked.astype(np.int64), label, confidence)

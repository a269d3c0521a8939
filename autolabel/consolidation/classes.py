"""One class and one confidence for every object, by the rules that Ground Truth's output shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.consolidation.dawid_skene import dawid_skene
from autolabel.consolidation.ground_truth import ground_truth_em
from autolabel.consolidation.majority import majority
from autolabel.consolidation.table import LEAST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from autolabel.consolidation.table import Posterior

CONFIDENCE_CAP = 0.95
"""The service never writes more for a label that people gave, however many of them agree."""

SAME_PROBABILITY = 1e-9
"""Posteriors closer than this are a tie; without it, rounding noise would decide."""


class Consolidation(StrEnum):
    """How several answers become one class."""

    DAWID_SKENE = "dawid-skene"
    """Dawid and Skene's model with partial pooling: `dawid_skene`."""
    GROUND_TRUTH = "ground-truth"
    """The variant that AWS published: `ground_truth_em`."""
    MAJORITY = "majority"
    """Every answer counts the same: `majority`."""


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
    objects: NDArray[np.integer],
    workers: NDArray[Any],
    labels: NDArray[np.integer],
    *,
    classes: int,
    method: Consolidation = Consolidation.DAWID_SKENE,
    prior: Mapping[int, NDArray[np.floating]] | None = None,
) -> ConsolidatedClasses:
    """Give every answered object one class: a single worker's own, else the most probable one by `method`.

    Equal posteriors fall to the first class. Of several answers of one worker to one object the first counts;
    apart from that, neither the order of the answers nor the numbers of objects and workers change a label.
    An object with a prior gets one of the classes that its workers named: a prior decides between people, not for them.

    Parameters
    ----------
    objects, workers, labels
        One entry an answer, shape ``(A,)``: any object number, any worker name or number, class in 0..C-1.
    classes
        C, at least 2.
    prior
        What is believed of some objects before their answers, by object number, shape ``(C,)`` each; only with
        `Consolidation.DAWID_SKENE`.

    Raises
    ------
    ValueError
        A label is no class, the arrays differ in length, or `method` takes no prior.
    """
    sheet = AnswerSheet.of(objects, workers, labels, classes=classes)
    label = sheet.labels[np.flatnonzero(np.diff(sheet.rows, prepend=-1))].astype(np.intp)
    confidence = np.zeros(len(sheet.objects))
    several = sheet.answers_each > 1
    if several.any():
        posterior = sheet.posterior(method, prior).posterior
        if prior:
            posterior = sheet.named(posterior, prior)
        best = posterior.max(axis=1)
        label = np.where(several, (posterior >= best[:, None] - SAME_PROBABILITY).argmax(axis=1), label)
        confidence = np.where(several, np.minimum(best, CONFIDENCE_CAP), 0.0)
    return ConsolidatedClasses(sheet.objects, label, confidence)


@dataclass(frozen=True, slots=True)
class AnswerSheet:
    """Answers with objects and workers numbered without gaps, each worker once an object, in a fixed order."""

    objects: NDArray[np.int64]
    """Object numbers, shape ``(N,)``, ascending."""
    people: NDArray[Any]
    """Workers, shape ``(W,)``, ascending."""
    rows: NDArray[np.intp]
    """Place of each answer's object, shape ``(A,)``, ascending."""
    workers: NDArray[np.intp]
    """Place of each answer's worker, shape ``(A,)``."""
    labels: NDArray[np.integer]
    """Class of each answer, shape ``(A,)``."""
    classes: int

    @classmethod
    def of(
        cls, objects: NDArray[np.integer], workers: NDArray[Any], labels: NDArray[np.integer], *, classes: int
    ) -> AnswerSheet:
        """Number answers; see `consolidate_classes`."""
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"found class {labels.min()} to {labels.max()}, expected 0 to {classes - 1}")
        asked, row = np.unique(objects, return_inverse=True)
        people, worker = np.unique(workers, return_inverse=True)
        # In order of (object, worker) sums round the same way however the answers came in.
        _, first = np.unique(row * max(1, len(people)) + worker, return_index=True)
        return cls(asked.astype(np.int64), people, row[first], worker[first], labels[first], classes)

    @property
    def answers_each(self) -> NDArray[np.intp]:
        """Number of answers of each object, shape ``(N,)``."""
        return np.bincount(self.rows, minlength=len(self.objects))

    def named(self, posterior: NDArray[np.float64], prior: Mapping[int, NDArray[np.floating]]) -> NDArray[np.float64]:
        """Leave the objects of `prior` only the classes that somebody named, shape ``(N, C)``, rows sum to 1."""
        kept = np.ones(posterior.shape, np.bool_)
        kept[self._places(prior)] = False
        kept[self.rows, self.labels] = True
        left: NDArray[np.float64] = np.where(kept, np.maximum(posterior, LEAST), 0.0)
        left /= left.sum(axis=1, keepdims=True)
        return left

    def _places(self, prior: Mapping[int, NDArray[np.floating]]) -> NDArray[np.intp]:
        """Places of the objects that have a prior and an answer."""
        return np.flatnonzero(np.isin(self.objects, np.fromiter(prior, np.int64, len(prior))))

    def posterior(self, method: Consolidation, prior: Mapping[int, NDArray[np.floating]] | None = None) -> Posterior:
        """Estimate classes and workers by `method`; `ValueError` without any answer, or for a prior it cannot take."""
        if prior:
            if method is not Consolidation.DAWID_SKENE:
                raise ValueError(f"{method} takes no prior; only {Consolidation.DAWID_SKENE} does")
            rows = np.zeros((len(self.objects), self.classes))
            for place in self._places(prior).tolist():
                rows[place] = prior[int(self.objects[place])]
            return dawid_skene(self.rows, self.workers, self.labels, classes=self.classes, prior=rows)
        if method is Consolidation.GROUND_TRUTH:
            return ground_truth_em(self.rows, self.workers, self.labels, classes=self.classes)
        if method is Consolidation.MAJORITY:
            return majority(self.rows, self.workers, self.labels, classes=self.classes)
        return dawid_skene(self.rows, self.workers, self.labels, classes=self.classes)

"""Heads fitted without a fold of the labels, and what they and an object's neighbours say of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from autolabel.learning.head import TOLERANCE, LinearHead, fit_head
from autolabel.learning.threads import each_on_a_core

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from autolabel.learning.graph import FeatureReader, PoolGraph

FOLDS = 5
HEARD = 4_096
"""Labeled objects whose neighbours are read at a time: about 40,000 rows of features."""


@dataclass(frozen=True, slots=True)
class Strengths:
    """What holds a head back: a ridge penalty, what each view's features are multiplied by, and what it is told."""

    penalty: float
    views: tuple[float, ...]
    with_memory: bool = False
    """Whether the checkpoint's own training labels are trained on too."""

    def view(self, number: int, factor: float) -> Strengths:
        """Return the strengths with another factor for one view."""
        return replace(self, views=(*self.views[:number], factor, *self.views[number + 1 :]))


@dataclass(frozen=True, slots=True)
class Heads:
    """The head on all training labels and one for each fold that was fitted without it."""

    full: LinearHead
    folds: tuple[LinearHead, ...]
    strengths: Strengths


@dataclass(frozen=True, slots=True)
class Memory:
    """What a checkpoint was trained on: features ``(n, F)``, float32, and class ids ``(n,)``."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Training:
    """Labeled objects ``(n, F)``, their class ids and folds ``(n,)``, and a memory, if there is one."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    folds: NDArray[np.int64]
    classes: int
    widths: tuple[int, ...]
    """Feature columns of every view."""
    memory: Memory | None = None

    def fit(
        self, kept: NDArray[np.bool_], strengths: Strengths, start: LinearHead | None, tolerance: float = TOLERANCE
    ) -> LinearHead:
        """Fit on the `kept` rows, and on the memory; the head is one of unscaled features."""
        features, labels = self.features[kept], self.labels[kept]
        if strengths.with_memory and self.memory is not None:
            features = np.concatenate([features, self.memory.features])
            labels = np.concatenate([labels, self.memory.labels])
        factors = np.repeat(np.asarray(strengths.views, np.float32), self.widths)
        used = factors > 0.0
        factors = factors[used]
        begin = None if start is None else LinearHead(start.weight[:, used] / factors, start.bias)
        fitted = fit_head(
            features[:, used] * factors,
            labels,
            classes=self.classes,
            penalty=strengths.penalty,
            start=begin,
            tolerance=tolerance,
        )
        weight = np.zeros((self.classes, len(used)), np.float32)
        weight[:, used] = fitted.weight * factors
        return LinearHead(weight, fitted.bias)

    def fit_full(self, strengths: Strengths, start: LinearHead | None) -> LinearHead:
        """Fit on everything."""
        everything = np.ones(len(self.labels), dtype=bool)
        (full,) = each_on_a_core(lambda begin: self.fit(everything, strengths, begin), [start])
        return full

    def fit_folds(
        self, strengths: Strengths, start: tuple[LinearHead, ...] | None, tolerance: float = TOLERANCE
    ) -> tuple[tuple[LinearHead, ...], NDArray[np.float32]]:
        """Fit a head without each fold; return also what each says of its fold, shape ``(n, C)``.

        It starts from the same fold's head of an earlier fit, never from one that has seen the fold: an optimiser that
        stops early would otherwise leak it.
        """
        probabilities = np.empty((len(self.labels), self.classes), np.float32)

        def without(fold: int) -> LinearHead:
            held = self.folds == fold
            head = self.fit(~held, strengths, start[fold] if start else None, tolerance)
            probabilities[held] = head.probabilities(self.features[held])
            return head

        return tuple(each_on_a_core(without, range(FOLDS))), probabilities


def fold_of(objects: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fold of each object: a fixed hash of its number, so that it never changes as labels come in."""
    return ((objects.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)).astype(np.int64) % FOLDS


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The pool around labeled objects: its graph, its features, and where the labeled objects are in it."""

    graph: PoolGraph
    features_of: FeatureReader
    places: NDArray[np.int64]
    """Of the labeled objects, shape ``(n,)``, ascending."""

    def hearings(self, training: Training, some: NDArray[np.int64]) -> Iterator[Hearing]:
        """Read what is around `some` of the labeled objects, `HEARD` at a time."""
        for begin in range(0, len(some), HEARD):
            yield self.hearing(training, some[begin : begin + HEARD])

    def hearing(self, training: Training, some: NDArray[np.int64]) -> Hearing:
        """Read the features around `some` labeled objects once, fold by fold."""
        folds = []
        for fold in range(FOLDS):
            held = some[training.folds[some] == fold]
            around = self.graph.neighbours[self.places[held]]
            asked, inverse = np.unique(around, return_inverse=True)
            at = np.minimum(np.searchsorted(self.places, asked), len(self.places) - 1)
            told = self.places[at] == asked if len(asked) else np.zeros(0, dtype=bool)
            folds.append(
                _FoldHearing(
                    held,
                    inverse.reshape(around.shape),
                    self.graph.weights[self.places[held]].astype(np.float32),
                    self.features_of(asked.astype(np.int64)) if len(asked) else training.features[:0],
                    np.flatnonzero(told),
                    training.labels[at[told]],
                )
            )
        return Hearing(some, tuple(folds), training.classes)


@dataclass(frozen=True, slots=True)
class _FoldHearing:
    held: NDArray[np.int64]
    around: NDArray[np.int64]
    weights: NDArray[np.float32]
    features: NDArray[np.float32]
    told: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hearing:
    """The surroundings of some labeled objects, read once: different heads can be asked about them."""

    objects: NDArray[np.int64]
    """Rows of the training set, ascending."""
    _folds: tuple[_FoldHearing, ...]
    _classes: int

    def opinion(self, heads: tuple[LinearHead, ...]) -> NDArray[np.float32]:
        """What the neighbours of each object say, shape ``(len(objects), C)``.

        Unlabeled ones speak through the head that has not seen the object's fold; labeled ones say their own label,
        which is safe, because no object is its own neighbour.
        """
        opinion = np.zeros((len(self.objects), self._classes), np.float32)
        for each, head in zip(self._folds, heads, strict=True):
            if not len(each.features):
                continue  # an empty fold, or a pool of one
            beliefs = head.probabilities(each.features)
            beliefs[each.told] = 0.0
            beliefs[each.told, each.labels] = 1.0
            rows = np.searchsorted(self.objects, each.held)
            opinion[rows] = np.einsum("nk,nkc->nc", each.weights, beliefs[each.around])
        return opinion

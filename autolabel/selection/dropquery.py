"""DropQuery: objects whose prediction does not survive dropout, made diverse (Gupte et al. 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.selection.batch import Batch, informative, most
from autolabel.selection.diversity import medoids, sample
from autolabel.selection.uncertainty import margins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.selection.view import PoolView

MASKS = 3
DROPPED = 0.75
"""The paper's number of dropout masks and share of features that each sets to zero."""
CANDIDATES_PER_PICK = 50
"""Candidates beyond so many a pick are thinned uniformly, which bounds the clustering's memory and time."""


def dropquery(view: PoolView, size: int, rng: np.random.Generator) -> Batch:
    """Take the k-means medoids of the objects that most dropout masks give another class.

    Where they are fewer than the batch, it is filled by the number of changes, then by small margins.
    """
    size = most(view, size)
    if not size:
        return informative(view, np.empty(0, np.int64))
    changes, margin = _changes(view, rng)
    candidates = np.flatnonzero(changes > MASKS // 2)
    if len(candidates) <= size:
        return informative(view, np.lexsort((margin, -changes))[:size])
    candidates = candidates[sample(len(candidates), CANDIDATES_PER_PICK * size, rng)]
    return informative(view, candidates[medoids(view.features(candidates), size, rng)])


def _changes(view: PoolView, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """How many masks change each object's class, in [0, MASKS], and its margin, both shape ``(N,)``."""
    changes = np.zeros(len(view), np.int64)
    margin = np.empty(len(view), np.float32)
    for block in view.blocks():
        features = view.features(block)
        probabilities = view.probabilities(features)
        margin[block] = margins(probabilities)
        for _ in range(MASKS):
            kept = rng.random(features.shape, dtype=np.float32) >= DROPPED
            dropped = np.where(kept, features / np.float32(1.0 - DROPPED), np.float32(0.0))
            changes[block] += view.probabilities(dropped).argmax(axis=1) != probabilities.argmax(axis=1)
    return changes, margin

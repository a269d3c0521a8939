"""Strategies that ask where the model is least sure (Settles 2009, section 3.1), alone and made diverse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.selection.batch import Batch, informative, most
from autolabel.selection.diversity import medoids

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from autolabel.selection.view import PoolView

CANDIDATES_PER_PICK = 5


def entropies(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shannon entropy in nats of ``(n, C)`` probabilities, shape ``(n,)``, in [0, log C]."""
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    return np.asarray(-np.einsum("nc,nc->n", probabilities, logs))


def confidences(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Top probability of each row, shape ``(n,)``."""
    return np.asarray(probabilities.max(axis=1))


def margins(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Top probability minus second, shape ``(n,)``, in [0, 1]; a single class has no second: its top."""
    if probabilities.shape[1] == 1:
        return probabilities[:, 0]
    top = np.partition(probabilities, -2, axis=1)
    return top[:, -1] - top[:, -2]


def entropy(view: PoolView, size: int, rng: np.random.Generator) -> Batch:  # noqa: ARG001 - one signature for all
    """Take the largest entropies; ties go to the lower object."""
    return _lowest(view, size, lambda rows: -entropies(rows))


def least_confidence(view: PoolView, size: int, rng: np.random.Generator) -> Batch:  # noqa: ARG001 - as above
    """Take the smallest top probabilities; ties go to the lower object."""
    return _lowest(view, size, confidences)


def margin(view: PoolView, size: int, rng: np.random.Generator) -> Batch:  # noqa: ARG001 - as above
    """Take the smallest margins (Scheffer et al. 2001); ties go to the lower object."""
    size = most(view, size)
    return informative(view, np.argsort(margins_of(view), kind="stable")[:size] if size else np.empty(0, np.int64))


def margin_diverse(view: PoolView, size: int, rng: np.random.Generator) -> Batch:
    """Take the smallest margins, reduced to diverse ones by k-means.

    Why margin: over LabelBench's raw results it is best or within 0.4 points in every linear-head setting, while pure
    entropy and core-set can lose to random; top-k without diversity can be worse than random at large batches.
    Only the candidates' features are read when the view knows its margins.
    """
    size = most(view, size)
    if not size:
        return informative(view, np.empty(0, np.int64))
    candidates = np.argsort(margins_of(view), kind="stable")[: CANDIDATES_PER_PICK * size]
    if len(candidates) > size:
        candidates = candidates[medoids(view.features(candidates), size, rng)]
    return informative(view, candidates)


def margins_of(view: PoolView) -> NDArray[np.float32]:
    """Margin of every object, shape ``(N,)``: the view's own, else its head's."""
    return view.margin if view.margin is not None else _measured(view, margins)


def _lowest(view: PoolView, size: int, measure: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Batch:
    size = most(view, size)
    if not size:
        return informative(view, np.empty(0, np.int64))
    return informative(view, np.argsort(_measured(view, measure), kind="stable")[:size])


def _measured(view: PoolView, measure: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Measure the pool's probabilities a block at a time: memory is one block's and the result."""
    parts = [measure(view.probabilities(view.features(block))) for block in view.blocks()]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)

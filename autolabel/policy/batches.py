"""Whom people label next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.policy.terms import PROBES
from autolabel.selection.batch import Batch, uniform_batch
from autolabel.selection.diversity import medoids
from autolabel.selection.strategies import STRATEGIES
from autolabel.selection.view import PoolView

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.learning.base import Arrays, Learner, Predictions

FIRST_SAMPLE = 5_000
"""Objects among which the first batch is spread."""
WARM_STRATEGY = "margin-diverse"
"""Chooses the first batch of a job that starts from a checkpoint."""


def first_batch(learner: Learner, pool: NDArray[np.int64], size: int, rng: np.random.Generator) -> Batch:
    """Choose the first training batch: the checkpoint's smallest margins, or a spread sample from a cold start.

    Half of a cold batch are k-means medoids, which reach every region of the pool, and half are uniform, which
    estimate its error without bias.

    Parameters
    ----------
    pool
        Unlabeled objects, ascending, shape ``(N,)``.
    """
    start = learner.start_model()
    size = min(size, len(pool))
    if size and start is not None:
        margin = learner.score(start, pool).margin
        return STRATEGIES[WARM_STRATEGY](PoolView(pool, learner.features, margin=margin), size, rng)
    uniform = uniform_batch(pool, size - size // 2, rng)
    if size < 2:
        return uniform
    left = np.setdiff1d(pool, uniform.explored, assume_unique=True)
    sample = uniform_batch(left, FIRST_SAMPLE, rng).explored
    spread = sample[medoids(learner.features(sample), min(size // 2, len(sample)), rng)]
    return Batch(np.sort(spread), uniform.explored)


def next_batch(
    learner: Learner,
    model: Arrays,
    remainder: NDArray[np.int64],
    predictions: Predictions,
    labeled: NDArray[np.int64],
    *,
    strategy: str,
    size: int,
    rng: np.random.Generator,
) -> Batch:
    """Let a strategy choose among the remainder, with a share of uniform exploration."""
    view = PoolView(remainder, learner.features, head=learner.head(model), margin=predictions.margin, labeled=labeled)
    return STRATEGIES[strategy](view, size, rng)


def affordable(batch: int, *, audits: int, remainder: int, people: int) -> int:
    """Objects that the next batch may have while an audit stays affordable; 0: look now.

    Parameters
    ----------
    people
        Most objects that people may still be asked about.
    """
    size = min(batch, remainder - audits, people - audits)
    return size if size >= min(batch, PROBES) else 0

"""Several people's classes into one: Dawid and Skene's model with partial pooling, in log space.

Every worker has a confusion matrix, every object a class that nobody sees; expectation maximisation estimates
both (A. P. Dawid and A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
Algorithm", Applied Statistics 28, 1979). What is added to the textbook's model, each measured in
``benchmarks/consolidation``:

* each row of a worker's matrix is smoothed by pseudo-answers of a one-coin worker of the same accuracy, one for every
  class there is, and by two of the crowd as a whole: what many answers say stays, what few say leans on the others.
  The crowd's own matrix carries the mistakes that everybody makes, which one-coin smoothing takes for truth;
* a worker with fewer than 20 answers is a one-coin worker: a matrix cannot be read out of them;
* ten epochs from the majority vote: later ones sharpen posteriors faster than they right labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.consolidation.table import LEAST, AnswerTable, Posterior

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR_ACCURACY = 0.7
"""Mean accuracy of the crowd before any answer, worth `PRIOR_ANSWERS`: AWS's own starting value."""
PRIOR_ANSWERS = 2.0
ONE_COIN_BELOW = 20
UNKNOWN = -1
"""In `known`: an object whose class nobody gave."""


def dawid_skene(
    objects: NDArray[np.integer],
    workers: NDArray[np.integer],
    labels: NDArray[np.integer],
    *,
    classes: int,
    own: float = 1.0,
    crowd: float = 2.0,
    one_coin_below: int = ONE_COIN_BELOW,
    epochs: int = 10,
    tolerance: float = 1e-6,
    prior: NDArray[np.floating] | None = None,
    known: NDArray[np.integer] | None = None,
) -> Posterior:
    """Estimate every object's class and every worker's accuracy from sparse answers.

    Time is O(A·C) an epoch and memory O((N + K)·C), where K counts the distinct (worker, answered class)
    pairs: the full (W, C, C) confusion matrices are never built.

    Parameters
    ----------
    objects, workers, labels, classes
        As `AnswerTable.build` takes them.
    own, crowd
        Pseudo-answers for each true class: `own` times C of a one-coin worker of the worker's own accuracy, `crowd`
        of everybody; at least one of them above 0.
    one_coin_below
        Workers with fewer answers have no matrix of their own.
    epochs
        Most expectation steps, at least 1.
    tolerance
        Stop once no probability changes by more than this.
    prior
        What is believed of each object before its answers, shape ``(N, C)``, rows sum to 1; a row of zeros
        says nothing, and the classes' shares are believed instead.
    known
        Class of each object that is known, `UNKNOWN` for the others, shape ``(N,)``: gold. Its posterior is
        that class, and its answers say how good their workers are.

    Raises
    ------
    ValueError
        `AnswerTable.build` refuses the arrays.
    """
    table = AnswerTable.build(objects, workers, labels, classes)
    gold = np.empty(0, np.intp) if known is None else np.flatnonzero(known != UNKNOWN)
    posterior = table.votes()
    if known is not None:
        posterior[gold] = np.eye(classes)[known[gold]]
    log_likelihood, done, changed = -np.inf, 0, np.inf
    while done < epochs and changed > tolerance:
        counts = table.counts(posterior)
        rates = _rates(table, counts, own * classes, crowd, one_coin_below)
        found, log_likelihood = table.expect(rates, _log_prior(posterior, prior))
        if known is not None:
            found[gold] = posterior[gold]
        changed = float(np.abs(found - posterior).max())
        posterior = found
        done += 1
    counts = table.counts(posterior)
    mean = _mean_accuracy(table, counts)
    accuracy = (table.right(counts) + crowd * mean) / (table.answered + crowd)
    return Posterior(posterior, accuracy, table.pooled(counts, mean, float(classes)), log_likelihood, done)


def _rates(
    table: AnswerTable, counts: NDArray[np.float64], own: float, crowd: float, one_coin_below: int
) -> NDArray[np.float64]:
    """P(answered class | true class) of each (worker, answered class) pair, shape ``(K, C)``."""
    mean = _mean_accuracy(table, counts)
    accuracy = (table.right(counts) + crowd * mean) / (table.answered + crowd)
    coin = table.one_coin(accuracy)
    everybody = table.pooled(counts, mean, float(table.classes)).T[table.pair_class]
    seen = table.rows(counts)[table.pair_worker]
    rates = (counts + own * coin + crowd * everybody) / (seen + own + crowd)
    few = (table.answered < one_coin_below)[table.pair_worker]
    rates[few] = coin[few]
    return rates


def _mean_accuracy(table: AnswerTable, counts: NDArray[np.float64]) -> float:
    right = float(table.right(counts).sum())
    return (right + PRIOR_ACCURACY * PRIOR_ANSWERS) / (float(table.answered.sum()) + PRIOR_ANSWERS)


def _log_prior(posterior: NDArray[np.float64], prior: NDArray[np.floating] | None) -> NDArray[np.float64]:
    """Log-probability of each class before an object's answers, shape ``(C,)`` or ``(N, C)``."""
    n, classes = posterior.shape
    shares: NDArray[np.float64] = np.log((posterior.sum(axis=0) + 1) / (n + classes))
    if prior is None:
        return shares
    said = prior.sum(axis=1) > 0
    log_prior: NDArray[np.float64] = np.where(said[:, None], np.log(np.maximum(prior, LEAST)), shares)
    return log_prior

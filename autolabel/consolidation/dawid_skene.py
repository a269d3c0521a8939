"""Several people's classes into one: Dawid and Skene's model, in the variant that AWS published.

Every worker has a confusion matrix, every object a class that nobody sees; expectation maximisation estimates
both (A. P. Dawid and A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
Algorithm", Applied Statistics 28, 1979). The variant smooths each worker's matrix with pseudo-counts towards
two one-coin matrices, of the worker's own accuracy and of the mean worker's, which keeps workers with few
answers sane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST = float(np.finfo(np.float64).tiny)
"""Floor under a probability: its logarithm stays finite and no object loses all its classes at once."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """What several workers' answers say together."""

    posterior: NDArray[np.float64]
    """Probability of each class for each object, shape ``(N, C)``, rows sum to 1."""
    accuracy: NDArray[np.float64]
    """Expected share of right answers of each worker, shape ``(W,)``, in [0, 1]."""
    log_likelihood: float
    """Log-likelihood of all answers in the last epoch, in nats."""
    epochs: int
    """Expectation steps done."""


def dawid_skene(
    objects: NDArray[np.integer],
    workers: NDArray[np.integer],
    labels: NDArray[np.integer],
    *,
    classes: int,
    prior_accuracy: float = 0.7,
    epochs: int = 20,
    tolerance: float = 1e-8,
) -> Posterior:
    """Estimate every object's class and every worker's accuracy from sparse answers.

    Time is O(A·C) an epoch and memory O((N + K)·C), where K counts the distinct (worker, answered class)
    pairs: the full (W, C, C) confusion matrices are never built.

    Parameters
    ----------
    objects, workers, labels
        One entry an answer, shape ``(A,)``, in any order: object in 0..N-1, worker in 0..W-1, class in
        0..C-1. Every object and every worker number occurs.
    classes
        C, at least 2.
    prior_accuracy
        Accuracy in (0, 1) that every worker has before the first epoch.
    epochs
        Most expectation steps, at least 1.
    tolerance
        Stop once the log-likelihood changes by less than this share of itself.

    Raises
    ------
    ValueError
        The arrays differ in length, are empty, hold numbers out of range, or skip an object or a worker.
    """
    answers = _Answers.build(objects, workers, labels, classes)
    posterior = np.full((answers.objects, classes), 1 / classes)
    accuracy = np.full(answers.workers, prior_accuracy)
    rates = answers.one_coin(accuracy)
    log_likelihood, done = -np.inf, 0
    while done < epochs:
        before, mean_accuracy = log_likelihood, float(accuracy.mean())
        posterior, log_likelihood = _expect(answers, rates, prior=posterior.mean(axis=0))
        rates, accuracy = _maximise(answers, posterior, mean_accuracy)
        done += 1
        if abs(log_likelihood - before) < tolerance * abs(before):
            break
    return Posterior(posterior, accuracy, log_likelihood, done)


@dataclass(frozen=True, slots=True)
class _Answers:
    """Answers as a sparse incidence of objects and (worker, answered class) pairs, pairs sorted by worker."""

    incidence: Any
    """Answers of each pair to each object, a scipy CSR matrix of shape ``(N, K)``."""
    pair_worker: NDArray[np.intp]
    pair_class: NDArray[np.intp]
    first_pair: NDArray[np.intp]
    """Where each worker's pairs begin, shape ``(W,)``."""
    answered: NDArray[np.float64]
    """Number of answers of each worker, shape ``(W,)``."""
    classes: int

    @classmethod
    def build(
        cls,
        objects: NDArray[np.integer],
        workers: NDArray[np.integer],
        labels: NDArray[np.integer],
        classes: int,
    ) -> _Answers:
        from scipy.sparse import csr_matrix

        _check(objects, workers, labels, classes)
        pairs, pair = np.unique(workers.astype(np.intp) * classes + labels, return_inverse=True)
        pair_worker, pair_class = np.divmod(pairs, classes)
        size = (int(objects.max()) + 1, len(pairs))
        return cls(
            incidence=csr_matrix((np.ones(len(pair)), (objects, pair)), shape=size),
            pair_worker=pair_worker,
            pair_class=pair_class,
            first_pair=np.flatnonzero(np.diff(pair_worker, prepend=-1)),
            answered=np.bincount(workers).astype(np.float64),
            classes=classes,
        )

    @property
    def objects(self) -> int:
        return int(self.incidence.shape[0])

    @property
    def workers(self) -> int:
        return len(self.answered)

    @property
    def diagonal(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Index of each pair's right answer in a ``(K, C)`` table of pair against true class."""
        return np.arange(len(self.pair_class)), self.pair_class

    def one_coin(self, accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(answered class | true class) of workers who err uniformly, shape ``(K, C)``."""
        wrong = (1 - accuracy) / (self.classes - 1)
        rates = np.repeat(wrong[self.pair_worker][:, None], self.classes, axis=1)
        rates[self.diagonal] = accuracy[self.pair_worker]
        return rates


def _expect(
    answers: _Answers, rates: NDArray[np.float64], *, prior: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return each object's posterior ``(N, C)`` and the log-likelihood of all answers."""
    joint = np.log(np.maximum(prior, _LEAST)) + answers.incidence @ np.log(np.maximum(rates, _LEAST))
    top = joint.max(axis=1, keepdims=True)
    likelihood = np.exp(joint - top)
    total = likelihood.sum(axis=1, keepdims=True)
    return likelihood / total, float((top + np.log(total)).sum())


def _maximise(
    answers: _Answers, posterior: NDArray[np.float64], mean_accuracy: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smoothed rates ``(K, C)`` and each worker's accuracy ``(W,)``.

    A worker with n answers gets, for each true class, n pseudo-answers of a one-coin worker of the same
    accuracy and n/2 of the mean one.
    """
    counts = answers.incidence.T @ posterior
    right = np.bincount(answers.pair_worker, weights=counts[answers.diagonal], minlength=answers.workers)
    accuracy = np.clip(right / answers.answered, 0, 1)
    pseudo = answers.one_coin(accuracy) + answers.one_coin(np.full_like(accuracy, mean_accuracy)) / 2
    answered = answers.answered[:, None]
    row_sums = np.add.reduceat(counts, answers.first_pair, axis=0) + 1.5 * answered
    rates = (counts + pseudo * answered[answers.pair_worker]) / row_sums[answers.pair_worker]
    return rates, accuracy


def _check(
    objects: NDArray[np.integer], workers: NDArray[np.integer], labels: NDArray[np.integer], classes: int
) -> None:
    """Refuse answers that the model's arrays cannot hold."""
    if classes < 2:
        raise ValueError(f"found {classes} classes; Dawid and Skene's model needs at least 2")
    if not 0 < len(objects) == len(workers) == len(labels):
        raise ValueError(
            f"found {len(objects)} objects, {len(workers)} workers and {len(labels)} labels; "
            "one of each an answer is needed, and at least one answer"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"found class {labels.min()} to {labels.max()}, expected 0 to {classes - 1}")
    for name, numbers in (("object", objects), ("worker", workers)):
        if numbers.min() < 0 or not np.bincount(numbers).all():
            raise ValueError(f"found {name} numbers with gaps or below 0; number them 0, 1, 2, ... without gaps")

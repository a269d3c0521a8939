"""Answers as sparse tables: what every consolidation of classes counts on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = float(np.finfo(np.float64).tiny)
"""Floor under a probability: its logarithm stays finite and no object loses all its classes at once."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """What several workers' answers say together."""

    posterior: NDArray[np.float64]
    """Probability of each class for each object, shape ``(N, C)``, rows sum to 1."""
    accuracy: NDArray[np.float64]
    """Expected share of right answers of each worker, shape ``(W,)``, in [0, 1]."""
    confusion: NDArray[np.float64]
    """P(answered class | true class) of whoever answers next, shape ``(C, C)``, rows sum to 1."""
    log_likelihood: float
    """Log-likelihood of all answers in the last epoch, in nats."""
    epochs: int
    """Expectation steps done."""


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """Answers as a sparse incidence of objects and (worker, answered class) pairs, pairs sorted by worker.

    K counts the distinct pairs: nothing of size workers x classes x classes is ever built.
    """

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
    ) -> AnswerTable:
        """Count answers.

        Parameters
        ----------
        objects, workers, labels
            One entry an answer, shape ``(A,)``, in any order: object in 0..N-1, worker in 0..W-1, class in
            0..C-1. Every object and every worker number occurs.
        classes
            C, at least 2.

        Raises
        ------
        ValueError
            The arrays differ in length, are empty, hold numbers out of range, or skip an object or a worker.
        """
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
        """N."""
        return int(self.incidence.shape[0])

    @property
    def workers(self) -> int:
        """W."""
        return len(self.answered)

    @property
    def diagonal(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Index of each pair's right answer in a ``(K, C)`` table of pair against true class."""
        return np.arange(len(self.pair_class)), self.pair_class

    def votes(self) -> NDArray[np.float64]:
        """Share of each class among each object's answers, shape ``(N, C)``."""
        from scipy.sparse import csr_matrix

        pairs = len(self.pair_class)
        answered = csr_matrix((np.ones(pairs), (np.arange(pairs), self.pair_class)), shape=(pairs, self.classes))
        counts: NDArray[np.float64] = (self.incidence @ answered).toarray()
        counts /= counts.sum(axis=1, keepdims=True)
        return counts

    def counts(self, posterior: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected number of objects of each true class behind each pair, shape ``(K, C)``."""
        expected: NDArray[np.float64] = self.incidence.T @ posterior
        return expected

    def right(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected right answers of each worker, shape ``(W,)``."""
        return np.bincount(self.pair_worker, counts[self.diagonal], self.workers).astype(np.float64)

    def rows(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected number of objects of each true class that each worker saw, shape ``(W, C)``."""
        return np.add.reduceat(counts, self.first_pair, axis=0)

    def one_coin(self, accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(answered class | true class) of workers who err uniformly, shape ``(K, C)``."""
        wrong = (1 - accuracy) / (self.classes - 1)
        rates = np.repeat(wrong[self.pair_worker][:, None], self.classes, axis=1)
        rates[self.diagonal] = accuracy[self.pair_worker]
        return rates

    def pooled(self, counts: NDArray[np.float64], accuracy: float, strength: float) -> NDArray[np.float64]:
        """P(answered class | true class) over all answers, shape ``(C, C)``, rows sum to 1.

        Each row is smoothed by `strength` answers of a worker of `accuracy` who errs uniformly.
        """
        answered = np.zeros((self.classes, self.classes))
        np.add.at(answered, self.pair_class, counts)
        coin = np.full((self.classes, self.classes), (1 - accuracy) / (self.classes - 1))
        np.fill_diagonal(coin, accuracy)
        smoothed: NDArray[np.float64] = answered.T + strength * coin
        smoothed /= smoothed.sum(axis=1, keepdims=True)
        return smoothed

    def expect(self, rates: NDArray[np.float64], log_prior: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Return each object's posterior ``(N, C)`` and the log-likelihood of all answers, in log space.

        Parameters
        ----------
        rates
            P(answered class | true class) of each pair, shape ``(K, C)``.
        log_prior
            Log-probability of each class before any answer, shape ``(C,)`` or ``(N, C)``.
        """
        joint = log_prior + self.incidence @ np.log(np.maximum(rates, LEAST))
        top = joint.max(axis=1, keepdims=True)
        likelihood = np.exp(joint - top)
        total = likelihood.sum(axis=1, keepdims=True)
        return likelihood / total, float((top + np.log(total)).sum())


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

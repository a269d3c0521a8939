"""Simulated people: what the consolidated human answer about each object would be, the same whenever it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Answers by object number, and how many were asked for.

    Attributes
    ----------
    answers
        Class id of the consolidated answer about every object, shape ``(N,)``: the reference that promises are about.
    """

    answers: NDArray[np.int64]

    def __call__(self, objects: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the answers about some objects."""
        return self.answers[objects]

    @classmethod
    def right(cls, truth: NDArray[np.int64]) -> People:
        """People who are never wrong."""
        return cls(truth)

    @classmethod
    def of_accuracy(
        cls, truth: NDArray[np.int64], classes: int, *, accuracy: float, workers: int, rng: np.random.Generator
    ) -> People:
        """The majority of `workers` of a one-coin Dawid-Skene crowd; ties go to the lower class.

        Parameters
        ----------
        accuracy
            Probability that a worker is right; wrong answers are uniform over the other classes.
        """
        votes = np.zeros((len(truth), classes), np.int64)
        rows = np.arange(len(truth))
        for _ in range(workers):
            slipped = (truth + rng.integers(1, classes, len(truth))) % classes
            votes[rows, np.where(rng.random(len(truth)) < accuracy, truth, slipped)] += 1
        return cls(votes.argmax(axis=1))

    @classmethod
    def of_counts(cls, counts: NDArray[np.int64], *, workers: int, rng: np.random.Generator) -> People:
        """The majority of `workers` people drawn from what people really said of each object.

        Parameters
        ----------
        counts
            Answers by object and class, shape ``(N, C)``.
        """
        shares = counts / counts.sum(axis=1, keepdims=True)
        return cls(rng.multinomial(workers, shares).argmax(axis=1))

"""Made-up crowds whose truth is known, and matrices of workers who err evenly."""

from __future__ import annotations

import numpy as np


def crowd(rng, *, objects, classes, accuracies, answers_each):
    """Draw truth and sparse answers of one-coin workers."""
    truth = rng.integers(classes, size=objects)
    object_of = np.repeat(np.arange(objects), answers_each)
    worker_of = np.concatenate([rng.choice(len(accuracies), answers_each, replace=False) for _ in range(objects)])
    right = rng.random(len(object_of)) < np.asarray(accuracies)[worker_of]
    wrong = (truth[object_of] + rng.integers(1, classes, size=len(object_of))) % classes
    return truth, object_of, worker_of, np.where(right, truth[object_of], wrong)


def one_coin(accuracy, classes):
    """Confusion matrix of a worker whose mistakes are spread evenly."""
    matrix = np.full((classes, classes), (1 - accuracy) / (classes - 1))
    np.fill_diagonal(matrix, accuracy)
    return matrix

from __future__ import annotations

import numpy as np
import pytest
from support.crowd import crowd, one_coin

from autolabel.consolidation.ground_truth import ground_truth_em


def textbook(objects, workers, labels, *, classes, epochs):
    """The same model in probabilities with one loop an index, straight from its formulas."""
    n, w = max(objects) + 1, max(workers) + 1

    confusion = [one_coin(0.7, classes) for _ in range(w)]
    posterior = np.full((n, classes), 1 / classes)
    mean_accuracy = 0.7
    for _ in range(epochs):
        prior = posterior.sum(axis=0) / posterior.sum()
        joint = np.tile(prior, (n, 1))
        for i, j, label in zip(objects, workers, labels, strict=True):
            joint[i] *= confusion[j][:, label]
        posterior = joint / joint.sum(axis=1, keepdims=True)
        counts = np.zeros((w, classes, classes))
        for i, j, label in zip(objects, workers, labels, strict=True):
            counts[j][:, label] += posterior[i]
        accuracies = [np.trace(counts[j]) / counts[j].sum() for j in range(w)]
        for j in range(w):
            total = counts[j].sum()
            smoothed = (
                counts[j] + total * one_coin(accuracies[j], classes) + total / 2 * one_coin(mean_accuracy, classes)
            )
            confusion[j] = smoothed / smoothed.sum(axis=1, keepdims=True)
        mean_accuracy = np.mean(accuracies)
    return posterior, np.array(accuracies), float(np.log(joint.sum(axis=1)).sum())


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("epochs", [1, 2, 5, 20])
def test_the_sparse_log_space_form_equals_the_textbook_form(classes, epochs):
    rng = np.random.default_rng([classes, epochs])
    _, *answers = crowd(rng, objects=40, classes=classes, accuracies=[0.9, 0.7, 0.5, 0.8], answers_each=3)
    posterior, accuracy, log_likelihood = textbook(*answers, classes=classes, epochs=epochs)
    got = ground_truth_em(*answers, classes=classes, epochs=epochs, tolerance=0)
    np.testing.assert_allclose(got.posterior, posterior, atol=1e-9)
    np.testing.assert_allclose(got.accuracy, accuracy, atol=1e-9)
    assert got.log_likelihood == pytest.approx(log_likelihood, rel=1e-9)
    assert got.epochs == epochs


def test_it_stops_early_once_the_likelihood_stands_still():
    _, *answers = crowd(np.random.default_rng(3), objects=200, classes=3, accuracies=[0.95] * 3, answers_each=3)
    settled = ground_truth_em(*answers, classes=3, epochs=500)
    assert settled.epochs < 100
    more = ground_truth_em(*answers, classes=3, epochs=settled.epochs + 1, tolerance=0)
    assert abs(more.log_likelihood - settled.log_likelihood) < 1e-7 * abs(settled.log_likelihood)

from __future__ import annotations

import numpy as np
import pytest

from autolabel.consolidation.dawid_skene import Posterior, dawid_skene
from autolabel.consolidation.majority import majority_vote


def crowd(rng, *, objects, classes, accuracies, answers_each):
    """Draw truth and sparse answers of one-coin workers."""
    truth = rng.integers(classes, size=objects)
    object_of = np.repeat(np.arange(objects), answers_each)
    worker_of = np.concatenate([rng.choice(len(accuracies), answers_each, replace=False) for _ in range(objects)])
    right = rng.random(len(object_of)) < np.asarray(accuracies)[worker_of]
    wrong = (truth[object_of] + rng.integers(1, classes, size=len(object_of))) % classes
    return truth, object_of, worker_of, np.where(right, truth[object_of], wrong)


def textbook(objects, workers, labels, *, classes, epochs):
    """The same model in probabilities with one loop an index, straight from its formulas."""
    n, w = max(objects) + 1, max(workers) + 1

    def one_coin(accuracy):
        matrix = np.full((classes, classes), (1 - accuracy) / (classes - 1))
        np.fill_diagonal(matrix, accuracy)
        return matrix

    confusion = [one_coin(0.7) for _ in range(w)]
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
            smoothed = counts[j] + total * one_coin(accuracies[j]) + total / 2 * one_coin(mean_accuracy)
            confusion[j] = smoothed / smoothed.sum(axis=1, keepdims=True)
        mean_accuracy = np.mean(accuracies)
    return Posterior(posterior, np.array(accuracies), float(np.log(joint.sum(axis=1)).sum()), epochs)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("epochs", [1, 2, 5, 20])
def test_the_sparse_log_space_form_equals_the_textbook_form(classes, epochs):
    rng = np.random.default_rng([classes, epochs])
    _, *answers = crowd(rng, objects=40, classes=classes, accuracies=[0.9, 0.7, 0.5, 0.8], answers_each=3)
    expected = textbook(*answers, classes=classes, epochs=epochs)
    got = dawid_skene(*answers, classes=classes, epochs=epochs, tolerance=0)
    np.testing.assert_allclose(got.posterior, expected.posterior, atol=1e-9)
    np.testing.assert_allclose(got.accuracy, expected.accuracy, atol=1e-9)
    assert got.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-9)
    assert got.epochs == epochs


def test_it_learns_who_is_good_and_beats_the_majority():
    accuracies = [0.97, 0.95, 0.4, 0.4, 0.4]
    truth, *answers = crowd(np.random.default_rng(1), objects=600, classes=4, accuracies=accuracies, answers_each=5)
    result = dawid_skene(*answers, classes=4)
    np.testing.assert_allclose(result.accuracy, accuracies, atol=0.06)
    votes = majority_vote(answers[0], answers[2], classes=4)
    assert (result.posterior.argmax(axis=1) == truth).mean() > (votes == truth).mean() + 0.05


def test_a_worker_who_always_says_the_opposite_is_turned_round():
    truth, *answers = crowd(
        np.random.default_rng(2), objects=300, classes=2, accuracies=[0.9, 0.9, 0.9, 0.02], answers_each=4
    )
    result = dawid_skene(*answers, classes=2)
    assert result.accuracy[3] < 0.1
    assert (result.posterior.argmax(axis=1) == truth).mean() > 0.96


def test_unanimous_answers_stay_finite_and_certain():
    objects = np.repeat(np.arange(500), 9)
    workers = np.tile(np.arange(9), 500)
    result = dawid_skene(objects, workers, objects % 3, classes=5)
    assert np.isfinite(result.posterior).all()
    assert np.isfinite(result.log_likelihood)
    assert (result.posterior.argmax(axis=1) == np.arange(500) % 3).all()
    assert result.posterior.max(axis=1).min() > 0.999


def test_many_answers_to_one_object_do_not_underflow():
    workers = np.arange(3000)
    result = dawid_skene(np.zeros(3000, int), workers, (workers % 10 == 0).astype(int), classes=2)
    np.testing.assert_allclose(result.posterior, [[1, 0]], atol=1e-12)


def test_it_stops_early_once_the_likelihood_stands_still():
    _, *answers = crowd(np.random.default_rng(3), objects=200, classes=3, accuracies=[0.95] * 3, answers_each=3)
    settled = dawid_skene(*answers, classes=3, epochs=500)
    assert settled.epochs < 100
    more = dawid_skene(*answers, classes=3, epochs=settled.epochs + 1, tolerance=0)
    assert abs(more.log_likelihood - settled.log_likelihood) < 1e-7 * abs(settled.log_likelihood)


@pytest.mark.parametrize(
    ("objects", "workers", "labels", "classes", "said"),
    [
        ([0], [0], [0], 1, "found 1 classes"),
        ([], [], [], 2, "at least one answer"),
        ([0, 1], [0], [0, 0], 2, "found 2 objects, 1 workers and 2 labels"),
        ([0], [0], [2], 2, "found class 2 to 2, expected 0 to 1"),
        ([0], [0], [-1], 2, "found class -1"),
        ([0, 2], [0, 0], [0, 0], 2, "object numbers with gaps"),
        ([0, -1], [0, 0], [0, 0], 2, "object numbers with gaps or below 0"),
        ([0, 0], [0, 2], [0, 0], 2, "worker numbers with gaps"),
    ],
)
def test_answers_that_the_model_cannot_hold_are_refused(objects, workers, labels, classes, said):
    arrays = (np.array(column, dtype=np.int64) for column in (objects, workers, labels))
    with pytest.raises(ValueError, match=said):
        dawid_skene(*arrays, classes=classes)


def test_a_majority_wins_and_ties_fall_to_the_first_class():
    objects, labels = np.array([0, 0, 0, 1, 1]), np.array([1, 1, 0, 2, 1])
    assert majority_vote(objects, labels, classes=3).tolist() == [1, 1]
    assert majority_vote(objects[:0], labels[:0], classes=3).tolist() == []

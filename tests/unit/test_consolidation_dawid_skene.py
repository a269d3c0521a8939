from __future__ import annotations

import numpy as np
import pytest
from support.crowd import crowd, one_coin

from autolabel.consolidation.dawid_skene import UNKNOWN, dawid_skene
from autolabel.consolidation.ground_truth import ground_truth_em
from autolabel.consolidation.majority import majority, majority_vote

EVERY = pytest.mark.parametrize("consolidate", [dawid_skene, ground_truth_em])


def textbook(objects, workers, labels, *, classes, epochs, one_coin_below, known):
    """The same model in probabilities with one loop an index, straight from its description."""
    n, w = max(objects) + 1, max(workers) + 1
    posterior = np.zeros((n, classes))
    for i, label in zip(objects, labels, strict=True):
        posterior[i, label] += 1
    posterior /= posterior.sum(axis=1, keepdims=True)
    for i, label in known.items():
        posterior[i] = np.eye(classes)[label]
    for _ in range(epochs):
        counts = np.zeros((w, classes, classes))
        for i, j, label in zip(objects, workers, labels, strict=True):
            counts[j][:, label] += posterior[i]
        mean = (sum(np.trace(each) for each in counts) + 1.4) / (len(objects) + 2)
        everybody = counts.sum(axis=0) + classes * one_coin(mean, classes)
        everybody /= everybody.sum(axis=1, keepdims=True)
        confusion = []
        for each in counts:
            coin = one_coin((np.trace(each) + 2 * mean) / (each.sum() + 2), classes)
            rows = each.sum(axis=1, keepdims=True) + classes + 2
            full = (each + classes * coin + 2 * everybody) / rows
            confusion.append(coin if round(each.sum()) < one_coin_below else full)
        share = (posterior.sum(axis=0) + 1) / (n + classes)
        joint = np.tile(share, (n, 1))
        for i, j, label in zip(objects, workers, labels, strict=True):
            joint[i] *= confusion[j][:, label]
        posterior = joint / joint.sum(axis=1, keepdims=True)
        for i, label in known.items():
            posterior[i] = np.eye(classes)[label]
    return posterior, float(np.log(joint.sum(axis=1)).sum())


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("epochs", [1, 2, 10])
@pytest.mark.parametrize("one_coin_below", [0, 30, 1000])
@pytest.mark.parametrize("known", [{}, {0: 1, 7: 0, 39: 1}])
def test_the_sparse_log_space_form_equals_the_textbook_form(classes, epochs, one_coin_below, known):
    rng = np.random.default_rng([classes, epochs])
    _, *answers = crowd(rng, objects=40, classes=classes, accuracies=[0.9, 0.7, 0.5, 0.8], answers_each=3)
    posterior, log_likelihood = textbook(
        *answers, classes=classes, epochs=epochs, one_coin_below=one_coin_below, known=known
    )
    told = np.array([known.get(number, UNKNOWN) for number in range(40)])
    got = dawid_skene(*answers, classes=classes, epochs=epochs, one_coin_below=one_coin_below, known=told, tolerance=-1)
    np.testing.assert_allclose(got.posterior, posterior, atol=1e-9)
    assert got.log_likelihood == pytest.approx(log_likelihood, rel=1e-9)
    assert got.epochs == epochs
    np.testing.assert_allclose(got.confusion.sum(axis=1), 1)


@EVERY
def test_it_learns_who_is_good_and_beats_the_majority(consolidate):
    accuracies = [0.97, 0.95, 0.4, 0.4, 0.4]
    truth, *answers = crowd(np.random.default_rng(1), objects=600, classes=4, accuracies=accuracies, answers_each=5)
    result = consolidate(*answers, classes=4)
    np.testing.assert_allclose(result.accuracy, accuracies, atol=0.06)
    votes = majority_vote(answers[0], answers[2], classes=4)
    assert (result.posterior.argmax(axis=1) == truth).mean() > (votes == truth).mean() + 0.05


@EVERY
def test_a_worker_who_always_says_the_opposite_is_turned_round(consolidate):
    truth, *answers = crowd(
        np.random.default_rng(2), objects=300, classes=2, accuracies=[0.9, 0.9, 0.9, 0.02], answers_each=4
    )
    result = consolidate(*answers, classes=2)
    assert result.accuracy[3] < 0.1
    assert (result.posterior.argmax(axis=1) == truth).mean() > 0.96


@EVERY
def test_unanimous_answers_stay_finite_and_certain(consolidate):
    objects = np.repeat(np.arange(500), 9)
    workers = np.tile(np.arange(9), 500)
    result = consolidate(objects, workers, objects % 3, classes=5)
    assert np.isfinite(result.posterior).all()
    assert np.isfinite(result.log_likelihood)
    assert (result.posterior.argmax(axis=1) == np.arange(500) % 3).all()
    assert result.posterior.max(axis=1).min() > 0.999


@EVERY
def test_many_answers_to_one_object_do_not_underflow(consolidate):
    workers = np.arange(3000)
    result = consolidate(np.zeros(3000, int), workers, (workers % 10 == 0).astype(int), classes=2)
    np.testing.assert_allclose(result.posterior, [[1, 0]], atol=1e-12)


def test_a_mistake_that_everybody_makes_is_learned_and_not_taken_for_truth():
    # Three in four truly relevant pages are called irrelevant by everybody; few pages are relevant.
    rng = np.random.default_rng(5)
    truth = (rng.random(3000) < 0.3).astype(int)
    objects, workers = np.repeat(np.arange(3000), 5), np.tile(np.arange(5), 3000)
    said = np.where(truth[objects] == 1, rng.random(15000) < 0.55, rng.random(15000) < 0.02).astype(int)
    right = (dawid_skene(objects, workers, said, classes=2).posterior.argmax(axis=1) == truth).mean()
    assert right > (majority_vote(objects, said, classes=2) == truth).mean() + 0.05


def test_gold_says_who_is_good_where_answers_alone_cannot():
    # Two against two: nothing but the known objects tells who is right.
    rng = np.random.default_rng(6)
    truth = rng.integers(2, size=200)
    objects, workers = np.repeat(np.arange(200), 2), np.tile([0, 1], 200)
    said = np.where(workers == 0, truth[objects], 1 - truth[objects])
    known = np.where(np.arange(200) < 30, truth, UNKNOWN)
    result = dawid_skene(objects, workers, said, classes=2, known=known)
    assert (result.posterior.argmax(axis=1) == truth).all()
    assert result.accuracy[0] > 0.9
    assert result.accuracy[1] < 0.1


def test_a_prior_decides_where_answers_are_even_and_yields_where_they_are_many():
    prior = np.array([[0.2, 0.8], [0.0, 0.0], [0.9, 0.1]])
    objects = np.array([0, 0, 1, 1, 2, 2, 2, 2, 2])
    workers = np.array([0, 1, 0, 1, 0, 1, 2, 3, 4])
    labels = np.array([0, 1, 1, 1, 1, 1, 1, 1, 1])
    found = dawid_skene(objects, workers, labels, classes=2, prior=prior).posterior
    assert found[0, 1] > 0.6
    assert found[1, 1] > 0.9
    assert found[2, 1] > 0.9


@EVERY
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
def test_answers_that_the_model_cannot_hold_are_refused(consolidate, objects, workers, labels, classes, said):
    arrays = (np.array(column, dtype=np.int64) for column in (objects, workers, labels))
    with pytest.raises(ValueError, match=said):
        consolidate(*arrays, classes=classes)


def test_a_majority_wins_and_ties_fall_to_the_first_class():
    objects, labels = np.array([0, 0, 0, 1, 1]), np.array([1, 1, 0, 2, 1])
    assert majority_vote(objects, labels, classes=3).tolist() == [1, 1]
    assert majority_vote(objects[:0], labels[:0], classes=3).tolist() == []


def test_a_majority_is_believed_as_much_as_it_has_votes():
    found = majority(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0]), np.array([1, 1, 0, 2]), classes=3)
    np.testing.assert_allclose(found.posterior, [[1 / 3, 2 / 3, 0], [0, 0, 1]])
    np.testing.assert_allclose(found.accuracy, [(2 / 3 + 1) / 2, 2 / 3, 1 / 3])

from __future__ import annotations

import numpy as np
import pytest

from autolabel.consolidation.one_by_one import Answered, consolidate_one_by_one

NOBODY = Answered(np.empty(0, np.int64), np.empty(0, "<U1"), np.empty(0, np.int64))


def answered(rows):
    objects, workers, labels = zip(*rows, strict=True)
    return Answered(np.asarray(objects), np.asarray(workers), np.asarray(labels))


def crowd(objects, workers, accuracy, classes, rng, per_object=3, first=0):
    """Answers of workers of given accuracies who err uniformly, and the truth of each object."""
    truth = rng.integers(classes, size=objects)
    rows = [
        (first + number, f"w{worker}", truth[number] if rng.random() < accuracy[worker]
         else (truth[number] + rng.integers(1, classes)) % classes)
        for number in range(objects)
        for worker in rng.choice(workers, per_object, replace=False)
    ]  # fmt: skip
    return answered(rows), truth


def test_no_objects_class_depends_on_another_objects_answers():
    rng = np.random.default_rng(0)
    accuracy = rng.uniform(0.4, 0.95, 8)
    settled, truth = crowd(60, 8, accuracy, 4, rng)
    audit, _ = crowd(50, 8, accuracy, 4, rng, first=1_000)
    together = consolidate_one_by_one(audit, settled, truth[settled.objects], classes=4)
    for number in np.unique(audit.objects):
        own = audit.objects == number
        alone = consolidate_one_by_one(
            Answered(audit.objects[own], audit.workers[own], audit.labels[own]), settled, truth[settled.objects],
            classes=4,
        )  # fmt: skip
        place = np.searchsorted(together.objects, number)
        assert (alone.labels[0], alone.confidence[0]) == (together.labels[place], together.confidence[place])


def test_a_worker_who_was_found_good_outweighs_two_who_were_found_bad():
    settled = answered(
        [(n, "good", n % 2) for n in range(20)] + [(n, w, (n + n // 2) % 2) for w in "ab" for n in range(20)]
    )
    truth = settled.objects % 2
    audit = answered([(99, "good", 1), (99, "a", 0), (99, "b", 0)])
    assert consolidate_one_by_one(audit, settled, truth, classes=2).labels.tolist() == [1]
    strangers = answered([(99, "x", 1), (99, "y", 0), (99, "z", 0)])
    assert consolidate_one_by_one(strangers, settled, truth, classes=2).labels.tolist() == [0]


def test_without_anything_settled_the_majority_decides_and_ties_fall_to_the_first_class():
    audit = answered([(5, "a", 2), (5, "b", 2), (5, "c", 0), (7, "a", 1), (7, "b", 0), (9, "a", 2)])
    found = consolidate_one_by_one(audit, NOBODY, np.empty(0, np.int64), classes=3)
    assert found.objects.tolist() == [5, 7, 9]
    assert found.labels.tolist() == [2, 0, 2]
    assert found.confidence[2] == 0.0
    assert 0 < found.confidence[1] <= 0.5 < found.confidence[0] <= 0.95


def test_the_probabilities_are_bayes_rule_over_smoothed_matrices():
    """By hand, for two classes and one settled worker."""
    settled = answered([(0, "a", 0), (1, "a", 0), (2, "a", 1), (3, "a", 0)])
    truth = np.asarray([0, 0, 1, 1])
    accuracy = (3 + 2 * 0.7) / (4 + 2)
    own = (3 + 2 * accuracy) / (4 + 2)

    def coin(right):
        return np.asarray([[right, 1 - right], [1 - right, right]])

    counts = np.asarray([[2, 0], [1, 1]])
    pooled = counts + 2 * coin(accuracy)
    pooled /= pooled.sum(axis=1, keepdims=True)
    a = (counts + 2 * pooled + 2 * coin(own)) / (counts.sum(axis=1, keepdims=True) + 4)
    stranger = (2 * pooled + 2 * coin(accuracy)) / 4
    prior = np.asarray([3, 3]) / 6
    posterior = prior * a[:, 0] * stranger[:, 1]
    audit = answered([(8, "a", 0), (8, "new", 1)])
    found = consolidate_one_by_one(audit, settled, truth, classes=2)
    assert found.labels[0] == posterior.argmax()
    assert found.confidence[0] == pytest.approx(posterior.max() / posterior.sum())


def test_knowing_the_workers_is_worth_more_than_the_majority():
    rng = np.random.default_rng(3)
    accuracy = np.asarray([0.95, 0.9, 0.4, 0.35, 0.5, 0.45])
    settled, truth = crowd(200, 6, accuracy, 3, rng)
    audit, wanted = crowd(400, 6, accuracy, 3, rng)
    found = consolidate_one_by_one(audit, settled, truth[settled.objects], classes=3)
    votes = np.zeros((400, 3))
    np.add.at(votes, (audit.objects, audit.labels), 1)
    assert (found.labels == wanted).mean() > (votes.argmax(axis=1) == wanted).mean() + 0.1


def test_nothing_to_label_is_nothing():
    found = consolidate_one_by_one(NOBODY, NOBODY, np.empty(0, np.int64), classes=2)
    assert len(found.objects) == len(found.labels) == len(found.confidence) == 0

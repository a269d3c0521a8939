from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.crowd import crowd

from autolabel.consolidation.agreement import agreement
from autolabel.consolidation.workers import worker_quality

# K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), example C: four observers, twelve units.
OBSERVERS = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def units():
    """What each of the four said of the twelve; a dot is missing."""
    said = [(unit, int(sign)) for row in OBSERVERS for unit, sign in enumerate(row) if sign != "."]
    objects, labels = zip(*said, strict=True)
    return np.array(objects), np.array(labels)


def test_alpha_of_the_published_example():
    found = agreement(*units())
    assert found.alpha == pytest.approx(0.743, abs=5e-4)
    assert found.objects == 11


def pair_by_pair(objects, labels):
    """Alpha and agreement from every pair of answers, one loop a sum."""
    by_object = {}
    for number, label in zip(objects, labels, strict=True):
        by_object.setdefault(number, []).append(label)
    several = [said for said in by_object.values() if len(said) > 1]
    equal = pairs = 0
    weighed = total = 0.0
    for said in several:
        for one, other in combinations(said, 2):
            equal += one == other
            pairs += 1
            weighed += 2 * (one != other) / (len(said) - 1)
        total += len(said)
    every = [label for said in several for label in said]
    expected = sum(one != other for one, other in combinations(every, 2)) / max(1, len(every) * (len(every) - 1) / 2)
    return equal / pairs, 1 - (weighed / total) / expected if expected else 1.0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3)), min_size=1, max_size=40))
def test_figures_equal_those_of_every_pair_of_answers(answers):
    objects, labels = map(np.array, zip(*answers, strict=True))
    found = agreement(objects, labels)
    if found.objects == 0:
        assert (found.pairwise, found.alpha) == (1.0, 1.0)
        return
    pairwise, alpha = pair_by_pair(objects.tolist(), labels.tolist())
    assert found.pairwise == pytest.approx(pairwise)
    assert found.alpha == pytest.approx(alpha)


def test_guessing_has_an_alpha_of_none_and_unanimity_of_one():
    rng = np.random.default_rng(0)
    objects = np.repeat(np.arange(4000), 3)
    assert abs(agreement(objects, rng.integers(0, 4, 12000)).alpha) < 0.03
    assert agreement(objects, objects % 4).alpha == 1.0


def test_workers_are_judged_by_the_crowd_and_by_gold():
    accuracies = [0.95, 0.9, 0.8, 0.3]
    truth, objects, workers, labels = crowd(
        np.random.default_rng(4), objects=500, classes=4, accuracies=accuracies, answers_each=3
    )
    names = np.array(["ann", "bob", "cid", "dan"])
    known = {number: int(truth[number]) for number in range(0, 500, 5)} | {9999: 0}
    found = worker_quality(objects, names[workers], labels, classes=4, known=known)
    assert found.people.tolist() == names.tolist()
    np.testing.assert_allclose(found.accuracy, accuracies, atol=0.06)
    assert found.answers.sum() == 1500
    for place in range(4):
        mine = (workers == place) & (objects % 5 == 0)
        assert found.gold[place] == mine.sum()
        assert found.gold_right[place] == (labels[mine] == truth[objects[mine]]).sum()
    shares = found.agreed / found.compared
    assert shares[:3].min() > shares[3]


def test_agreement_with_the_others_leaves_the_own_answer_out():
    # Objects: all equal; two against one; one against one; alone; three classes.
    answers = [
        (0, "a", 1), (0, "b", 1), (0, "c", 1),
        (1, "a", 1), (1, "b", 1), (1, "c", 2),
        (2, "a", 0), (2, "b", 1),
        (3, "a", 2),
        (4, "a", 0), (4, "b", 1), (4, "c", 2),
    ]  # fmt: skip
    objects, workers, labels = (np.array(column) for column in zip(*answers, strict=True))
    found = worker_quality(objects, workers, labels, classes=3, known={})
    assert found.compared.tolist() == [4, 4, 3]
    # In object 1 `a` meets one vote for 1 and one for 2: a tie is agreement. In 2 and 4 nobody else says the same.
    assert found.agreed.tolist() == [2, 2, 1]

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autolabel.consolidation.classes import consolidate_classes
from autolabel.consolidation.dawid_skene import dawid_skene

CLASSES = 4


@st.composite
def answer_sheets(draw):
    """Answers with at most one of a worker to an object, in any order."""
    pairs = draw(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6)), min_size=1, max_size=60, unique=True))
    labels = draw(st.lists(st.integers(0, CLASSES - 1), min_size=len(pairs), max_size=len(pairs)))
    objects, workers = np.array(pairs).T
    return objects, workers, np.array(labels)


def consolidate(objects, workers, labels):
    return consolidate_classes(objects, workers, labels, classes=CLASSES)


@settings(deadline=None)
@given(answer_sheets(), st.randoms(use_true_random=False))
def test_the_order_of_the_answers_changes_nothing_not_even_a_bit(sheet, random):
    order = list(range(len(sheet[0])))
    random.shuffle(order)
    one, other = consolidate(*sheet), consolidate(*(column[order] for column in sheet))
    np.testing.assert_array_equal(one.objects, other.objects)
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.confidence, other.confidence)


@settings(deadline=None)
@given(answer_sheets(), st.permutations(range(7)), st.permutations(range(13)))
def test_renaming_workers_and_objects_changes_no_label(sheet, workers, objects):
    one = consolidate(*sheet)
    other = consolidate(np.array(objects)[sheet[0]], np.array(workers)[sheet[1]], sheet[2])
    place = np.searchsorted(other.objects, np.array(objects)[one.objects])
    np.testing.assert_array_equal(one.labels, other.labels[place])
    np.testing.assert_allclose(one.confidence, other.confidence[place], atol=1e-9)


@settings(deadline=None)
@given(answer_sheets(), st.permutations(range(CLASSES)))
def test_renaming_classes_renames_the_posterior(sheet, renamed):
    dense = [np.unique(column, return_inverse=True)[1] for column in sheet[:2]]
    one = dawid_skene(*dense, sheet[2], classes=CLASSES).posterior
    other = dawid_skene(*dense, np.array(renamed)[sheet[2]], classes=CLASSES).posterior
    np.testing.assert_allclose(one, other[:, renamed], atol=1e-6)


@settings(deadline=None)
@given(answer_sheets())
def test_every_answered_object_gets_one_class_and_a_confidence_in_range(sheet):
    result = consolidate(*sheet)
    np.testing.assert_array_equal(result.objects, np.unique(sheet[0]))
    assert ((result.labels >= 0) & (result.labels < CLASSES)).all()
    assert ((result.confidence >= 0) & (result.confidence <= 0.95)).all()
    alone = np.array([(sheet[0] == number).sum() == 1 for number in result.objects])
    assert (result.confidence[alone] == 0).all()
    assert (result.confidence[~alone] > 1 / CLASSES - 1e-9).all()


@settings(deadline=None)
@given(answer_sheets(), st.integers(1, 3))
def test_repeating_answers_changes_nothing(sheet, times):
    one, other = consolidate(*sheet), consolidate(*(np.tile(column, times) for column in sheet))
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.confidence, other.confidence)

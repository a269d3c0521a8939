from __future__ import annotations

import numpy as np
import pytest

from autolabel.consolidation.classes import Consolidation, consolidate_classes

EVERY = pytest.mark.parametrize("method", list(Consolidation))


def consolidated(answers, classes=3, method=Consolidation.DAWID_SKENE):
    objects, workers, labels = (np.array(column) for column in zip(*answers, strict=True))
    result = consolidate_classes(objects, workers, labels, classes=classes, method=method)
    return {
        number: (label, round(confidence, 2))
        for number, label, confidence in zip(
            result.objects.tolist(), result.labels.tolist(), result.confidence.tolist(), strict=True
        )
    }


@EVERY
def test_confidence_never_exceeds_the_services_cap(method):
    answers = [(number, worker, number % 3) for number in range(30) for worker in "abcde"]
    assert consolidated(answers, method=method) == {number: (number % 3, 0.95) for number in range(30)}


@EVERY
def test_one_against_one_falls_to_the_first_class_at_even_odds(method):
    assert consolidated([(5, "a", 1), (5, "b", 0)], classes=2, method=method) == {5: (0, 0.5)}
    label, confidence = consolidated([(5, "a", 2), (5, "b", 0)], classes=3, method=method)[5]
    assert label == 0
    # Pooled: two answers that contradict one another also say that people err, and that it may be the third.
    assert confidence == (0.42 if method is Consolidation.DAWID_SKENE else 0.5)


@EVERY
def test_an_object_with_one_answer_keeps_it_among_objects_with_several(method):
    answers = [(number, worker, number % 2) for number in range(20) for worker in "abc"]
    answers += [(number, "liar", 1 - number % 2) for number in range(20)]
    assert consolidated([*answers, (99, "liar", 1)], classes=2, method=method)[99] == (1, 0.0)


@EVERY
def test_of_two_answers_of_one_worker_to_one_object_the_first_counts(method):
    once = [(0, "a", 1), (0, "b", 1), (1, "a", 0), (1, "b", 0)]
    more = [*once, (0, "a", 1), (0, "a", 0), (1, "b", 2)]
    assert consolidated(more, method=method) == consolidated(once, method=method)
    assert consolidated([(0, "a", 1), (0, "a", 2)], method=method) == {0: (1, 0.0)}


def test_no_answers_give_no_objects():
    empty = np.array([], dtype=np.int64)
    result = consolidate_classes(empty, np.array([], dtype=str), empty, classes=2)
    assert len(result.objects) == len(result.labels) == len(result.confidence) == 0


def test_a_label_that_is_no_class_is_refused():
    with pytest.raises(ValueError, match="found class 0 to 7, expected 0 to 2"):
        consolidated([(0, "a", 0), (0, "b", 7)])
    with pytest.raises(ValueError, match="found class 7 to 7"):
        consolidated([(0, "a", 7)])

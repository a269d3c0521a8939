from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autolabel.consolidation.classes import Consolidation, consolidate_classes
from autolabel.job.belief import DOUBT, belief_arrays, belief_from, believed


@settings(deadline=None)
@given(st.integers(2, 6), st.integers(0, 5), st.floats(0, 1), st.integers(0, 2**16))
def test_a_belief_is_a_distribution_that_rules_nothing_out(classes, predicted, error, seed):
    head = np.random.default_rng(seed).dirichlet(np.full(classes, 0.2), 1).astype(np.float32)
    rows = believed(head, np.array([predicted % classes]), np.array([error]))
    assert rows.sum() == pytest.approx(1, abs=1e-5)
    assert rows.min() >= DOUBT / classes - 1e-6
    assert rows[0, predicted % classes] == pytest.approx((1 - DOUBT) * (1 - error) + DOUBT / classes, abs=1e-5)


def test_the_other_classes_share_the_error_as_the_head_has_it():
    rows = believed(np.array([[0.5, 0.3, 0.1, 0.1]]), np.array([1]), np.array([0.4]))
    np.testing.assert_allclose(
        rows[0], (1 - DOUBT) * np.array([0.4 * 5 / 7, 0.6, 0.4 / 7, 0.4 / 7]) + DOUBT / 4, atol=1e-6
    )


def test_a_head_that_is_certain_leaves_the_other_classes_the_error_evenly():
    rows = believed(np.array([[1.0, 0.0, 0.0]]), np.array([0]), np.array([0.3]))
    np.testing.assert_allclose(rows[0], (1 - DOUBT) * np.array([0.7, 0.15, 0.15]) + DOUBT / 3, atol=1e-6)


def test_a_belief_survives_being_written_as_arrays():
    belief = {7: np.array([0.1, 0.9], np.float32), 3: np.array([0.5, 0.5], np.float32)}
    back = belief_from(belief_arrays(belief))
    assert list(back) == [7, 3]
    assert all(np.array_equal(back[number], belief[number]) for number in belief)
    assert belief_from(belief_arrays({})) == {}


def consolidated(answers, prior):
    objects, workers, labels = (np.array(column) for column in zip(*answers, strict=True))
    found = consolidate_classes(objects, workers, labels, classes=3, prior=prior)
    return dict(zip(found.objects.tolist(), found.labels.tolist(), strict=True))


def test_a_prior_decides_between_people_and_never_names_a_class_that_nobody_named():
    crowd = [(number, who, number % 3) for number in range(30) for who in "abc"]
    split, agreed, single = 100, 101, 102
    answers = [*crowd, (split, "a", 0), (split, "b", 1), (agreed, "a", 0), (agreed, "b", 0), (single, "a", 0)]
    for favourite, expected in ((0, {0}), (1, {1}), (2, {0, 1})):
        sure = np.full(3, 0.02)
        sure[favourite] = 0.96
        found = consolidated(answers, {split: sure, agreed: sure, single: sure})
        assert found[split] in expected
        assert found[agreed] == found[single] == 0


def test_objects_without_a_prior_are_labeled_as_ever():
    answers = [(number, who, number % 3) for number in range(30) for who in "abc"]
    answers += [(number, "a", (number + 1) % 3) for number in range(30, 40)]
    answers += [(number, who, number % 3) for number in range(30, 40) for who in "bc"]
    plain, voted = consolidated(answers, None), consolidated(answers, {0: np.array([0.1, 0.1, 0.8])})
    assert plain == voted


@pytest.mark.parametrize("method", [Consolidation.MAJORITY, Consolidation.GROUND_TRUTH])
def test_other_consolidations_take_no_prior(method):
    objects, workers, labels = np.array([0, 0]), np.array(["a", "b"]), np.array([0, 1])
    with pytest.raises(ValueError, match="takes no prior"):
        consolidate_classes(objects, workers, labels, classes=2, method=method, prior={0: np.array([0.5, 0.5])})

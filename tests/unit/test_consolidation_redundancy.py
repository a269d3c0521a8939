from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.crowd import one_coin

from autolabel.consolidation.redundancy import Redundancy, first_answers, worth_asking


def least_cost(belief, confusion, left, price, error_value):
    """Expected cost of labeling now and of asking first, by trying every sequence of answers."""
    now = error_value * (1 - max(belief))
    if left == 0:
        return now, np.inf
    asking = price
    for answer in range(len(belief)):
        chance = belief @ confusion[:, answer]
        if chance > 0:
            after = belief * confusion[:, answer] / chance
            asking += chance * min(least_cost(after, confusion, left - 1, price, error_value))
    return now, asking


def asks(belief, confusion, left, price, error_value):
    found = worth_asking(np.array([belief]), confusion, np.array([left]), price=price, error_value=error_value)
    return bool(found[0])


@st.composite
def situations(draw):
    classes = draw(st.integers(2, 4))
    weights = st.lists(st.floats(0.01, 1), min_size=classes, max_size=classes)
    belief = np.array(draw(weights))
    confusion = np.array([draw(weights) for _ in range(classes)]) + 2 * np.eye(classes)
    left = draw(st.integers(1, 6 - classes + 1))
    price = draw(st.sampled_from([0.001, 0.01, 0.03, 0.1]))
    return belief / belief.sum(), confusion / confusion.sum(axis=1, keepdims=True), left, price


@settings(deadline=None, max_examples=200)
@given(situations())
def test_backward_induction_decides_as_trying_every_sequence_of_answers_does(situation):
    belief, confusion, left, price = situation
    now, asking = least_cost(belief, confusion, left, price, 1.0)
    if abs(now - asking) > 1e-9:
        assert asks(belief, confusion, left, price, 1.0) == (asking < now)


def test_two_more_answers_are_worth_asking_for_where_one_could_not_overturn_the_label():
    belief, confusion = [0.9, 0.1], one_coin(0.8, 2)
    # One answer against it leaves the first class ahead at 9 to 4.
    assert not asks(belief, confusion, 1, 0.01, 1.0)
    assert asks(belief, confusion, 3, 0.01, 1.0)


def test_a_sure_label_is_never_worth_an_answer_and_an_unsure_one_is():
    confusion = one_coin(0.9, 3)
    assert not asks([1, 0, 0], confusion, 7, 0.01, 1.0)
    assert not asks([0.9999, 0.0001, 0], confusion, 7, 0.01, 1.0)
    assert asks([0.5, 0.5, 0], confusion, 7, 0.01, 1.0)
    assert not asks([0.5, 0.5, 0], confusion, 0, 0.01, 1.0)


def test_people_who_guess_are_not_worth_their_price():
    assert not asks([0.5, 0.5], one_coin(0.5, 2), 9, 0.001, 1.0)


def test_a_dearer_answer_is_never_asked_where_a_cheaper_one_is_not():
    rng = np.random.default_rng(0)
    belief = rng.dirichlet(np.ones(5), 300)
    left = rng.integers(0, 10, 300)
    before = np.ones(300, bool)
    for price in (0.0, 0.001, 0.01, 0.05, 0.2, 1.0):
        now = worth_asking(belief, one_coin(0.8, 5), left, price=price, error_value=1.0)
        assert not (now & ~before).any()
        before = now
    assert not before.any()


def test_more_answers_left_never_make_an_answer_less_worth_asking_for():
    rng = np.random.default_rng(1)
    belief = rng.dirichlet(np.ones(3), 200)
    before = np.zeros(200, bool)
    for left in range(1, 10):
        now = worth_asking(belief, one_coin(0.75, 3), np.full(200, left), price=0.02, error_value=1.0)
        assert not (before & ~now).any()
        before = now


def test_many_classes_are_decided_by_the_most_probable_ones_wherever_they_stand():
    # What is beyond the third class has no probability, so three classes are all there is.
    rng = np.random.default_rng(2)
    small, left = rng.dirichlet(np.ones(3), 100), np.full(100, 5)
    large = np.zeros((100, 60))
    places = rng.permutation(60)[:3]
    large[:, places] = small
    confusion = np.eye(60) * 0.3
    confusion[np.ix_(places, places)] = one_coin(0.8, 3)
    rest = np.setdiff1d(np.arange(60), places)
    confusion[np.ix_(rest, rest)] += 0.7 / 57
    np.testing.assert_allclose(confusion.sum(axis=1), 1)
    np.testing.assert_array_equal(
        worth_asking(large, confusion, left, price=0.02, error_value=1.0),
        worth_asking(small, one_coin(0.8, 3), left, price=0.02, error_value=1.0),
    )


def test_objects_are_decided_one_by_one():
    rng = np.random.default_rng(3)
    belief, left = rng.dirichlet(np.ones(10) / 3, 2500), rng.integers(0, 8, 2500)
    confusion = one_coin(0.8, 10)
    together = worth_asking(belief, confusion, left, price=0.02, error_value=1.0)
    assert 0.1 < together.mean() < 0.9
    some = rng.permutation(2500)[:50]
    alone = [asks(belief[place], confusion, left[place], 0.02, 1.0) for place in some]
    assert together[some].tolist() == alone


def test_adaptive_redundancy_begins_with_two_answers_and_fixed_with_all():
    assert [first_answers(most, Redundancy.ADAPTIVE) for most in (1, 2, 3, 9)] == [1, 2, 2, 2]
    assert [first_answers(most, Redundancy.FIXED) for most in (1, 2, 3, 9)] == [1, 2, 3, 9]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"confusion": np.eye(3)}, r"confusion matrix of shape \(3, 3\)"),
        ({"left": np.array([1, 1])}, r"\(2,\) answers left"),
        ({"left": np.array([-1])}, "found -1 to -1 answers left"),
        ({"left": np.array([10])}, "found 10 to 10 answers left"),
        ({"price": -1.0}, "found the price -1.0"),
        ({"error_value": float("nan")}, "error value nan"),
    ],
)
def test_numbers_out_of_range_are_refused(change, said):
    facts = {"posterior": np.array([[0.5, 0.5]]), "confusion": np.eye(2), "left": np.array([1]), "price": 0.1}
    with pytest.raises(ValueError, match=said):
        worth_asking(**({**facts, "error_value": 1.0} | change))

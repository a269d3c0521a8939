from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, hypergeom

from autolabel.quality.reference import (
    Measured,
    MeasuredReference,
    Method,
    measure_gold,
    measure_repeats,
    sentence,
)


@pytest.mark.parametrize(("population", "measured"), [(8, 3), (12, 12), (12, 5), (20, 1), (7, 0)])
@pytest.mark.parametrize("delta", [0.05, 0.2, 0.6])
def test_the_gold_interval_holds_as_often_as_it_says_whatever_the_number_of_wrong_labels(population, measured, delta):
    for wrong in range(population + 1):
        missed = 0.0
        for seen in range(measured + 1):
            chance = math.comb(wrong, seen) * math.comb(population - wrong, measured - seen)
            if chance:
                found = measure_gold(population, measured, seen, delta)
                missed += chance * (not found.low <= wrong <= found.high)
        assert missed / math.comb(population, measured) <= delta + 1e-12


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.data())
def test_the_gold_interval_inverts_the_hypergeometric_tails(population, data):
    measured = data.draw(st.integers(0, population))
    seen = data.draw(st.integers(0, measured))
    delta = data.draw(st.sampled_from([0.01, 0.05, 0.1]))
    found = measure_gold(population, measured, seen, delta)
    marked = np.arange(population + 1)
    possible = (marked >= seen) & (population - marked >= measured - seen)
    at_least = hypergeom.sf(seen - 1, population, marked, measured) > delta / 2 + 1e-9
    at_most = hypergeom.cdf(seen, population, marked, measured) > delta / 2 + 1e-9
    believed = marked[possible & at_least & at_most]
    assert found.low <= believed.min()
    assert found.high >= believed.max()
    doubtful = marked[
        possible
        & (hypergeom.sf(seen - 1, population, marked, measured) > delta / 2 - 1e-9)
        & (hypergeom.cdf(seen, population, marked, measured) > delta / 2 - 1e-9)
    ]
    assert found.low >= doubtful.min()
    assert found.high <= doubtful.max()


def test_everything_measured_leaves_no_doubt_and_nothing_measured_leaves_all():
    assert measure_gold(30, 30, 4, 0.05) == Measured(30, 30, 4, 4, 4)
    assert measure_gold(30, 0, 0, 0.05) == Measured(30, 0, 0, 0, 30)
    assert measure_repeats(30, 0, 0, 0.05).high == 30


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 300), st.data())
def test_the_repeats_interval_is_half_and_whole_of_clopper_and_pearsons(measured, data):
    seen = data.draw(st.integers(0, measured))
    found = measure_repeats(1000, measured, seen, 0.05)
    theirs = binomtest(seen, measured).proportion_ci(0.95, "exact")
    low, high = min(theirs.low, max(0, (seen - 1) / measured)), max(theirs.high, min(1, (seen + 1) / measured))
    assert found.low == pytest.approx(500 * low, abs=1e-6)
    assert found.high == pytest.approx(1000 * high, abs=1e-6)


def panels(rng, objects, least_right):
    """Chances of each class of 4 an object, the truth's at least `least_right`; the truth is class 0."""
    right = rng.uniform(least_right, 1, objects)
    others = rng.dirichlet(np.full(3, 0.4), objects) * (1 - right)[:, None]
    return np.column_stack([right, others])


@pytest.mark.parametrize("least_right", [0.5, 0.8])
@pytest.mark.parametrize("measured", [1, 2, 15, 120])
def test_the_repeats_interval_holds_for_people_who_are_right_more_often_than_not(least_right, measured):
    rng = np.random.default_rng([measured, int(10 * least_right)])
    chances = panels(rng, 200, least_right)
    wrong = float((1 - chances[:, 0]).sum())
    missed, runs = 0, 2000
    summed = chances.cumsum(axis=1)
    for _ in range(runs):
        drawn = summed[rng.choice(200, measured, replace=False)]
        first, second = ((rng.random((measured, 1)) > drawn[:, :-1]).sum(axis=1) for _ in range(2))
        found = measure_repeats(200, measured, int((first != second).sum()), 0.1)
        missed += not found.low <= wrong <= found.high
    assert missed <= 0.1 * runs


def test_disagreement_is_between_peoples_error_and_twice_of_it():
    rng = np.random.default_rng(0)
    chances = panels(rng, 5000, 0.5)
    error, disagree = 1 - chances[:, 0], 1 - (chances**2).sum(axis=1)
    assert (disagree / 2 <= error + 1e-12).all()
    assert (error <= disagree + 1e-12).all()
    misled = panels(rng, 5000, 0.0)
    error, disagree = 1 - misled[:, 0], 1 - (misled**2).sum(axis=1)
    assert (disagree / 2 <= error + 1e-12).all()
    assert (error > disagree).any()


def made(method=Method.GOLD, **changes):
    facts = {"labels": 1000, "parts": (measure_gold(1000, 100, 3, 0.05),), "confidence": 0.95}
    return MeasuredReference(method=method, machine_wrong_at_most=40, **(facts | changes))


def test_wrong_labels_add_up_and_never_exceed_the_labels_there_are():
    found = made()
    assert found.wrong_at_most == 40 + found.parts[0].high
    assert made(tipped=7).wrong_at_most == found.wrong_at_most + 7
    assert made(parts=(measure_gold(1000, 1, 1, 0.05),)).wrong_at_most == 1000


def test_the_sum_bounds_the_errors_of_any_delivered_set_against_any_truth():
    # The inequality itself: machine labels equal their reference or differ from it, people's are their reference.
    rng = np.random.default_rng(3)
    for _ in range(300):
        truth, reference, machine = rng.integers(0, 3, (3, 50))
        by_machine = rng.random(50) < 0.6
        delivered = np.where(by_machine, machine, reference)
        against_reference = int((delivered != reference).sum())
        wrong_references = int((reference != truth).sum())
        whole = measure_gold(50, 50, wrong_references, 0.05)
        found = made(labels=50, parts=(whole,), confidence=0.95)
        assert (delivered != truth).sum() <= against_reference + wrong_references
        assert (delivered != truth).sum() <= against_reference + found.parts[0].high


def test_the_sentence_says_what_was_seen_the_inequality_and_the_sum():
    text = sentence(made())
    assert text.startswith(
        "People's labels were wrong on 3 of 100 gold objects: between 0.7 % and 8.2 % of all are wrong"
    )
    assert "Wrong against the truth ≤ wrong against people's labels + people's own errors" in text
    assert "at most 40 + 82 = 122 of 1,000 labels (12.2 %), with 92.5 % confidence." in text
    assert "model" not in text
    assert "+ 7 labels that the model's vote decided: at most 40 + 82 + 7 = 129 of" in sentence(made(tipped=7))
    repeated = sentence(made(Method.REPEATS, parts=(measure_repeats(1000, 100, 6, 0.05),)))
    assert repeated.startswith(
        "Two panels of people disagreed about 6 of 100 repeated objects: between 1.1 % and 12.6 %"
    )
    assert "if no object misleads most people" in repeated


def test_json_holds_every_number_that_the_sentence_says():
    facts = made().to_json()
    assert facts["method"] == "gold"
    assert (facts["measured"], facts["differing"], facts["wrong_at_most"]) == (100, 3, 122)
    assert facts["sentence"] == sentence(made())


@pytest.mark.parametrize(
    "numbers", [(10, 11, 0, 0.05), (10, 5, 6, 0.05), (10, 5, -1, 0.05), (10, 5, 1, 0), (10, 5, 1, 1)]
)
def test_numbers_that_no_sample_has_are_refused(numbers):
    for measure in (measure_gold, measure_repeats):
        with pytest.raises(ValueError, match="found"):
            measure(*numbers)

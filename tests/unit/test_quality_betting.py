from __future__ import annotations

import json
from itertools import pairwise, product

import numpy as np
import pytest

from autolabel.quality.betting import BoundedDesign, certify, clean_audits_needed, log_wealth, plan_bounded


def losses_like(predicted, rng, sharpness=6.0):
    return rng.beta(predicted * sharpness + 1e-9, (1 - predicted) * sharpness + 1e-9)


def lost(outcome, losses, ranks):
    """Total loss of the machine labels."""
    machine = np.setdiff1d(np.arange(outcome.stop_rank), ranks)
    assert len(machine) == outcome.machine_labeled
    return float(losses[machine].sum())


def all_draws(design):
    edges = design.edges()
    return [np.asarray(ranks) for ranks in product(*(range(b, e) for b, e in pairwise(edges)))]


@pytest.mark.parametrize("remainder", [8, 9])
@pytest.mark.parametrize("predicted", ["none", "rising", "wrong"])
def test_by_enumeration_no_pattern_of_losses_breaks_the_promise_more_often_than_delta(remainder, predicted):
    design = BoundedDesign(0.3, 0.5, 10, remainder, 4, (0.6, 1.0))
    forecast = {"none": np.zeros(remainder), "rising": np.linspace(0, 0.8, remainder),
                "wrong": np.linspace(1, 0, remainder)}[predicted]  # fmt: skip
    draws, rng = all_draws(design), np.random.default_rng(0)
    patterns = [np.asarray(pattern, dtype=float) for pattern in product([0, 1], repeat=remainder)][::7]
    patterns += [rng.random(remainder) ** rng.integers(1, 6) for _ in range(30)]
    granted = 0
    for losses in patterns:
        outcomes = [(certify(design, ranks, losses[ranks], forecast), ranks) for ranks in draws]
        granted += sum(outcome.granted for outcome, _ in outcomes)
        broken = sum(lost(outcome, losses, ranks) > design.budget for outcome, ranks in outcomes)
        assert broken <= 0.5 * len(draws)
    assert granted


def test_by_enumeration_the_true_wealth_never_grows_on_average():
    """The supermartingale of the proof: the wealth with the un-audited loss in the budget's place."""
    rng = np.random.default_rng(4)
    design = BoundedDesign(0.0, 0.5, 9, 9, 4, (0.3, 0.7, 1.0))
    for _ in range(30):
        losses, predicted = rng.random(9) ** 2, rng.random(9) ** 2
        mean = np.zeros(4)
        draws = all_draws(design)
        for ranks in draws:
            edges = design.edges()[1:]
            unaudited = np.cumsum(losses)[edges - 1] - np.cumsum(losses[ranks])
            wealths = [
                np.exp(log_wealth(BoundedDesign(0.0, 0.5, 9, 9, 4, (bet,)), ranks, losses[ranks], predicted))
                * np.exp(bet / 3 * unaudited)
                for bet in design.bets
            ]
            mean += np.mean(wealths, axis=0) / len(draws)
        assert mean[0] <= 1 + 1e-12
        assert (np.diff(mean) <= 1e-12).all()


def test_a_good_forecast_of_the_loss_labels_more_and_a_bad_one_is_still_safe():
    rng = np.random.default_rng(1)
    predicted = np.sort(rng.beta(1.2, 4, 6_000))
    losses = losses_like(predicted, rng)
    shares = {}
    for name, forecast in {"good": predicted, "none": predicted * 0, "off": np.minimum(1, predicted * 1.4)}.items():
        design, _ = plan_bounded(
            predicted, predicted * (1 - predicted) / 7, error=0.1, delta=0.05, promised_labels=7_000
        )
        outcomes = []
        for _ in range(40):
            ranks = design.draw(rng)
            outcome = certify(design, ranks, losses[ranks], forecast)
            outcomes.append((outcome.machine_labeled, lost(outcome, losses, ranks) > design.budget))
        shares[name] = np.mean(outcomes, axis=0)
    assert shares["good"][0] > shares["none"][0] + 60
    assert abs(shares["off"][0] - shares["good"][0]) < 0.03 * shares["good"][0]
    assert all(share[1] <= 0.1 for share in shares.values())


def test_the_plan_forecasts_what_calibrated_losses_give():
    rng = np.random.default_rng(5)
    predicted = np.sort(rng.beta(1.2, 4, 5_000))
    for error in (0.05, 0.1, 0.15):
        design, expected = plan_bounded(
            predicted, predicted * (1 - predicted) / 7, error=error, delta=0.05, promised_labels=6_000
        )
        losses = losses_like(predicted, rng)
        found = []
        for _ in range(50):
            ranks = design.draw(rng)
            found.append(certify(design, ranks, losses[ranks], predicted).machine_labeled)
        assert np.mean(found) == pytest.approx(expected, rel=0.1)


def test_blocks_cover_the_order_and_each_is_audited_once():
    for remainder, audits in ((10, 3), (10, 10), (7, 1), (1_000_003, 999)):
        design = BoundedDesign(0.05, 0.05, remainder, remainder, audits, (1.0,))
        sizes = np.diff(design.edges())
        assert sizes.sum() == remainder
        assert sizes.max() - sizes.min() <= 1
        drawn = design.draw(np.random.default_rng(0))
        assert (np.searchsorted(design.edges(), drawn, side="right") == np.arange(1, audits + 1)).all()


def test_what_a_sentence_and_a_refusal_say():
    design = BoundedDesign(0.1, 0.05, 1_000, 1_000, 60, (1.0,))
    ranks = design.draw(np.random.default_rng(0))
    outcome = certify(design, ranks, np.zeros(60), np.zeros(1_000))
    assert outcome.sentence == (
        "With 95 % confidence the mean loss of 1,000 delivered labels is at most 0.1; 940 were made by the machine; "
        "60 objects were audited, a loss of 0.0 was found and corrected."
    )
    few = BoundedDesign(0.1, 0.05, 1_000, 1_000, 20, (1.0,))
    assert certify(few, few.draw(np.random.default_rng(0)), np.zeros(20), np.zeros(1_000)).reason == (
        "20 audits cannot certify a mean loss of 0.1: at least 30 lossless ones are needed"
    )
    strict = BoundedDesign(0.06, 0.05, 1_000, 1_000, 60, (1.0,))
    assert certify(strict, ranks, np.ones(60), np.zeros(1_000)).reason == (
        "the audit lost 60.0, too much already among the objects predicted best"
    )
    nothing = BoundedDesign(0.0, 0.05, 100, 100, 90, (1.0,))
    assert certify(nothing, nothing.draw(np.random.default_rng(0)), np.zeros(90), np.zeros(100)).reason == (
        "no audit of 100 objects can certify a mean loss of 0"
    )


@pytest.mark.parametrize(
    ("error", "remainder", "promised"), [(0.1, 1_000, 1_000), (0.05, 777, 1_200), (0.02, 900, 900)]
)
def test_the_lossless_audit_that_is_named_would_do_and_a_smaller_one_would_not(error, remainder, promised):
    needed = clean_audits_needed(error, 0.05, promised, remainder)
    for audits, granted in ((needed + 3, True), (needed - 3, False)):
        design = BoundedDesign(error, 0.05, promised, remainder, audits, (1.0,))
        found = certify(design, design.draw(np.random.default_rng(0)), np.zeros(audits), np.zeros(remainder))
        assert found.granted is granted


def test_the_edges():
    empty = BoundedDesign(0.05, 0.05, 100, 0, 0, (1.0,))
    assert certify(empty, np.empty(0, np.int64), np.empty(0), np.empty(0)).machine_labeled == 0
    harmless = BoundedDesign(0.05, 0.05, 1_000, 50, 0, (1.0,))
    assert certify(harmless, np.empty(0, np.int64), np.empty(0), np.ones(50)).machine_labeled == 50
    everything = BoundedDesign(0.05, 0.05, 40, 40, 40, (1.0,))
    assert certify(everything, np.arange(40), np.zeros(40), np.zeros(40)).machine_labeled == 0
    with pytest.raises(ValueError, match="one of every block"):
        certify(BoundedDesign(0.05, 0.05, 40, 40, 2, (1.0,)), np.asarray([1, 2]), np.zeros(2), np.zeros(40))
    with pytest.raises(ValueError, match="not all in"):
        certify(BoundedDesign(0.05, 0.05, 40, 40, 1, (1.0,)), np.asarray([1]), np.full(1, np.nan), np.zeros(40))
    for wrong in ({"bets": ()}, {"bets": (1.1,)}, {"audits": 41}, {"delta": 0.0}):
        with pytest.raises(ValueError, match="expected"):
            BoundedDesign(**({"error": 0.05, "delta": 0.05, "promised_labels": 40, "remainder": 40, "audits": 2,
                              "bets": (1.0,)} | wrong))  # fmt: skip


@pytest.mark.parametrize("predicted", [np.empty(0), np.zeros(3), np.ones(100), np.zeros(5_000)])
def test_extreme_forecasts_are_planned(predicted):
    design, expected = plan_bounded(
        predicted, predicted * 0, error=0.05, delta=0.05, promised_labels=len(predicted), most_audits=70
    )
    assert design.audits <= 70
    assert 0 <= expected <= len(predicted)
    assert (expected > 4_900) == (len(predicted) == 5_000)


def test_a_design_comes_back_from_json():
    design = BoundedDesign(0.05, 0.05, 100, 90, 30, (0.5, 1.0))
    assert BoundedDesign.from_json(json.loads(json.dumps(design.to_json()))) == design

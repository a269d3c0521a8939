"""What a job decides from round to round, without a job."""

from __future__ import annotations

import numpy as np
import pytest

from autolabel.learning.base import Predictions
from autolabel.policy.alternatives import ERRORS, State, alternatives
from autolabel.policy.batches import affordable
from autolabel.policy.round import Evidence, assess, search_again
from autolabel.policy.terms import SMALLEST_BATCH, Terms, batch_size, round_seconds
from autolabel.policy.tuning import SAVES, tune_from, tuning_seconds, worth_tuning
from autolabel.policy.typical import EASY, HARD, USUAL, forecast_before
from autolabel.quality.contract import Quality
from autolabel.quality.planner import Budget, Prices
from autolabel.quality.prospect import Decision

PRICES = Prices(human=0.1, machine=0.01)


def terms(objects=4000, prices=PRICES, **changes):
    return Terms(objects, prices=prices, batch=80, **({"quality": Quality()} | changes))


def predictions(errors):
    errors = np.asarray(errors, np.float32)
    return Predictions(np.zeros(len(errors), np.int64), 1 - errors, 1 - errors, errors)


def assessed(errors, *, found=None, budget=None, labeled=400):
    return assess(
        found or terms(),
        np.arange(len(errors)),
        predictions(errors),
        Evidence(),
        labeled=labeled,
        trained_on=labeled,
        budget=budget or Budget(),
    )


def test_a_batch_is_a_fiftieth_two_a_class_and_no_more_than_may_be_asked_at_once():
    assert batch_size(10_000, 4, asked=None, at_once=1000) == 200
    assert batch_size(10_000, 150, asked=None, at_once=1000) == 300
    assert batch_size(100, 2, asked=None, at_once=1000) == SMALLEST_BATCH
    assert batch_size(10_000, 4, asked=None, at_once=50) == 50
    assert batch_size(10_000, 4, asked=7, at_once=1000) == 7
    assert round_seconds(10_000, 100) > round_seconds(1_000, 10)


def test_the_audit_is_reserved_before_a_batch_is_bought():
    assert affordable(80, audits=100, remainder=1000, people=1 << 62) == 80
    assert affordable(80, audits=100, remainder=1000, people=150) == 50
    assert affordable(80, audits=100, remainder=1000, people=105) == 0
    assert affordable(80, audits=100, remainder=140, people=1 << 62) == 40
    assert affordable(5, audits=0, remainder=5, people=5) == 5


def test_an_assessment_buys_for_a_bad_model_and_looks_with_a_good_one():
    bad, good = assessed(np.linspace(0, 0.9, 3600)), assessed(np.full(3600, 1e-4))
    assert (bad.decision, good.decision) == (Decision.BUY, Decision.LOOK)
    assert bad.buy == 80
    assert good.expected.human_total == good.look.human_total
    assert bad.expected.cost <= bad.look.cost


def test_dear_machine_labels_are_never_prepared_for():
    found = assessed(np.linspace(0, 0.9, 3600), found=terms(prices=Prices(0.1, 0.1)))
    assert (found.decision, found.buy, found.ahead) == (Decision.LOOK, 0, ())


def test_a_human_budget_leads_to_the_look_in_time():
    found = assessed(np.linspace(0, 0.9, 3600), budget=Budget(human_labels=60))
    assert found.look.design.audits <= 60
    assert found.decision is Decision.LOOK


def test_evidence_counts_what_was_predicted_before_it_was_trained_on_and_survives_json():
    found = Evidence().explored(np.asarray([0.2, 0.4]), np.asarray([True, False]))
    found = found.learned(labels=(100, 200), errors=(50.0, 40.0))
    assert (found.predicted, found.observed, found.count) == (pytest.approx(0.6), 1, 2)
    assert found.learning.grown > 0
    assert Evidence.from_json(found.to_json()) == found
    assert found.learned(labels=(200, 200), errors=(50.0, 40.0)) == found
    assert found.learned(labels=(200, 240), errors=(0.0, 0.0)) == found


def test_strengths_are_searched_again_when_labels_have_doubled():
    assert search_again(10, None)
    assert not search_again(199, 100)
    assert search_again(200, 100)


def test_typical_curves_keep_their_order_and_begin_at_guessing():
    for labels in (0, 50, 500, 5000):
        errors = [curve.error(labels, 10) for curve in (EASY, USUAL, HARD)]
        assert errors == sorted(errors)
        assert errors[-1] <= 0.9
    assert EASY.error(0, 2) == 0.5


def test_the_forecast_before_the_first_label_grows_with_the_promise_and_stays_inside_the_data():
    strict, loose = (forecast_before(terms(quality=Quality(error)), 10, Budget()) for error in (0.01, 0.1))
    for found in (strict, loose):
        assert 80 <= found["low"] <= found["human_total"] <= found["high"] <= 4000
    assert loose["human_total"] < strict["human_total"]


def test_without_a_saving_the_forecast_before_is_people_for_everything():
    found = forecast_before(terms(prices=Prices(0.1, 0.2)), 10, Budget())
    assert found["human_total"] == 4000
    assert found["cost"] == pytest.approx(400.0)


def test_a_forecast_before_the_first_label_keeps_the_human_budget():
    found = forecast_before(terms(), 10, Budget(human_labels=300))
    assert found["human_total"] <= 300


def test_alternatives_name_other_promises_and_larger_budgets():
    errors = np.linspace(0, 0.5, 3600)
    state = State(np.arange(3600), predictions(errors), Evidence(), labeled=400, trained_on=400)
    for standing in (None, state):
        found = list(alternatives(terms(), 10, Budget(human_labels=500), standing))
        assert [each.error for each in found] == [error for error in ERRORS if error != 0.05] + [0.05] * 3
        assert [each.more_people for each in found] == [500] * 3 + [750, 1000, None]
        by_error = [each.cost for each in found[:3]]
        assert by_error == sorted(by_error, reverse=True)
        assert found[-1].cost <= found[3].cost


def hard(labeled=400, **changes):
    """An assessment in the middle of a job that has many labels to come."""
    return assessed(np.linspace(0, 0.9, 3600), labeled=labeled, found=terms(tune_from=200, **changes))


def test_a_network_is_trained_where_the_labels_it_saves_are_worth_more():
    found = hard()
    assert found.decision is Decision.BUY
    free = terms(tune_from=200)
    asked = {"labeled": 400, "trained_on": 400, "tuned_at": None}
    assert worth_tuning(free, found, **asked)
    assert not worth_tuning(terms(), found, **asked)  # nobody asked for it, or there is no network
    assert not worth_tuning(free, found, labeled=400, trained_on=199, tuned_at=None)
    saved = SAVES * (found.expected.human_total - 400) * 0.09
    for price, worth in ((0.9, True), (1.1, False)):
        dear = terms(tune_from=200, second_price=price * saved / tuning_seconds(4000, 400))
        assert worth_tuning(dear, found, **asked) is worth
    assert not worth_tuning(terms(tune_from=200, prices=Prices(human=0.1, machine=0.2)), found, **asked)


def test_a_network_is_trained_again_only_when_labels_have_grown_fourfold():
    free = terms(tune_from=200)
    assert not worth_tuning(free, hard(), labeled=800, trained_on=800, tuned_at=201)
    assert worth_tuning(free, hard(), labeled=800, trained_on=800, tuned_at=200)


def test_a_network_is_not_trained_for_a_handful_of_labels():
    good = assessed(np.full(3600, 1e-4), found=terms(tune_from=200))
    assert good.expected.human_total - 400 < 100
    assert not worth_tuning(terms(tune_from=200), good, labeled=400, trained_on=400, tuned_at=None)
    assert tune_from(3) == 200
    assert tune_from(77) == 385

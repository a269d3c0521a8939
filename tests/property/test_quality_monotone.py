from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autolabel.quality import betting
from autolabel.quality.audit import order_by_confidence, walk
from autolabel.quality.betting import BoundedDesign
from autolabel.quality.machine import MachineDesign
from autolabel.quality.rule import allowed_errors, allowed_errors_table, violation_bound, wrong_labels_that_break

DELTAS = st.sampled_from([1e-6, 0.01, 0.05, 0.2, 0.7])


def held(allowed):
    return -1 if allowed is None else allowed


@st.composite
def sizes(draw):
    remainder = draw(st.integers(1, 3_000))
    return remainder, draw(st.integers(1, remainder)), draw(st.integers(0, remainder))


@settings(deadline=None)
@given(sizes(), DELTAS, st.integers(0, 50))
def test_more_audits_a_looser_limit_and_a_smaller_remainder_never_allow_fewer_errors(shape, delta, more):
    remainder, limit, audits = shape
    allowed = held(allowed_errors(remainder, limit, audits, delta))
    assert held(allowed_errors(remainder, limit, min(remainder, audits + more), delta)) >= allowed
    assert held(allowed_errors(remainder, limit + more, audits, delta)) >= allowed
    assert held(allowed_errors(remainder + more, limit, audits, delta)) <= allowed
    assert held(allowed_errors(remainder, limit, audits, min(0.99, 2 * delta))) >= allowed


@settings(deadline=None)
@given(sizes(), DELTAS)
def test_the_largest_safe_allowance_is_found_and_the_table_knows_it(shape, delta):
    remainder, limit, audits = shape
    allowed = held(allowed_errors(remainder, limit, audits, delta))
    if allowed >= 0:
        assert violation_bound(remainder, limit, audits, allowed) <= delta
    if allowed < audits:
        assert violation_bound(remainder, limit, audits, allowed + 1) > delta
    assert allowed_errors_table(remainder, limit, audits, delta)[-1] == allowed


@st.composite
def audited_orders(draw):
    """A machine design with its audit, and which audited predictions are wrong."""
    region = draw(st.integers(2, 80))
    audits = draw(st.integers(0, region - 1))
    floors = draw(st.lists(st.integers(1, region - audits), max_size=5))
    error, delta = draw(st.sampled_from([0.0, 0.05, 0.2, 0.5])), draw(DELTAS)
    design = MachineDesign.of(error=error, delta=delta, region=region, audits=audits, floors=floors)
    ranks = np.sort(np.random.default_rng(draw(st.integers(0, 99))).choice(region, audits, replace=False))
    return design, ranks, np.asarray(draw(st.lists(st.booleans(), min_size=audits, max_size=audits)), dtype=bool)


@settings(deadline=None)
@given(audited_orders(), st.data())
def test_a_machine_design_keeps_delta_and_one_error_more_never_labels_more(case, data):
    design, ranks, wrong = case
    assert design.violation_bound() <= design.delta * (1 + 1e-12)  # 1 / 20 is attained exactly, but for rounding
    outcome = design.certify(ranks, wrong)
    assert (outcome.machine_labeled > 0) == (not outcome.reason)
    assert outcome.wrong_at_most <= design.error * outcome.machine_labeled + 1e-9
    assume(len(wrong))
    worse = wrong.copy()
    worse[data.draw(st.integers(0, len(wrong) - 1))] = True
    after = design.certify(ranks, worse)
    assert after.promised <= outcome.promised
    if after.promised == outcome.promised:
        assert after.machine_labeled <= outcome.machine_labeled


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.1, 0.1, 0.5]), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_the_order_objects_come_in_changes_no_walk_even_with_ties(probabilities, random):
    objects, values = np.arange(len(probabilities)), np.asarray(probabilities)
    shuffled = list(range(len(objects)))
    random.shuffle(shuffled)
    order = order_by_confidence(objects, values)
    assert order.tolist() == order_by_confidence(objects[shuffled], values[shuffled]).tolist()
    assert (np.diff(values[order]) >= 0).all()
    wrong = order % 3 == 0
    ranks = np.arange(0, len(order), 2)
    walked = walk(len(order), ranks, wrong[ranks], 1)
    assert walked.errors_passed <= 1
    assert wrong[ranks[ranks < walked.stop_rank]].sum() == walked.errors_passed


@st.composite
def bounded_audits(draw):
    remainder = draw(st.integers(1, 60))
    audits = draw(st.integers(1, remainder))
    design = BoundedDesign(
        draw(st.sampled_from([0.0, 0.05, 0.3])), draw(DELTAS), draw(st.integers(remainder, 2 * remainder)), remainder,
        audits, tuple(draw(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=3))),
    )  # fmt: skip
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return design, design.draw(rng), rng.random(audits) ** 4, rng.random(remainder) ** 3


@settings(deadline=None)
@given(bounded_audits(), st.sampled_from([1.0, 1.5, 3.0]))
def test_a_looser_bounded_promise_never_labels_less(case, factor):
    design, ranks, losses, predicted = case
    outcome = betting.certify(design, ranks, losses, predicted)
    assert outcome.granted == (outcome.machine_labeled > 0) == (not outcome.reason)
    assert outcome.loss_at_most <= design.budget + 1e-9
    looser = BoundedDesign(min(0.99, design.error * factor), min(0.99, design.delta * factor),
                           design.promised_labels, design.remainder, design.audits, design.bets)  # fmt: skip
    assert betting.certify(looser, ranks, losses, predicted).machine_labeled >= outcome.machine_labeled


@given(st.integers(0, 10**7), st.integers(0, 200))
def test_the_limit_is_the_first_count_above_the_share(labels, percent):
    error = percent / 201
    limit = wrong_labels_that_break(error, labels)
    assert limit > error * labels - 1e-6
    assert limit - 1 <= error * labels + 1e-6

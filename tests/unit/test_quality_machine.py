from __future__ import annotations

import json
from itertools import combinations, pairwise, product

import numpy as np
import pytest

from autolabel.quality.audit import draw_audit, walk
from autolabel.quality.machine import MachineDesign, clean_audits_needed
from autolabel.quality.rule import allowed_errors, violation_bound, wrong_labels_that_break


def design_of(region, audits, floors, *, error=0.05, delta=0.05):
    return MachineDesign.of(error=error, delta=delta, region=region, audits=audits, floors=floors)


def broken(design, wrong, ranks):
    """Whether more than the promised share of the machine labels is wrong."""
    outcome = design.certify(ranks, wrong[ranks])
    machine = np.setdiff1d(np.arange(outcome.stop_rank), ranks)
    assert len(machine) == outcome.machine_labeled
    bad = int(wrong[machine].sum())
    assert bad <= outcome.wrong_at_most or bad >= wrong_labels_that_break(design.error, outcome.promised)
    return bad > design.error * len(machine) + 1e-12


def test_one_floor_has_the_allowance_of_the_rule():
    for floor, audits in product((100, 250, 400), (60, 150)):
        design = design_of(600, audits, [floor])
        limit = wrong_labels_that_break(0.05, floor)
        assert [f.allowed for f in design.floors] == [allowed_errors(600, limit, audits, 0.05)]
        assert design.floors[0].limit == limit


def test_ten_floors_cost_two_errors_where_bonferroni_costs_four():
    floors = [int(6_500 * 0.88**step) for step in range(10)]
    top = design_of(7_000, 500, floors).floors[0]
    assert allowed_errors(7_000, top.limit, 500, 0.05) == 16
    assert top.allowed == 14
    assert allowed_errors(7_000, top.limit, 500, 0.05 / 10) == 12


@pytest.mark.parametrize(("region", "audits"), [(40, 25), (300, 120), (2_000, 300), (100_000, 700)])
def test_the_bound_is_used_up_and_never_exceeded(region, audits):
    floors = [int((region - audits) * share) for share in (1.0, 0.8, 0.6, 0.45, 0.3)]
    design = design_of(region, audits, floors, error=0.1, delta=0.1)
    assert design.violation_bound() <= 0.1
    for place, floor in enumerate(design.floors):
        if floor.allowed is None:
            continue
        alone = violation_bound(region, floor.limit, audits, floor.allowed + 1)
        more = [f if other != place else type(f)(f.machine_labels, f.limit, f.allowed + 1)
                for other, f in enumerate(design.floors)]  # fmt: skip
        bigger = MachineDesign(design.error, design.delta, region, audits, tuple(more)).violation_bound()
        assert max(alone, bigger) > 0.1, "one error more at any floor would break the promise"


@pytest.mark.parametrize(("audits", "floors", "error"), [(4, [4, 2], 0.3), (5, [3], 0.0), (3, [5, 4, 1], 0.4)])
def test_by_enumeration_no_pattern_breaks_the_contract_more_often_than_delta(audits, floors, error):
    region, delta = 8, 0.4
    design = design_of(region, audits, floors, error=error, delta=delta)
    assert design.can_certify
    draws = [np.asarray(drawn) for drawn in combinations(range(region), audits)]
    worst = 0
    for pattern in product([False, True], repeat=region):
        wrong = np.asarray(pattern)
        worst = max(worst, sum(broken(design, wrong, ranks) for ranks in draws))
    assert 0 < worst / len(draws) <= design.violation_bound() + 1e-12 <= delta + 1e-9


def is_bad(design, wrong, ranks, seen, most):
    """Whether the machine labels of this audit break the contract."""
    found = design.certify(ranks, seen, most)
    machine = np.setdiff1d(np.arange(found.stop_rank), ranks)[: found.machine_labeled]
    return int(wrong[machine].sum()) > design.error * len(machine) + 1e-12


@pytest.mark.parametrize(("floors", "error"), [([4, 2], 0.3), ([4, 3, 1], 0.25)])
def test_by_enumeration_neither_room_nor_silence_that_know_the_audit_break_the_contract(floors, error):
    """After the audit an adversary chooses how many labels may be made, and who of the audited stays silent."""
    design = design_of(8, 4, floors, error=error, delta=0.4)
    assert design.can_certify
    draws = [np.asarray(drawn) for drawn in combinations(range(8), 4)]
    silences = [np.asarray(silent) for silent in product([False, True], repeat=4)]
    worst = 0
    for pattern in list(product([False, True], repeat=8))[::23]:
        wrong = np.asarray(pattern)
        worst = max(worst, sum(
            any(is_bad(design, wrong, ranks, wrong[ranks] | silent, most) for silent in silences for most in (1, 3, 9))
            for ranks in draws
        ))  # fmt: skip
    assert 0 < worst / len(draws) <= 0.4


def test_by_enumeration_of_twelve_objects_no_run_of_errors_breaks_the_contract():
    design = design_of(12, 5, [7, 5, 3], error=0.3, delta=0.3)
    draws = [np.asarray(drawn) for drawn in combinations(range(12), 5)]
    for begin, end in combinations(range(0, 13, 2), 2):
        wrong = (np.arange(12) >= begin) & (np.arange(12) < end)
        assert sum(broken(design, wrong, ranks) for ranks in draws) <= 0.3 * len(draws)


def test_the_largest_certified_floor_is_taken_and_labels_what_its_walk_leaves():
    design = design_of(400, 200, [200, 120])
    ranks = draw_audit(400, 200, np.random.default_rng(1))
    clean = design.certify(ranks, np.zeros(200, dtype=bool))
    assert (clean.promised, clean.machine_labeled, clean.wrong_at_most) == (200, 200, 10)
    late = np.zeros(200, dtype=bool)
    late[-40:] = True
    lower = design.certify(ranks, late)
    assert lower.promised == 120
    assert lower.machine_labeled == walk(400, ranks, late, design.floors[1].allowed).machine_labeled
    assert lower.wrong_at_most == 6
    everything = design.certify(ranks, np.ones(200, dtype=bool))
    assert everything.reason
    assert everything.machine_labeled == 0


def test_refusals_say_the_numbers():
    design = design_of(400, 200, [200, 120])
    ranks = draw_audit(400, 200, np.random.default_rng(1))
    refused = design.certify(ranks, np.ones(200, dtype=bool))
    assert refused.reason == (
        "the audit found 200 errors, which leaves 4 machine labels at best; at least 120 were declared worth certifying"
    )
    few = design_of(10_000, 180, [9_820], error=0.01)
    assert few.certify(np.arange(180), np.zeros(180, dtype=bool)).reason == (
        "180 audits of 10,000 objects cannot certify 1 %: at least 300 clean ones are needed"
    )
    tiny = design_of(3, 1, [2], error=0.05)
    assert tiny.certify(np.asarray([0]), np.asarray([False])).reason == "no audit of 3 objects can certify 5 %"


def test_where_fewer_labels_may_be_made_a_lower_floor_is_certified_or_none():
    design = design_of(400, 200, [200, 120])
    ranks = draw_audit(400, 200, np.random.default_rng(1))
    clean = np.zeros(200, dtype=bool)
    found = [design.certify(ranks, clean, most) for most in (None, 200, 199, 120, 119, 0)]
    assert [(walk.promised, walk.machine_labeled) for walk in found] == [
        (200, 200), (200, 200), (120, 199), (120, 120), (0, 0), (0, 0),
    ]  # fmt: skip
    assert all(walk.wrong_at_most <= 0.05 * walk.machine_labeled for walk in found)


@pytest.mark.parametrize(("region", "error"), [(1_000_000, 0.05), (10_000, 0.01), (57, 0.05), (30, 0.0), (200, 0.3)])
def test_the_clean_audit_that_is_named_is_the_smallest(region, error):
    needed = clean_audits_needed(region, error, 0.05)
    assert design_of(region, needed, [region - needed], error=error).can_certify
    for fewer in range(max(1, needed - 30), needed):
        assert not design_of(region, fewer, [region - fewer], error=error).can_certify


def test_of_floors_with_one_limit_the_smallest_is_kept_and_deriving_again_changes_nothing():
    design = design_of(500, 200, [300, 299, 298, 120, 119, 7])
    assert [floor.machine_labels for floor in design.floors] == [300, 298, 120, 119, 7]
    assert design.floors[-1].allowed is None
    again = design_of(500, 200, [floor.machine_labels for floor in design.floors])
    assert again == design
    assert MachineDesign.from_json(json.loads(json.dumps(design.to_json()))) == design


def test_limits_descend_and_floors_out_of_range_are_refused():
    design = design_of(500, 200, [300, 200, 100])
    assert all(one.limit > other.limit for one, other in pairwise(design.floors))
    for floors in ([301], [0]):
        with pytest.raises(ValueError, match="expected machine labels"):
            design_of(500, 200, floors)
    with pytest.raises(ValueError, match="below rank 500"):
        design.certify(np.arange(400, 600), np.zeros(200, dtype=bool))


def test_without_audits_or_floors_nothing_is_certified():
    none = np.empty(0, np.int64), np.empty(0, dtype=bool)
    for design in (design_of(100, 0, [100]), design_of(0, 0, []), design_of(1, 0, [1])):
        found = design.certify(*none)
        assert found.machine_labeled == 0
        assert found.reason

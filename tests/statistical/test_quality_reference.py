"""Machine, people and truth together: the bound against the truth holds as often as it says. Seeds are fixed."""

from __future__ import annotations

import numpy as np
import pytest

from autolabel.quality.audit import draw_audit, walk
from autolabel.quality.reference import MeasuredReference, Method, measure_gold, measure_repeats
from autolabel.quality.rule import allowed_errors, wrong_labels_that_break

CLASSES = 4
BEFORE, REMAINDER = 100, 400
OBJECTS = BEFORE + REMAINDER
ERROR = DELTA = 0.1
RUNS = 600


def noisy(truth, wrong, rng):
    """Labels that are wrong where `wrong` says."""
    return np.where(wrong, (truth + rng.integers(1, CLASSES, size=len(truth))) % CLASSES, truth)


def delivered_and_design(rng, reference, machine, audits):
    """Label by people before the freeze, then audit and walk; people take the rest. Also bound the machine's errors."""
    limit = wrong_labels_that_break(ERROR, OBJECTS)
    allowed = allowed_errors(REMAINDER, limit, audits, DELTA)
    ranks = draw_audit(REMAINDER, audits, rng)
    differs = machine != reference[BEFORE:]
    stop = walk(REMAINDER, ranks, differs[ranks], allowed).stop_rank
    by_machine = np.arange(REMAINDER) < stop
    by_machine[ranks] = False
    labels = reference.copy()
    labels[BEFORE:][by_machine] = machine[by_machine]
    return labels, min(limit - 1, int(by_machine.sum())), ranks


@pytest.mark.parametrize("people_wrong", [0.0, 0.04, 0.2])
@pytest.mark.parametrize("hard_alike", [False, True])
def test_the_bound_by_gold_fails_at_most_as_often_as_it_says(people_wrong, hard_alike):
    rng = np.random.default_rng([int(100 * people_wrong), hard_alike])
    broken = 0
    for _ in range(RUNS):
        truth = rng.integers(CLASSES, size=OBJECTS)
        hard = rng.random(OBJECTS)
        reference = noisy(truth, hard < people_wrong, rng)
        # The machine errs where people do, or anywhere; it learned from people, so it is often wrong as they are.
        trouble = hard[BEFORE:] if hard_alike else rng.random(REMAINDER)
        machine = np.where(trouble < 0.25, noisy(truth[BEFORE:], trouble < 0.25, rng), reference[BEFORE:])
        machine = machine[np.argsort(rng.random(REMAINDER))] if rng.random() < 0.1 else machine
        labels, machine_wrong, _ = delivered_and_design(rng, reference, machine, 120)
        gold = rng.choice(OBJECTS, 60, replace=False)
        part = measure_gold(OBJECTS, 60, int((reference != truth)[gold].sum()), DELTA)
        found = MeasuredReference(Method.GOLD, OBJECTS, (part,), 1 - DELTA, machine_wrong)
        broken += int((labels != truth).sum()) > found.wrong_at_most
    assert broken <= 1.5 * DELTA * RUNS


@pytest.mark.parametrize("right_at_least", [0.5, 0.85])
def test_the_bound_by_repeats_contains_peoples_mean_error_in_both_parts_together(right_at_least):
    rng = np.random.default_rng(int(100 * right_at_least))
    missed = 0
    right = rng.uniform(right_at_least, 1, OBJECTS)
    for _ in range(RUNS):
        truth = np.zeros(OBJECTS, np.int64)
        first, second = (noisy(truth, rng.random(OBJECTS) > right, rng) for _ in range(2))
        audit = BEFORE + draw_audit(REMAINDER, 100, rng)
        parts = []
        for population, asked, size in ((BEFORE, np.arange(BEFORE), 50), (REMAINDER, audit, 50)):
            drawn = rng.choice(asked, size, replace=False)
            differ = int((first != second)[drawn].sum())
            parts.append(measure_repeats(population, size, differ, DELTA / 2))
        found = MeasuredReference(Method.REPEATS, OBJECTS, tuple(parts), 1 - DELTA, 0)
        missed += not found.low <= float((1 - right).mean()) <= found.high
    assert missed <= DELTA * RUNS

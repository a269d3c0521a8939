"""The machine, per-class and bounded contracts by simulation: broken at most as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from autolabel.quality import betting, machine
from autolabel.quality.audit import draw_audit
from autolabel.quality.betting import BoundedDesign
from autolabel.quality.machine import MachineDesign

RUNS = 20_000
QUICK = 400
LAYOUTS = ("front", "back", "uniform", "increasing", "blocks", "late", "none", "all")


def layout(name, size, errors, rng):
    wrong = np.zeros(size, dtype=bool)
    weight = np.arange(1, size + 1, dtype=float)
    places = {
        "front": np.arange(errors),
        "back": np.arange(size - errors, size),
        "uniform": rng.choice(size, errors, replace=False),
        "increasing": rng.choice(size, errors, replace=False, p=weight / weight.sum()),
        "blocks": np.flatnonzero((np.arange(size) // 25) % 4 == 3),
        "late": np.arange(3 * size // 4, size),
        "none": np.arange(0),
        "all": np.arange(size),
    }[name]
    wrong[places] = True
    return wrong


def too_often(broken, runs, delta):
    return broken / runs > delta + 3 * np.sqrt(delta * (1 - delta) / runs)


def breaks(design, wrong, rng):
    """Whether more machine labels are wrong than the certificate says; it never says more than the contract."""
    ranks = draw_audit(design.region, design.audits, rng)
    outcome = design.certify(ranks, wrong[ranks])
    assert outcome.wrong_at_most <= design.error * outcome.machine_labeled + 1e-9
    bad = int(wrong[: outcome.stop_rank].sum()) - int(wrong[ranks[ranks < outcome.stop_rank]].sum())
    return bad > outcome.wrong_at_most


MACHINE = {
    "one floor": MachineDesign.of(error=0.05, delta=0.05, region=600, audits=150, floors=[300]),
    "ten floors": MachineDesign.of(
        error=0.05, delta=0.05, region=600, audits=200, floors=[int(400 * 0.88**step) for step in range(10)]
    ),
    "one per cent": MachineDesign.of(error=0.01, delta=0.1, region=900, audits=300, floors=[600, 500, 400, 300]),
    "no error": MachineDesign.of(error=0.0, delta=0.2, region=50, audits=42, floors=[8, 4]),
}


@pytest.mark.parametrize("name", MACHINE)
def test_the_machine_contract_holds_on_a_quick_sample(name):
    design, rng = MACHINE[name], np.random.default_rng(7)
    assert design.can_certify
    for kind in LAYOUTS:
        wrong = layout(kind, design.region, design.region // 6, rng)
        assert not too_often(sum(breaks(design, wrong, rng) for _ in range(QUICK)), QUICK, design.delta)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MACHINE)
@pytest.mark.parametrize("kind", LAYOUTS)
def test_the_machine_contract_holds(name, kind):
    design, rng = MACHINE[name], np.random.default_rng(8)
    wrong = layout(kind, design.region, design.region // 6, rng)
    broken = sum(breaks(design, wrong, rng) for _ in range(RUNS))
    assert not too_often(broken, RUNS, design.delta)
    if name == "one floor" and kind == "late":  # always certified, and enough errors: the bound is attained
        bound = design.violation_bound()
        assert broken / RUNS == pytest.approx(bound, abs=3 * np.sqrt(bound * (1 - bound) / RUNS))


def test_one_error_more_at_every_floor_would_break_the_machine_contract():
    design, rng = MACHINE["one floor"], np.random.default_rng(9)
    floors = tuple(machine.Floor(f.machine_labels, f.limit, f.allowed + 1) for f in design.floors)
    greedy = MachineDesign(design.error, design.delta, design.region, design.audits, floors)
    wrong = layout("late", design.region, 0, rng)
    assert too_often(sum(breaks(greedy, wrong, rng) for _ in range(QUICK)), QUICK, design.delta)


def bounded_losses(name, size, rng):
    predicted = np.linspace(0.0, 0.9, size)
    return {
        "as predicted": predicted,
        "scattered": rng.beta(predicted * 3 + 1e-9, (1 - predicted) * 3 + 1e-9),
        "all or nothing": (rng.random(size) < predicted).astype(float),
        "upside down": predicted[::-1].copy(),
        "flat": np.full(size, 0.3),
        "late": (np.arange(size) >= size // 10).astype(float),
        "all": np.ones(size),
    }[name], predicted


@pytest.mark.parametrize("kind", ["as predicted", "scattered", "all or nothing", "upside down", "flat", "late", "all"])
@pytest.mark.parametrize(
    "runs",
    [
        QUICK,
        pytest.param(4_000, marks=pytest.mark.slow),
        pytest.param(RUNS, marks=[pytest.mark.exhaustive, pytest.mark.timeout(3600)]),
    ],
)
def test_the_bounded_contract_holds(kind, runs):
    rng = np.random.default_rng(12)
    losses, predicted = bounded_losses(kind, 600, rng)
    design = BoundedDesign(0.1, 0.2, 600, 600, 120, (0.4, 0.7, 1.0))
    broken = granted = 0
    for _ in range(runs):
        ranks = design.draw(rng)
        outcome = betting.certify(design, ranks, losses[ranks], predicted)
        granted += outcome.granted
        total = losses[: outcome.stop_rank].sum() - losses[ranks[ranks < outcome.stop_rank]].sum()
        broken += total > design.budget + 1e-9
    assert not too_often(broken, runs, design.delta)
    assert granted == runs or kind == "upside down"


def test_wealth_for_a_larger_budget_would_break_the_bounded_contract():
    """The rule is not loose by much: with twice the budget in the wealth it fails."""
    rng = np.random.default_rng(13)
    losses = rng.permutation((np.arange(600) % 3 == 0).astype(float))
    greedy = BoundedDesign(0.2, 0.2, 600, 600, 120, (0.4, 0.7, 1.0))
    broken = 0
    for _ in range(QUICK):
        ranks = greedy.draw(rng)
        stop = betting.certify(greedy, ranks, losses[ranks], np.zeros(600)).stop_rank
        broken += losses[:stop].sum() - losses[ranks[ranks < stop]].sum() > 60.0
    assert too_often(broken, QUICK, 0.2)

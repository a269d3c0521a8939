"""Thousands of small worlds of careless workers: whatever they do, what was acknowledged is there, once."""

from __future__ import annotations

import pytest

from benchmarks.workforce.world import World


def run_worlds(seeds):
    steps = faults = 0
    for seed in seeds:
        world = World(seed)
        try:
            world.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        steps += world.steps
        faults += world.faults
    return steps, faults


def test_no_world_of_careless_workers_loses_or_doubles_an_answer():
    steps, faults = run_worlds(range(60))
    assert steps > 2_000
    assert faults > 200


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(0, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
        *(pytest.param(part, marks=[pytest.mark.exhaustive, pytest.mark.timeout(3600)]) for part in range(1, 4)),
    ],
)
def test_none_of_thousands_of_worlds_loses_or_doubles_an_answer(part):
    steps, _ = run_worlds(range(1_000 * (part + 1), 1_000 * (part + 2)))
    assert steps > 50_000

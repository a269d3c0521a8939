"""The plan of a dataset contract: the audit that makes the whole job cheapest, and what a budget lets it promise.

The walk's stop is where audited errors reach ``allowed + 1``; with audits at rate m/N they arrive like a Poisson
process in the cumulated error probability, so the stop's quantiles are gamma quantiles. A forecast; no promise rests on
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaincinv

from autolabel.quality.dataset import DatasetDesign
from autolabel.quality.planner import LEAST_PASS, Forecast, MachineLabels
from autolabel.quality.rule import audits_needed, wrong_labels_that_break

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.quality.contract import Quality
    from autolabel.quality.design import Frozen
    from autolabel.quality.planner import Budget, Situation

QUANTILES = (np.arange(20) + 0.5) / 20
ALLOWED_GRID = (0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 85, 113, 150, 200, 270, 360, 480, 640)
FLOOR_GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Machine shares a budgeted job may promise in advance."""


def plan_dataset(frozen: Frozen, quality: Quality, situation: Situation) -> Forecast:
    """Choose the audit that makes the whole job cheapest and forecast its outcome."""
    cumulated = np.cumsum(frozen.error_probability, dtype=np.float64)
    forecasts = [_outcome(design, cumulated, situation) for design in _designs(len(frozen), quality, situation)]
    # Of equal costs the first: without an audit, if none pays.
    return min(forecasts, key=lambda forecast: round(forecast.cost, 9))


def _designs(remainder: int, quality: Quality, situation: Situation) -> list[DatasetDesign]:
    """Audit designs worth comparing: the economical audit sizes, for each floor the budget may need."""
    budget, most_audits = situation.budget, situation.most_audits(remainder)
    designs = []
    for floor in FLOOR_GRID:
        expected = max(0, remainder - situation.may_fail)
        if budget.human_labels is not None:
            expected = min(expected, int(floor * expected) + budget.human_labels)
        if budget.labels is not None:
            expected = min(expected, budget.labels)
        promised = situation.labeled + expected
        limit = wrong_labels_that_break(quality.error, promised)
        designs += [
            DatasetDesign.of(
                error=quality.error, delta=quality.delta, promised_labels=promised, remainder=remainder, audits=size
            )
            for size in sorted({0, *_sizes(remainder, limit, quality.delta, most_audits)})
        ]
        if budget.human_labels is None or budget.human_labels >= remainder:
            break  # people can label whatever the machine does not: no floor is needed
    return designs


def _sizes(remainder: int, limit: int, delta: float, most: int) -> list[int]:
    sizes = []
    for allowed in ALLOWED_GRID:
        size = audits_needed(remainder, limit, allowed, delta)
        if size is None or size > most:
            break
        sizes.append(size)
    return sizes


def _outcome(design: DatasetDesign, cumulated: NDArray[np.float64], situation: Situation) -> Forecast:
    """Average the outcome of one design over the stop's quantiles and the calibration's scales."""
    calibration, budget = situation.calibration, situation.budget
    scales = calibration.scales()
    machine = np.concatenate([_machine_quantiles(design, cumulated, scale, budget) for scale in scales])
    floor = design.promised_labels - situation.labeled - min(design.remainder, budget.people)
    passing = machine >= floor  # a walk that misses its floor is refused
    found = MachineLabels(
        expected=float(machine[passing].mean()) if passing.mean() >= LEAST_PASS else 0.0,
        fewest=float(np.quantile(_machine_quantiles(design, cumulated, calibration.high, budget), 0.1)),
        most=float(np.quantile(_machine_quantiles(design, cumulated, calibration.low, budget), 0.9)),
    )
    return Forecast.of(design, found, remainder=design.remainder, situation=situation)


def _machine_quantiles(
    design: DatasetDesign, cumulated: NDArray[np.float64], scale: float, budget: Budget
) -> NDArray[np.float64]:
    """Machine labels at each of `QUANTILES` of the stop, shape ``(20,)``, when predicted errors are off by `scale`."""
    if design.allowed is None or design.remainder == 0:
        return np.zeros(len(QUANTILES))
    rate = design.audits / design.remainder
    if rate == 0.0 or design.allowed >= design.audits:
        stops = np.full(len(QUANTILES), float(design.remainder))
    else:
        arrivals = gammaincinv(design.allowed + 1.0, QUANTILES) / (rate * scale)
        stops = np.searchsorted(cumulated, arrivals).astype(np.float64)
    machine = stops * (1.0 - rate)
    cap = np.inf if budget.labels is None else max(0, budget.labels - design.audits)
    return np.minimum(machine, cap)

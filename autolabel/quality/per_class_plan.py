"""The plan of a per-class contract: which classes are worth an audit, and each one's region, audit and floors.

The more classes are certified, the smaller the level of each. Classes are ranked by how many objects they are expected
to have right, and the best of C, C/2, C/4, ... of them are compared by the search's approximation; only the winners are
designed exactly. A forecast; no promise rests on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.quality.machine import MachineDesign
from autolabel.quality.per_class import PerClassDesign, class_level, members_by_class
from autolabel.quality.planner import Forecast, MachineLabels
from autolabel.quality.region import expected_labels, expected_range, plan_machine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.quality.contract import Quality
    from autolabel.quality.design import Frozen
    from autolabel.quality.planner import Situation
    from autolabel.quality.region import MachinePlan

_Pool = dict[int, "NDArray[np.float64]"]
"""Calibrated error probabilities of each predicted class, in walking order."""


def plan_per_class(frozen: Frozen, quality: Quality, situation: Situation) -> Forecast:
    """Choose the classes to certify and their designs, or none where nothing is saved."""
    calibration = situation.calibration
    probability = np.minimum(1.0, frozen.error_probability * calibration.scale)
    pool = {number: probability[ranks] for number, ranks in members_by_class(frozen.predicted)}
    chosen = _worth_it(pool, quality, situation)
    plans = _affordable(_plans(pool, chosen, quality, situation), situation, len(frozen))
    designs = _at_level(plans, quality)
    expected = [
        expected_range(design, plans[number].machine, pool[number] / calibration.scale, calibration)
        for number, design in designs
    ]
    labels = MachineLabels(
        sum(each.expected for each in expected),
        sum(each.fewest for each in expected),
        sum(each.most for each in expected),
    )
    design = PerClassDesign(quality.error, quality.delta, designs)
    if situation.budget.labels is not None:
        labels = labels.at_most(max(0, situation.budget.labels - design.audits))
    none = PerClassDesign(quality.error, quality.delta, ())
    forecasts = (
        Forecast.of(none, MachineLabels(0.0, 0.0, 0.0), remainder=len(frozen), situation=situation),
        Forecast.of(design, labels, remainder=len(frozen), situation=situation),
    )
    return min(forecasts, key=lambda forecast: round(forecast.cost, 9))


def _worth_it(pool: _Pool, quality: Quality, situation: Situation) -> list[int]:
    """Classes that are expected to give most machine labels together, each at the level that is left to it."""
    ranked = sorted(pool, key=lambda number: (-float((1.0 - pool[number]).sum()), number))
    best: list[int] = []
    most, tried = 0.0, len(ranked)
    while tried:
        level = class_level(quality.delta, tried)
        found = {
            number: expected_labels(pool[number], error=quality.error, delta=level, spread=situation.calibration.spread)
            for number in ranked[:tried]
        }
        if sum(found.values()) > most:
            best, most = [number for number, labels in found.items() if labels > 0.0], sum(found.values())
        tried //= 2
    return best


def _plans(pool: _Pool, chosen: list[int], quality: Quality, situation: Situation) -> dict[int, MachinePlan]:
    """Plan each chosen class by itself, as far as it can be."""
    plans = {}
    for number in chosen:
        plan = plan_machine(
            pool[number],
            error=quality.error,
            delta=class_level(quality.delta, len(chosen)),
            most_audits=situation.most_audits(len(pool[number])),
            most_labels=situation.budget.labels,
            spread=situation.calibration.spread,
        )
        if plan.design is not None:
            plans[number] = plan
    return plans


def _affordable(plans: dict[int, MachinePlan], situation: Situation, remainder: int) -> dict[int, MachinePlan]:
    """Keep the classes that give most machine labels an audit, as far as audits and labels may go."""
    audits, labels = situation.most_audits(remainder), situation.budget.labels
    kept: dict[int, MachinePlan] = {}
    for number, plan in sorted(plans.items(), key=lambda each: -each[1].machine / max(1, each[1].audits)):
        if plan.audits <= audits and (labels is None or labels > plan.audits):
            kept[number] = plan
            audits -= plan.audits
            labels = None if labels is None else labels - plan.audits - int(plan.machine)
    return dict(sorted(kept.items()))


def _at_level(plans: dict[int, MachinePlan], quality: Quality) -> tuple[tuple[int, MachineDesign], ...]:
    """Design again at the level of as many classes as were kept."""
    level = class_level(quality.delta, len(plans)) if plans else quality.delta
    return tuple(
        (
            number,
            MachineDesign.of(
                error=quality.error,
                delta=level,
                region=plan.design.region,
                audits=plan.design.audits,
                floors=[floor.machine_labels for floor in plan.design.floors],
            ),
        )
        for number, plan in plans.items()
        if plan.design is not None
    )

"""A look of any contract: planned, drawn, walked and read back. The only module that tells contracts apart.

Everything is arrays in and arrays out, without a job: a job stores what happens here step by step, a benchmark replays
it in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autolabel.quality.contract import Contract
from autolabel.quality.dataset import DatasetDesign
from autolabel.quality.dataset_plan import plan_dataset
from autolabel.quality.machine import MachineDesign
from autolabel.quality.per_class import PerClassDesign
from autolabel.quality.per_class_plan import plan_per_class
from autolabel.quality.region import plan_machine_look

if TYPE_CHECKING:
    from collections.abc import Callable

    from autolabel.quality.contract import Quality
    from autolabel.quality.design import Design, Frozen
    from autolabel.quality.planner import Forecast, Situation

_PLANS: dict[Contract, Callable[[Frozen, Quality, Situation], Forecast]] = {
    Contract.DATASET: plan_dataset,
    Contract.MACHINE: plan_machine_look,
    Contract.PER_CLASS: plan_per_class,
}
_DESIGNS: dict[Contract, Callable[[dict[str, Any]], Design]] = {
    Contract.DATASET: DatasetDesign.from_json,
    Contract.MACHINE: MachineDesign.from_json,
    Contract.PER_CLASS: PerClassDesign.from_json,
}


def plan_look(frozen: Frozen, quality: Quality, situation: Situation) -> Forecast:
    """Choose the audit of a look that makes the whole job cheapest, and forecast its outcome.

    Parameters
    ----------
    frozen
        Predictions of the remainder in walking order.
    quality
        The promise asked for.
    situation
        What is labeled, what it costs, what may still be spent, and how far predicted errors are to be trusted.

    Returns
    -------
    The forecast, with the design in it; one without audits where no look saves anything.
    """
    return _PLANS[quality.contract](frozen, quality, situation)


def design_to_json(design: Design) -> dict[str, Any]:
    """Plain JSON members, the contract's name among them."""
    return {"contract": design.contract.value, **design.to_json()}


def design_from_json(facts: dict[str, Any]) -> Design:
    """Read `design_to_json`'s form back, as it is.

    Raises
    ------
    ValueError, TypeError, KeyError
        The facts are not a design's.
    """
    members = {name: value for name, value in facts.items() if name != "contract"}
    return _DESIGNS[Contract(facts["contract"])](members)

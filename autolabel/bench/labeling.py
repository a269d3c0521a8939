"""What a strategy did with a data set, and the figures it is compared by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.bench.people import People
    from autolabel.quality.contract import Quality

PRICES = {
    "list": (0.08 + 0.012, 0.08),
    "cheap": (0.003, 0.0),
    "panel": (0.08 + 3 * 0.012, 0.08),
    "free machine": (0.08 + 0.012, 0.0),
    "answer": (0.04, 0.0),
}
"""Dollars for a human and a machine label: Ground Truth's with one worker, a cheap crowd, Ground Truth's with three
workers, Ground Truth's people beside one's own machine, and four cents an answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Labeling:
    """Who labeled what. Objects that appear nowhere were left without a label.

    Attributes
    ----------
    train, check, rest
        Objects people labeled for training, for validation or audit, and because nobody else did; disjoint.
    machine, machine_labels
        Objects the machine labeled and its labels, shape ``(M,)``.
    forecasts
        Of a strategy that has them: labels bought and labels by people then expected in all, a pair for each round.
    rounds
        Trainings.
    """

    train: NDArray[np.int64]
    check: NDArray[np.int64]
    rest: NDArray[np.int64]
    machine: NDArray[np.int64]
    machine_labels: NDArray[np.int64]
    forecasts: tuple[tuple[int, int], ...] = ()
    rounds: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy, one data set, one seed."""

    data: str
    strategy: str
    seed: int
    error: float
    delta: float
    objects: int
    classes: int
    train: int
    check: int
    rest: int
    human: int
    machine: int
    unlabeled: int
    wrong: int
    """Labels that differ from the reference: what people would have said."""
    machine_wrong: int
    untrue: int
    """Labels that differ from the truth, people's own mistakes included."""
    broken: bool
    """Whether more than the promised share of all labels differs from the reference."""
    machine_broken: bool
    """The same of the machine's labels."""
    forecast: int | None
    """The last forecast of `human` before it was known."""
    forecast_half: int | None
    """The forecast when half of the labels for training had been bought."""
    rounds: int
    seconds: float
    """Of processor time."""
    note: str = ""
    forecasts: tuple[tuple[int, int], ...] = ()
    """Labels bought and labels by people then expected in all, a pair for each round."""

    def dollars(self, prices: str) -> float:
        """Cost at one of `PRICES`; objects left without a label cost as much as a human one."""
        human, machine = PRICES[prices]
        return human * (self.human + self.unlabeled) + machine * self.machine

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members."""
        return asdict(self)


def row_of(
    found: Labeling,
    *,
    data: str,
    strategy: str,
    seed: int,
    quality: Quality,
    truth: NDArray[np.int64],
    classes: int,
    people: People,
    seconds: float,
) -> Row:
    """Count what a strategy did, and compare it with what people would have said and with the truth."""
    humans = np.concatenate([found.train, found.check, found.rest])
    everybody = np.concatenate([humans, found.machine])
    if len(np.unique(everybody)) != len(everybody):
        msg = f"{strategy} labeled an object twice"
        raise AssertionError(msg)
    machine_wrong = int((found.machine_labels != people(found.machine)).sum())
    untrue = int((found.machine_labels != truth[found.machine]).sum() + (people(humans) != truth[humans]).sum())
    bought = len(found.train)
    half = [forecast for labels, forecast in found.forecasts if labels >= bought / 2]
    return Row(
        data=data,
        strategy=strategy,
        seed=seed,
        error=quality.error,
        delta=quality.delta,
        objects=len(truth),
        classes=classes,
        train=len(found.train),
        check=len(found.check),
        rest=len(found.rest),
        human=len(humans),
        machine=len(found.machine),
        unlabeled=len(truth) - len(everybody),
        wrong=machine_wrong,
        machine_wrong=machine_wrong,
        untrue=untrue,
        broken=machine_wrong > round(quality.error * len(everybody), 9),
        machine_broken=machine_wrong > round(quality.error * len(found.machine), 9),
        forecast=found.forecasts[-1][1] if found.forecasts else None,
        forecast_half=half[0] if half else None,
        rounds=found.rounds,
        seconds=round(seconds, 2),
        note=found.note,
        forecasts=found.forecasts,
    )

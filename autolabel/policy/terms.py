"""What is agreed before a job begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autolabel.quality.contract import Quality
    from autolabel.quality.planner import Prices

PROBES = 10
"""Objects that people label before anything else; Ground Truth's own number."""
BATCHES = 50
"""Batches that would label everything, unless a batch size is asked for."""
SMALLEST_BATCH = 20


@dataclass(frozen=True, slots=True)
class Terms:
    """The promise, the prices, and how people are asked."""

    objects: int
    """N, every object of the data set."""
    quality: Quality
    prices: Prices
    batch: int
    """Objects that people label between two trainings."""
    selection: str = "margin-diverse"
    """Name of a strategy of `autolabel.selection.strategies`."""
    training_price: float = 0.0
    """Dollars of one training and scoring."""
    second_price: float = 0.0
    """Dollars of a second of machine time."""
    tune_from: int | None = None
    """Labels from which on the network may be trained too, see `tuning`; ``None``: never."""

    @property
    def machine_pays(self) -> bool:
        """Whether a machine label is cheaper than a human one: else none ever pays, whatever is learned."""
        return self.prices.machine < self.prices.human


def round_seconds(objects: int, classes: int) -> float:
    """About how long a training and scoring takes on two cores: what a price an hour is multiplied by."""
    return 0.5 + 3e-6 * objects * classes


def batch_size(objects: int, classes: int, *, asked: int | None, at_once: int) -> int:
    """Objects between two trainings: `asked` for, or a fiftieth of the data and two a class; `at_once` at most."""
    size = asked if asked is not None else max(SMALLEST_BATCH, 2 * classes, objects // BATCHES)
    return min(size, at_once)

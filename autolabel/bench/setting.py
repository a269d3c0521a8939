"""What every strategy is given: the sample, the people, the promise, a batch limit and a seed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from autolabel.bench.labeling import Labeling
from autolabel.policy.terms import Terms, batch_size
from autolabel.policy.tuning import tune_from
from autolabel.quality.planner import Prices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.bench.people import People
    from autolabel.bench.sample import Sample
    from autolabel.learning.base import Arrays
    from autolabel.quality.contract import Quality

LIST_PRICES = Prices(human=0.092, machine=0.08)


@dataclass(slots=True)
class Lessons:
    """First trainings of strategies that share their luck: the same labels need not be learned twice."""

    learned: dict[bytes, tuple[Arrays, float]] = field(default_factory=dict)
    """By the labeled objects: the model and the processor seconds it took."""
    borrowed: float = 0.0
    """Seconds of lessons that were taken from here."""


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """One run of a strategy."""

    sample: Sample
    people: People
    quality: Quality
    seed: int
    batch: int | None = None
    """Objects people label between two trainings; ``None``: the job's default."""
    prices: Prices = LIST_PRICES
    fine_tune: bool = False
    """Whether our own strategy may train the network too."""
    lessons: Lessons = field(default_factory=Lessons)
    """Of strategies that see the same sample, people and seed."""

    @property
    def pool(self) -> NDArray[np.int64]:
        """Objects that can be labeled by a machine."""
        return self.sample.pool

    def rng(self, name: str) -> np.random.Generator:
        """Return the generator of one decision: from seed, data set and name, so that strategies share their luck."""
        return np.random.default_rng([self.seed, zlib.crc32(self.sample.name.encode()), zlib.crc32(name.encode())])

    def terms(self) -> Terms:
        """What a job would agree to."""
        objects, classes = len(self.sample.truth), self.sample.classes
        return Terms(
            objects,
            self.quality,
            self.prices,
            batch_size(objects, classes, asked=self.batch, at_once=objects),
            tune_from=tune_from(classes) if self.fine_tune and self.sample.learner.tunable else None,
        )

    def rest(self, *labeled: NDArray[np.int64]) -> NDArray[np.int64]:
        """Objects that are in none of these."""
        return np.setdiff1d(np.arange(len(self.sample.truth)), np.concatenate([np.empty(0, np.int64), *labeled]))


Strategy = Callable[[Setting], Labeling]

"""What a look is planned with and what it is expected to give.

Everything here is a forecast. It decides what is bought, never what is promised: the promise is the certificate's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaincinv

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.quality.design import Design

USUAL_RATIO = 0.75
"""Errors in the remainder to errors predicted there. Cross-fitted heads saw a fifth fewer labels than the one that
predicts, and picked labels are harder than the rest: from the fifth round on 0.65 to 0.9 were measured on trec6,
clothing10, agnews12k and banking77."""
USUAL_SLOPE = 1.15
"""How much surer the predicting head is than the cross-fitted ones that its error model learned from, on the scale of
log odds: 1.0 to 1.45 were measured on digits, trec6, clothing10 and agnews12k, more than 1.1 in most rounds."""
PRIOR_ERRORS = 20.0
FIFTHS = (np.arange(5) + 0.5) / 5
LEAST_PASS = 0.9
"""Predicted probability that a promise about a declared number of labels is reached, below which it is not declared."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars for one object labeled by people (all its workers and the fee) and for one labeled by the machine."""

    human: float
    machine: float


@dataclass(frozen=True, slots=True)
class Budget:
    """What may still be spent; ``None`` means without limit."""

    human_labels: int | None = None
    """Objects that people may still label, the audit included."""
    labels: int | None = None
    """Objects that may still be labeled by anybody."""

    @property
    def people(self) -> int:
        """Most objects that people may still be asked about."""
        return min((most for most in (self.human_labels, self.labels) if most is not None), default=1 << 62)

    def minus(self, people: int) -> Budget:
        """Return what is left when people have labeled so many objects."""
        human, labels = (None if most is None else max(0, most - people) for most in (self.human_labels, self.labels))
        return Budget(human, labels)

    def after(self, machine: int) -> Budget:
        """Return what is left when the machine has labeled so many objects."""
        return Budget(self.human_labels, None if self.labels is None else max(0, self.labels - machine))


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far predicted error probabilities are off, from exploration picks predicted before they were trained on."""

    scale: float = 1.0
    low: float = 0.5
    high: float = 2.0

    @property
    def spread(self) -> float:
        """About the relative standard deviation of the scale, from its 10 % and 90 % quantiles."""
        return (self.high - self.low) / (2.0 * 1.2816 * self.scale)

    def scales(self) -> NDArray[np.float64]:
        """Equally probable scales, shape ``(5,)``: what a look gives is averaged over them, since it is not linear."""
        if self.spread <= 0.0:
            return np.full(len(FIFTHS), self.scale)
        shape = 1.0 / self.spread**2
        return np.asarray(gammaincinv(shape, FIFTHS) / shape * self.scale)


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a job stands when a look is planned."""

    labeled: int
    """Objects labeled by people so far, earlier jobs' included; they belong to the delivered set."""
    prices: Prices
    budget: Budget = Budget()
    calibration: Calibration = Calibration()
    may_fail: int = 0
    """Objects of the remainder that may turn out to be impossible to label: not counted on by the promise."""

    def after(self, bought: int) -> Situation:
        """Return the situation when people have labeled so many more."""
        return replace(self, labeled=self.labeled + bought, budget=self.budget.minus(bought))

    def most_audits(self, remainder: int) -> int:
        """Largest audit that may be bought."""
        return min(remainder, self.budget.people)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a look now is expected to give. Counts are objects; `low` and `high` bound the human total at 80 %."""

    design: Design
    machine: int
    rest: int
    """Objects people label after the walk."""
    unlabeled: int
    human_total: int
    """Labels by people in the whole job: bought so far, audit and rest."""
    low: int
    high: int
    cost: float
    """Dollars of the whole job's labels; an object left unlabeled counts as a human one."""

    @classmethod
    def of(cls, design: Design, machine: MachineLabels, *, remainder: int, situation: Situation) -> Forecast:
        """Add up what a look with `design` gives; people label what the machine does not, as far as they may."""
        bought = situation.labeled + design.audits
        left = remainder - design.audits - machine.expected
        rest, fewest, most = (
            min(remainder - design.audits - labels, _people_after(design.audits, labels, situation.budget))
            for labels in (machine.expected, machine.most, machine.fewest)
        )
        return cls(
            design=design,
            machine=round(machine.expected),
            rest=round(rest),
            unlabeled=round(left - rest),
            human_total=round(bought + rest),
            low=round(bought + fewest),
            high=round(bought + most),
            cost=situation.prices.human * (bought + left) + situation.prices.machine * machine.expected,
        )


@dataclass(frozen=True, slots=True)
class MachineLabels:
    """Labels that a machine may be expected to make in a look; `fewest` and `most` bound them at 80 %."""

    expected: float
    fewest: float
    most: float

    def at_most(self, cap: float) -> MachineLabels:
        """Return the same with no more than `cap` labels."""
        return MachineLabels(min(cap, self.expected), min(cap, self.fewest), min(cap, self.most))


def _people_after(audits: int, machine: float, budget: Budget) -> float:
    """Most objects that people may label after an audit and so many machine labels."""
    left = float("inf") if budget.human_labels is None else budget.human_labels - audits
    return max(0.0, left if budget.labels is None else min(left, budget.labels - audits - machine))


def calibrate(predicted_errors: float, observed_errors: int) -> Calibration:
    """Scale predicted error probabilities so that they match exploration picks, shrunk towards `USUAL_RATIO`.

    A gamma posterior on the ratio of observed to predicted errors, whose prior is worth `PRIOR_ERRORS` predicted ones;
    10 % and 90 % quantiles bound it.
    """
    shape, rate = observed_errors + USUAL_RATIO * PRIOR_ERRORS, predicted_errors + PRIOR_ERRORS
    low, high = gammaincinv(shape, [0.1, 0.9]) / rate
    return Calibration(shape / rate, float(low), float(high))


def sharpened(error_probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Stretch error probabilities by `USUAL_SLOPE` in log odds, in the same order and with the same sum.

    The front of the order is where the machine labels: unstretched it looks half again as wrong as it is.
    """
    odds = error_probability.astype(np.float64)
    odds = (odds / np.maximum(1.0 - odds, 1e-12)) ** USUAL_SLOPE
    stretched = odds / (1.0 + odds)
    total = float(stretched.sum())
    if total > 0.0:
        stretched *= float(error_probability.sum(dtype=np.float64)) / total
    return np.minimum(stretched, 1.0)

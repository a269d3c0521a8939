"""The planner: what a look would give now, how large its audit should be, and whether to buy labels first.

Everything here is a forecast. It decides what is bought, never what is promised: the promise is the certificate's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from scipy.special import gammaincinv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autolabel.quality.design import Design

REST_BATCHES = 4
"""Look when people would have fewer than this many batches left to label after it."""
PATIENCE = 6
"""Rounds in a window: the job looks when the cheapest forecast of one window barely beats the window before."""
LEAST_GAIN = 0.005
"""What a window must save to go on."""
LEAST_SHARE = 0.05
"""Share of the objects to label before patience counts: the first heads of a many-class job forecast no saving."""
USUAL_RATIO = 0.8
"""Errors in the remainder to errors predicted there. Cross-fitted heads saw a fifth fewer labels than the one that
predicts, and picked labels are harder than the rest: from the fifth round on 0.65 to 0.9 were measured on trec6,
clothing10, agnews12k and banking77."""
PRIOR_ERRORS = 20.0
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

    def most_audits(self, remainder: int) -> int:
        """Largest audit that may be bought."""
        return min(remainder, self.budget.people)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What `decide` needs of a forecast."""

    cost: float
    machine: int
    rest: int


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

    @property
    def outlook(self) -> Outlook:
        """What the decision between buying and looking rests on."""
        return Outlook(round(self.cost, 6), self.machine, self.rest)

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


class Decision(StrEnum):
    """What to do next."""

    BUY = "buy"
    """Ask people for another batch."""
    LOOK = "look"
    """Freeze predictions, audit, certify, machine-label."""


def calibrate(predicted_errors: float, observed_errors: int) -> Calibration:
    """Scale predicted error probabilities so that they match exploration picks, shrunk towards `USUAL_RATIO`.

    A gamma posterior on the ratio of observed to predicted errors, whose prior is worth `PRIOR_ERRORS` predicted ones;
    10 % and 90 % quantiles bound it.
    """
    shape, rate = observed_errors + USUAL_RATIO * PRIOR_ERRORS, predicted_errors + PRIOR_ERRORS
    low, high = gammaincinv(shape, [0.1, 0.9]) / rate
    return Calibration(shape / rate, float(low), float(high))


def decide(outlooks: Sequence[Outlook], *, batch: int, labeled: int, objects: int, can_buy: bool) -> Decision:
    """Look when a further batch would only buy labels that a look gives for nothing, or when forecasts stop falling.

    Informative picks come out of the objects that people would have to label after a look anyway: while those are many
    batches, a batch costs next to nothing. Only when few are left does it eat into what the machine would label.

    Parameters
    ----------
    outlooks
        A look after every round so far, the last one now.
    batch
        Objects the next batch would ask.
    can_buy
        Whether a batch fits the pool and the budget with the audit still reserved, and machine labels can pay at all.
    """
    if not can_buy:
        return Decision.LOOK
    if labeled < LEAST_SHARE * objects:
        return Decision.BUY
    now = outlooks[-1]
    if now.machine and now.rest <= REST_BATCHES * batch:
        return Decision.LOOK
    if len(outlooks) < 2 * PATIENCE:
        return Decision.BUY
    # Windows, not the best ever: the first forecasts rest on few labels and may be far too hopeful.
    before = min(outlook.cost for outlook in outlooks[-2 * PATIENCE : -PATIENCE])
    lately = min(outlook.cost for outlook in outlooks[-PATIENCE:])
    return Decision.BUY if lately < (1.0 - LEAST_GAIN) * before else Decision.LOOK

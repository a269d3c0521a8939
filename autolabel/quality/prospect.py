"""Whether to buy labels before the look: what a look would give now, and after so many more labels.

Two things happen when people label a batch. Its objects leave the remainder, and because they were chosen where the
model is least sure, they take more errors with them than their number. And the model learns: of the objects that stay,
fewer are predicted wrongly. The second effect follows a power law, ``errors ~ labels ** -exponent`` (Cortes et al.
1993; Hestness et al. 2017), whose exponent is estimated from the rounds so far, on the objects that stayed, so that the
first effect is not in it. Both are applied to the predicted error probabilities of today, and a look is planned on what
comes out. On the benchmark's sets the total is flat around its minimum: where it costs the same to buy labels for
training or to leave them to people after the walk, the planner may be off by a third of the labels at a loss of 3 %.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.quality.design import Frozen
from autolabel.quality.look import plan_look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from autolabel.quality.contract import Quality
    from autolabel.quality.planner import Forecast, Situation

AHEAD = (1, 2, 4, 8, 16)
"""Batches that may be bought before the look, as looked at."""
LEAST_SHARE = 0.05
"""Share of the objects to label before a look: error probabilities that rest on a handful of errors are noise."""
EXPLORED = 0.1
"""Share of a batch that is drawn uniformly."""
USUAL_EXPONENT = 0.3
EXPONENT_SPREAD = 0.1
"""Standard deviation of the exponent over data sets, before a job has shown its own."""
ROUND_NOISE = 0.1
"""Standard deviation of the log of a round's predicted errors: each round fits its error model anew."""
STEEPEST = 1.0
"""No extrapolation is steeper: the first rounds of an easy job fall like a stone, and later ones do not."""


class Decision(StrEnum):
    """What to do next."""

    BUY = "buy"
    """Ask people for another batch."""
    LOOK = "look"
    """Freeze predictions, audit, certify, machine-label."""


@dataclass(frozen=True, slots=True)
class Learning:
    """How fast predicted errors have fallen on objects that stayed: sums of a regression through the origin."""

    fallen: float = 0.0
    """Sum of log label growth times log error fall, a term a round."""
    grown: float = 0.0
    """Sum of squared log label growth."""

    def and_then(self, *, labels: tuple[int, int], errors: tuple[float, float]) -> Learning:
        """Add a round.

        Parameters
        ----------
        labels
            Objects labeled before and after.
        errors
            Errors predicted before and after among the objects that were unlabeled after, both > 0.
        """
        growth = float(np.log(labels[1] / labels[0]))
        fall = float(np.log(errors[0] / errors[1]))
        return Learning(self.fallen + growth * fall, self.grown + growth * growth)

    @property
    def exponent(self) -> float:
        """Posterior mean of the power law's exponent, in [0, `STEEPEST`]."""
        noise, spread = ROUND_NOISE**-2, EXPONENT_SPREAD**-2
        mean = (self.fallen * noise + USUAL_EXPONENT * spread) / (self.grown * noise + spread)
        return float(np.clip(mean, 0.0, STEEPEST))

    def to_json(self) -> dict[str, float]:
        """Plain JSON members."""
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, float]) -> Learning:
        """Read `to_json`'s form back."""
        return cls(**facts)


@dataclass(frozen=True, slots=True)
class Prospect:
    """A look after so many more labels, and what the whole job is then expected to come to."""

    bought: int
    human_total: int
    low: int
    high: int
    machine: int
    cost: float

    @classmethod
    def of(cls, bought: int, forecast: Forecast, training: float = 0.0) -> Prospect:
        """Summarise a forecast; `training` is the price of the rounds in between."""
        return cls(
            bought, forecast.human_total, forecast.low, forecast.high, forecast.machine, forecast.cost + training
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members."""
        return asdict(self) | {"cost": round(self.cost, 6)}


def prospects(
    frozen: Frozen,
    quality: Quality,
    situation: Situation,
    *,
    batch: int,
    exponent: float,
    training_price: float = 0.0,
    most: int | None = None,
) -> list[Prospect]:
    """Forecast a look after each of `AHEAD` batches.

    Parameters
    ----------
    frozen
        Predictions of the remainder in walking order, of today's model.
    batch
        Objects of a batch, > 0.
    exponent
        Of the learning curve; see `Learning`.
    training_price
        Dollars of one training and scoring.
    most
        Objects that may be bought at all while an audit stays affordable.
    """
    found = []
    for batches in AHEAD:
        bought = batches * batch
        if bought >= len(frozen) or (most is not None and bought > most):
            break
        later = _after(frozen, bought, labeled=situation.labeled, exponent=exponent)
        forecast = plan_look(later, quality, situation.after(bought))
        found.append(Prospect.of(bought, forecast, batches * training_price))
    return found


def decide(
    now: Prospect, ahead: Sequence[Prospect], *, labeled: int, objects: int, can_buy: bool
) -> tuple[Decision, Prospect]:
    """Look when no further batch is expected to make the job cheaper; return also the best prospect.

    Parameters
    ----------
    labeled, objects
        Labeled so far by people, and in all: a look before `LEAST_SHARE` is not trusted.
    can_buy
        Whether a batch fits the pool and the budget with the audit still reserved, and machine labels can pay at all.
    """
    best = min((now, *ahead), key=lambda prospect: round(prospect.cost, 9))
    if not can_buy:
        return Decision.LOOK, now
    if labeled < LEAST_SHARE * objects and ahead:
        return Decision.BUY, min(ahead, key=lambda prospect: round(prospect.cost, 9))
    return (Decision.LOOK if best is now else Decision.BUY), best


def _after(frozen: Frozen, bought: int, *, labeled: int, exponent: float) -> Frozen:
    """Predictions after a purchase: the least confident and a uniform share are gone, the others are surer."""
    explored = round(EXPLORED * bought)
    left = len(frozen) - (bought - explored)
    kept = np.unique(np.linspace(0, left - 1, left - explored).astype(np.int64))
    surer = ((labeled + bought) / max(1, labeled)) ** -exponent
    probability: NDArray[np.float64] = frozen.error_probability[kept].astype(np.float64) * surer
    return Frozen(frozen.objects[kept], frozen.predicted[kept], probability)

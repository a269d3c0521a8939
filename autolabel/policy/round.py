"""A round: what the labels so far tell of the remainder, and whether to buy more of them or to look."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.policy.batches import affordable
from autolabel.quality.design import Frozen
from autolabel.quality.look import plan_look
from autolabel.quality.planner import Situation, calibrate, sharpened
from autolabel.quality.prospect import Decision, Learning, Prospect, decide, prospects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.learning.base import Predictions
    from autolabel.policy.terms import Terms
    from autolabel.quality.planner import Budget, Calibration, Forecast

SEARCH_AGAIN = 2.0
"""Hyper-parameters are searched again when the labels have grown by this factor."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rounds so far have shown of the predictions: nothing of it was trained on when it was predicted."""

    predicted: float = 0.0
    """Sum of the error probabilities of all uniform picks."""
    observed: int = 0
    """Errors found among them."""
    count: int = 0
    learning: Learning = field(default_factory=Learning)

    def explored(self, error_probability: NDArray[np.floating], wrong: NDArray[np.bool_]) -> Evidence:
        """Add uniform picks: what was predicted of them, and what people then said."""
        return replace(
            self,
            predicted=self.predicted + float(error_probability.sum(dtype=np.float64)),
            observed=self.observed + int(wrong.sum()),
            count=self.count + len(wrong),
        )

    def learned(self, *, labels: tuple[int, int], errors: tuple[float, float]) -> Evidence:
        """Add what a round's training changed; see `Learning.and_then`."""
        if labels[1] <= labels[0] or min(errors) <= 0.0:
            return self
        return replace(self, learning=self.learning.and_then(labels=labels, errors=errors))

    @property
    def calibration(self) -> Calibration:
        """How far error probabilities are off."""
        return calibrate(self.predicted, self.observed)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members."""
        return {
            "predicted": self.predicted,
            "observed": self.observed,
            "count": self.count,
            "learning": self.learning.to_json(),
        }

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Evidence:
        """Read `to_json`'s form back."""
        return cls(facts["predicted"], facts["observed"], facts["count"], Learning.from_json(facts["learning"]))


@dataclass(frozen=True, slots=True)
class Assessment:
    """What to do next and what is expected of it."""

    decision: Decision
    buy: int
    """Objects of the next batch; 0 where none can be bought."""
    look: Forecast
    """A look now; its design is the one that is taken."""
    expected: Prospect
    """The whole job, when the look comes at its best moment."""
    ahead: tuple[Prospect, ...]


def assess(
    terms: Terms,
    remainder: NDArray[np.int64],
    predictions: Predictions,
    evidence: Evidence,
    *,
    labeled: int,
    trained_on: int,
    budget: Budget,
    may_fail: int = 0,
) -> Assessment:
    """Plan a look now and after further batches, and choose.

    Parameters
    ----------
    remainder, predictions
        Unlabeled objects, ascending, and what the model says of each.
    labeled
        Objects labeled by people so far, earlier jobs' included.
    trained_on
        Those of them that the model has seen.
    may_fail
        Objects of the remainder that may turn out to be impossible to label.
    """
    frozen = Frozen.of(remainder, predictions.predicted, sharpened(predictions.error_probability))
    situation = Situation(labeled, terms.prices, budget, evidence.calibration, may_fail)
    look = plan_look(frozen, terms.quality, situation)
    audits = look.design.audits
    buy = affordable(terms.batch, audits=audits, remainder=len(remainder), people=budget.people)
    now = Prospect.of(0, look)
    if not (buy and terms.machine_pays):
        return Assessment(Decision.LOOK, 0, look, now, ())
    ahead = prospects(
        frozen,
        terms.quality,
        situation,
        batch=terms.batch,
        exponent=evidence.learning.exponent,
        training_price=terms.training_price,
        most=budget.people - audits,
    )
    decision, expected = decide(now, ahead, labeled=trained_on, objects=terms.objects, can_buy=True)
    return Assessment(decision, buy, look, expected, tuple(ahead))


def search_again(labels: int, searched_at: int | None) -> bool:
    """Whether hyper-parameters are searched anew, given how many labels there were when they last were."""
    return searched_at is None or labels >= SEARCH_AGAIN * searched_at

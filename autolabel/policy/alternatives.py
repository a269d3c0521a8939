"""What another promise or another budget would cost: the forecast of a job, asked again with one thing changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autolabel.policy.round import assess
from autolabel.policy.typical import forecast_before

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from autolabel.learning.base import Predictions
    from autolabel.policy.round import Evidence
    from autolabel.policy.terms import Terms
    from autolabel.quality.planner import Budget

ERRORS = (0.01, 0.02, 0.05, 0.1)
MORE = (1.5, 2.0)
"""Budgets looked at, as multiples of what is left."""


@dataclass(frozen=True, slots=True)
class State:
    """A job after a round: what its last model says of the objects without a label."""

    remainder: NDArray[np.int64]
    predictions: Predictions
    evidence: Evidence
    labeled: int
    """Objects labeled by people, earlier jobs' included."""
    trained_on: int


@dataclass(frozen=True, slots=True)
class Alternative:
    """The same job with one thing changed."""

    error: float
    """Largest share of wrong labels promised."""
    more_people: int | None
    """Objects people may label from here on; ``None``: no limit."""
    human_total: int
    low: int
    high: int
    cost: float


def alternatives(terms: Terms, classes: int, budget: Budget, state: State | None) -> Iterator[Alternative]:
    """Forecast the job at other promised errors, and, where its human labels are limited, at larger limits.

    Parameters
    ----------
    state
        Where the job stands; ``None`` before its first round.
    """
    for error in ERRORS:
        if error != terms.quality.error:
            yield _forecast(replace(terms, quality=replace(terms.quality, error=error)), classes, budget, state)
    if budget.human_labels is not None:
        limits = [*(round(budget.human_labels * factor) for factor in MORE), None]
        for limit in limits:
            yield _forecast(terms, classes, replace(budget, human_labels=limit), state)


def _forecast(terms: Terms, classes: int, budget: Budget, state: State | None) -> Alternative:
    error, limit = terms.quality.error, budget.human_labels
    if state is None:
        found = forecast_before(terms, classes, budget)
        return Alternative(error, limit, found["human_total"], found["low"], found["high"], found["cost"])
    expected = assess(
        terms,
        state.remainder,
        state.predictions,
        state.evidence,
        labeled=state.labeled,
        trained_on=state.trained_on,
        budget=budget,
    ).expected
    return Alternative(error, limit, expected.human_total, expected.low, expected.high, expected.cost)

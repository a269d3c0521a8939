"""What a job may come to before a single label is known: the planner on three typical learning curves.

The curves run through what was measured on eight data sets of 4 to 151 classes (benchmarks/labeling_cost): an easy one
as digits and intents have it, a usual one, and a hard one where the classes overlap. They say nothing of the data at
hand, which is why the interval is wide; the first rounds of a job replace them by its own errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import betaincinv

from autolabel.quality.design import Frozen
from autolabel.quality.look import plan_look
from autolabel.quality.planner import Calibration, Situation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.policy.terms import Terms
    from autolabel.quality.planner import Budget

LARGEST = 100_000
"""Objects that are planned for; of a larger data set a smaller share is labeled, which the forecast leaves out."""
SURENESS = 0.8
"""Sum of the parameters of the Beta distribution of error probabilities: most predictions are sure of themselves."""
SHARES = np.geomspace(0.005, 0.8, 16)
"""Shares of the data that people may label before the look."""
EXACT = Calibration(1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Share of wrong predictions in the remainder, ``height * (1 + labels per class) ** -exponent``."""

    height: float
    exponent: float

    def error(self, labels: int, classes: int) -> float:
        """Share of wrong predictions after so many labels; never more than guessing makes."""
        return float(min(1.0 - 1.0 / classes, self.height * (1.0 + labels / classes) ** -self.exponent))


EASY, USUAL, HARD = LearningCurve(1.0, 1.2), LearningCurve(1.0, 0.5), LearningCurve(1.0, 0.32)


def forecast_before(terms: Terms, classes: int, budget: Budget) -> dict[str, Any]:
    """Forecast a whole job before its first label.

    Returns
    -------
    ``human_total`` and ``cost`` on the usual curve, ``low`` and ``high`` labels by people on the easy and the hard one.
    """
    usual, easy, hard = (_cheapest(terms, classes, budget, curve) for curve in (USUAL, EASY, HARD))
    return {"human_total": usual[1], "low": min(easy[1], usual[1]), "high": max(hard[1], usual[1]), "cost": usual[0]}


def _cheapest(terms: Terms, classes: int, budget: Budget, curve: LearningCurve) -> tuple[float, int]:
    """Dollars and labels by people when the look comes at its best moment; people for everything is one."""
    scale = max(1.0, terms.objects / LARGEST)
    objects = round(terms.objects / scale)
    all_people = min(terms.objects, budget.people)
    best = (terms.objects * terms.prices.human, all_people)
    if not terms.machine_pays:
        return best
    for labels in np.unique((SHARES * objects).astype(np.int64)).tolist():
        if not terms.batch / scale <= labels <= budget.people:
            continue
        error = curve.error(round(labels * scale), classes)
        frozen = _pool(objects - labels, classes, error)
        situation = Situation(labels, terms.prices, budget.minus(labels), EXACT)
        found = plan_look(frozen, terms.quality, situation)
        trainings = labels * scale / terms.batch * terms.training_price
        best = min(best, (found.cost * scale + trainings, round(found.human_total * scale)))
    return best


def _pool(count: int, classes: int, error: float) -> Frozen:
    """Predictions whose error probabilities are spread as a Beta distribution of the given mean."""
    ranks = (np.arange(count) + 0.5) / max(1, count)
    probability: NDArray[np.float64] = np.asarray(
        betaincinv(error * SURENESS, (1.0 - error) * SURENESS, ranks), dtype=np.float64
    )
    objects = np.arange(count)
    return Frozen(objects, objects % classes, probability)

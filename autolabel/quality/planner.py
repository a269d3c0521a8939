"""The planner: what a look would give now, how large its audit should be, and whether to buy labels first.

Everything here is a forecast. It decides what is bought, never what is promised: the promise is the certificate's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaincinv

from autolabel.quality.certificate import AuditDesign, Quality
from autolabel.quality.rule import audits_needed, wrong_labels_that_break

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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
QUANTILES = (np.arange(20) + 0.5) / 20
ALLOWED_GRID = (0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 85, 113, 150, 200, 270, 360, 480, 640)
LEAST_PASS = 0.9
"""Predicted probability of reaching a promised floor, below which it is not promised."""
FLOOR_GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Machine shares a budgeted job may promise in advance."""


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


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far predicted error probabilities are off, from exploration picks predicted before they were trained on."""

    scale: float = 1.0
    low: float = 0.5
    high: float = 2.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """What `decide` needs of a forecast."""

    cost: float
    machine: int
    rest: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a look now is expected to give. Counts are objects; `low` and `high` bound the human total at 80 %."""

    design: AuditDesign
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


def forecast_look(
    error_probability: NDArray[np.floating],
    *,
    quality: Quality,
    labeled: int,
    prices: Prices,
    budget: Budget,
    calibration: Calibration,
    may_fail: int = 0,
) -> Forecast:
    """Choose the audit that makes the whole job cheapest and forecast its outcome.

    Parameters
    ----------
    error_probability
        Of the remainder in walking order, ascending, shape ``(N,)``.
    labeled
        Objects labeled by people so far (earlier jobs' included); they belong to the promise.
    may_fail
        Objects of the remainder that may turn out to be impossible to label: not counted on by the promise.

    Notes
    -----
    The walk's stop is where audited errors reach ``allowed + 1``; with audits at rate m/N they arrive like a Poisson
    process in the cumulated error probability, so the stop's quantiles are gamma quantiles.
    """
    cumulated = np.cumsum(error_probability, dtype=np.float64)
    best: Forecast | None = None
    for design in _designs(len(error_probability), quality, labeled, budget, may_fail):
        found = _outcome(design, cumulated, labeled, prices, budget, calibration)
        if best is None or found.cost < best.cost - 1e-9:
            best = found
    if best is None:
        msg = "no audit design was considered; the empty one always is"
        raise AssertionError(msg)
    return best


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


def _designs(remainder: int, quality: Quality, labeled: int, budget: Budget, may_fail: int) -> list[AuditDesign]:
    """Audit designs worth comparing: the economical audit sizes, for each floor the budget may need."""
    most_audits = remainder if budget.human_labels is None else min(remainder, budget.human_labels)
    designs = []
    for floor in FLOOR_GRID:
        expected = max(0, remainder - may_fail)
        if budget.human_labels is not None:
            expected = min(expected, int(floor * expected) + budget.human_labels)
        if budget.labels is not None:
            expected = min(expected, budget.labels)
        promised = labeled + expected
        limit = wrong_labels_that_break(quality.error, promised)
        sizes = {0, *(_sizes(remainder, limit, quality.delta, most_audits))}
        designs += [
            AuditDesign.of(quality, promised_labels=promised, remainder=remainder, audits=size) for size in sizes
        ]
        if budget.human_labels is None or budget.human_labels >= remainder:
            break  # people can label whatever the machine does not: no floor is needed
    return designs


def _sizes(remainder: int, limit: int, delta: float, most: int) -> list[int]:
    sizes = []
    for allowed in ALLOWED_GRID:
        size = audits_needed(remainder, limit, allowed, delta)
        if size is None or size > most:
            break
        sizes.append(size)
    return sizes


def _outcome(
    design: AuditDesign,
    cumulated: NDArray[np.float64],
    labeled: int,
    prices: Prices,
    budget: Budget,
    calibration: Calibration,
) -> Forecast:
    """Average the outcome of one design over the stop's quantiles, and over the calibration for the interval."""
    machine = _machine_quantiles(design, cumulated * calibration.scale, budget)
    floor = design.promised_labels - labeled - _human_capacity(design, budget)
    passing = machine >= floor  # a walk that misses its floor is refused
    expected = float(machine[passing].mean()) if passing.mean() >= LEAST_PASS else 0.0
    pessimist = float(np.quantile(_machine_quantiles(design, cumulated * calibration.high, budget), 0.1))
    optimist = float(np.quantile(_machine_quantiles(design, cumulated * calibration.low, budget), 0.9))
    rest, unlabeled = _people_after(design, expected, budget)
    human_total = labeled + design.audits + rest
    cost = prices.human * (human_total + unlabeled) + prices.machine * expected
    return Forecast(
        design=design,
        machine=round(expected),
        rest=round(rest),
        unlabeled=round(unlabeled),
        human_total=round(human_total),
        low=round(labeled + design.audits + _people_after(design, optimist, budget)[0]),
        high=round(labeled + design.audits + _people_after(design, pessimist, budget)[0]),
        cost=cost,
    )


def _machine_quantiles(design: AuditDesign, cumulated: NDArray[np.float64], budget: Budget) -> NDArray[np.float64]:
    """Machine labels at each of `QUANTILES` of the stop, shape ``(20,)``, descending confidence of the walk."""
    if design.allowed is None or design.remainder == 0:
        return np.zeros(len(QUANTILES))
    rate = design.audits / design.remainder
    if rate == 0.0 or design.allowed >= design.audits:
        stops = np.full(len(QUANTILES), float(design.remainder))
    else:
        arrivals = gammaincinv(design.allowed + 1.0, QUANTILES) / rate
        stops = np.searchsorted(cumulated, arrivals).astype(np.float64)
    machine = stops * (1.0 - rate)
    cap = np.inf if budget.labels is None else max(0, budget.labels - design.audits)
    return np.minimum(machine, cap)


def _human_capacity(design: AuditDesign, budget: Budget) -> int:
    """Most labels people can add to the delivered set from here on, the audit included."""
    return design.remainder if budget.human_labels is None else min(design.remainder, budget.human_labels)


def _people_after(design: AuditDesign, machine: float, budget: Budget) -> tuple[float, float]:
    """Objects people label after the walk, and objects nobody labels."""
    left = design.remainder - design.audits - machine
    rest = left
    if budget.human_labels is not None:
        rest = min(rest, budget.human_labels - design.audits)
    if budget.labels is not None:
        rest = min(rest, max(0.0, budget.labels - design.audits - machine))
    return rest, left - rest

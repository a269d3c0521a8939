"""The plan of a machine contract: region, audit and floors, chosen from predicted error probabilities.

What is maximised is the expected number of machine labels. Because people label everything else, the audit included,
``people's labels = remainder - machine labels`` whatever the audit's size: to buy the fewest human labels is the same
goal, and any two prices with the machine's below people's have the same best plan. Only the risk is kept apart: a plan
must reach its least floor with a predicted probability of at least `LEAST_PASS`.

Everything here is a forecast: wrongly audited predictions before a rank arrive like a Poisson process in the cumulated
error probability, thinned by the audit's rate; with `spread`, its intensity is uncertain and the counts are negative
binomial. The promise does not rest on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, gammainc, gammaincc, gammaincinv, gammaln, nbdtrik, xlogy

from autolabel.quality.machine import MachineDesign
from autolabel.quality.planner import LEAST_PASS, Forecast, MachineLabels
from autolabel.quality.rule import wrong_labels_that_break

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.quality.contract import Quality
    from autolabel.quality.design import Frozen
    from autolabel.quality.planner import Calibration, Situation

LADDER = 0.88 ** np.arange(10)
"""Floors as shares of the largest possible one."""
JOINT_LEVEL = 0.45
"""Share of delta that a floor of the ladder has for itself, about; used for the search only."""
FACTORS = (np.arange(7) + 0.5) / 7
"""Quantiles of the common factor that a forecast averages over."""
REGIONS, AUDITS, FINALISTS = 24, 24, 3
LARGE = 3_000
"""Audits beyond which the search's approximation is as good as an exact comparison."""


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """A design and what it is expected to give."""

    design: MachineDesign | None
    """``None``: people label everything; see `reason`."""
    machine: float
    """Expected machine labels, a little on the low side."""
    passing: float
    """Predicted probability that any floor is certified."""
    people: float
    """Expected labels by people: audit and rest."""
    reason: str
    """Why nothing is planned; empty otherwise."""

    @property
    def audits(self) -> int:
        """Objects the plan audits."""
        return 0 if self.design is None else self.design.audits


def plan_machine(
    error_probability: NDArray[np.floating],
    *,
    error: float,
    delta: float,
    most_audits: int | None = None,
    most_labels: int | None = None,
    spread: float = 0.0,
) -> MachinePlan:
    """Choose region, audit and floors for the largest expected number of machine labels.

    Parameters
    ----------
    error_probability
        Calibrated probability that each prediction is wrong, in walking order, shape ``(N,)``.
    error, delta
        The contract: largest share of wrong machine labels, and allowed probability that it is broken.
    most_audits
        Largest audit that may be bought; ``None``: no limit.
    most_labels
        Most objects that may be labeled at all, by the audit and the machine; ``None``: no limit.
    spread
        Relative standard deviation of a common factor by which all error probabilities may be off.

    Notes
    -----
    A grid of regions and audit sizes is compared with the negative binomial limit of the rule, all at once; the best
    few and their neighbours are then designed exactly.
    """
    remainder = len(error_probability)
    cumulated = np.concatenate([[0.0], np.cumsum(error_probability, dtype=np.float64)])
    most = remainder if most_audits is None else min(most_audits, remainder)
    cap = remainder if most_labels is None else min(most_labels, remainder)
    candidates = _likely(cumulated, error, delta, most, cap, spread)[0]
    if len(candidates):
        finalists = {(int(r), int(m)) for r, m in candidates[: 1 if candidates[0, 1] > LARGE else FINALISTS]}
        finalists |= {
            (r, round(m * f))
            for r, m in finalists
            for f in (0.93, 1.07)
            if m <= LARGE and 0 < round(m * f) < min(r, most + 1, cap)
        }
        plans = [_plan(r, m, cumulated, error, delta, cap, spread) for r, m in sorted(finalists)]
        best = max(plans, key=lambda plan: plan.machine)
        if best.machine > 0:
            return best
    reason = f"no audit of at most {most:,} objects is likely to certify {100 * error:g} % of machine labels"
    return MachinePlan(None, 0.0, 0.0, float(remainder), reason)


def expected_labels(
    error_probability: NDArray[np.floating], *, error: float, delta: float, spread: float = 0.0
) -> float:
    """Machine labels that the best plan is expected to give, by the search's approximation: in milliseconds."""
    cumulated = np.concatenate([[0.0], np.cumsum(error_probability, dtype=np.float64)])
    remainder = len(error_probability)
    _, machine = _likely(cumulated, error, delta, remainder, remainder, spread)
    return float(machine[0]) if len(machine) else 0.0


def plan_machine_look(frozen: Frozen, quality: Quality, situation: Situation) -> Forecast:
    """Plan a look of the machine contract, or none where no plan saves anything."""
    remainder, calibration = len(frozen), situation.calibration
    none = MachineDesign.of(error=quality.error, delta=quality.delta, region=0, audits=0, floors=[])
    forecasts = [Forecast.of(none, MachineLabels(0.0, 0.0, 0.0), remainder=remainder, situation=situation)]
    plan = plan_machine(
        np.minimum(1.0, frozen.error_probability * calibration.scale),
        error=quality.error,
        delta=quality.delta,
        most_audits=situation.most_audits(remainder),
        most_labels=situation.budget.labels,
        spread=calibration.spread,
    )
    if plan.design is not None:
        labels = expected_range(plan.design, plan.machine, frozen.error_probability, calibration)
        forecasts.append(Forecast.of(plan.design, labels, remainder=remainder, situation=situation))
    return min(forecasts, key=lambda forecast: round(forecast.cost, 9))


def expected_range(
    design: MachineDesign, machine: float, error_probability: NDArray[np.floating], calibration: Calibration
) -> MachineLabels:
    """Machine labels of a design when error probabilities are off as far as the calibration says."""
    cumulated = np.concatenate([[0.0], np.cumsum(error_probability, dtype=np.float64)])
    fewest, most = (forecast(design, scale * cumulated, 0.0)[0] for scale in (calibration.high, calibration.low))
    return MachineLabels(machine, min(fewest, machine), max(most, machine))


def _likely(
    cumulated: NDArray[np.float64], error: float, delta: float, most: int, cap: int, spread: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Regions and audit sizes, shape ``(G, 2)``, and the machine labels each may give, the best first."""
    candidates = _candidates(cumulated, error, delta, most, cap)
    if not len(candidates):
        return candidates, np.empty(0)
    machine, passing = _approximate(candidates, cumulated, error, delta, cap, spread)
    machine = np.where(passing >= LEAST_PASS - 0.1, machine, 0.0)
    order = np.argsort(-machine, kind="stable")
    return candidates[order], machine[order]


def _candidates(cumulated: NDArray[np.float64], error: float, delta: float, most: int, cap: int) -> NDArray[np.int64]:
    """Regions and audit sizes worth comparing, shape ``(G, 2)``."""
    remainder = len(cumulated) - 1
    # The walk stops before the error share of the whole passes `error`: a region far beyond that is never used.
    inside = np.flatnonzero(cumulated[1:] <= 1.5 * error * np.arange(1, remainder + 1) + 1.0)
    largest = min(int(inside[-1]) + 1 if len(inside) else 0, cap)
    pairs = []
    for region in np.unique(np.linspace(0.1 * largest, largest, REGIONS).astype(np.int64)).tolist():
        clean = region * (1.0 - delta ** (1.0 / (error * region + 1.0)))  # about the smallest clean audit
        sizes = np.geomspace(max(1.0, 0.7 * clean), max(1.0, 0.9 * region), AUDITS).astype(np.int64)
        pairs += [(region, size) for size in np.unique(sizes).tolist() if size < region and size <= most]
    return np.asarray(pairs, dtype=np.int64).reshape(-1, 2)


def _approximate(
    candidates: NDArray[np.int64], cumulated: NDArray[np.float64], error: float, delta: float, cap: int, spread: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bound from below the expected machine labels and the probability to certify any, of all candidates, ``(G,)``.

    P(some floor down to the j-th is certified) is at least the largest of their single probabilities.
    """
    region, audits = candidates[:, :1].astype(np.float64), candidates[:, 1:].astype(np.float64)
    rate, level = audits / region, JOINT_LEVEL * delta
    floors = np.maximum(1.0, np.floor((np.minimum(region, cap) - audits) * LADDER))
    limits = np.floor(error * floors) + 1.0
    # Errors audited before the limit-th un-audited one are negative binomial where the pool is large.
    allowed = np.where((1.0 - rate) ** limits <= level, np.floor(nbdtrik(level, limits, 1.0 - rate)), -1.0)
    ranks = np.minimum(region, np.ceil(floors / (1.0 - rate))).astype(np.int64)
    reached = np.maximum.accumulate(_at_most(allowed, rate * cumulated[ranks], spread), axis=1)
    steps = floors - np.concatenate([floors[:, 1:], np.zeros((len(floors), 1))], axis=1)
    return (steps * reached).sum(axis=1), reached[:, -1]


def _at_most(allowed: NDArray[np.float64], mean: NDArray[np.float64], spread: float) -> NDArray[np.float64]:
    """P(count <= allowed) of a Poisson count whose mean is uncertain by a gamma factor; 0 where allowed is negative."""
    held = np.maximum(allowed, 0.0) + 1.0
    if spread > 0.0:
        shape = 1.0 / spread**2
        tail = betainc(shape, held, shape / (shape + mean))
    else:
        tail = gammaincc(held, mean)
    return np.where(allowed >= 0.0, tail, 0.0)


def _plan(
    region: int, audits: int, cumulated: NDArray[np.float64], error: float, delta: float, cap: int, spread: float
) -> MachinePlan:
    """Design a candidate exactly and forecast it."""
    floors = {_economical(int((min(region, cap) - audits) * share), error) for share in LADDER}
    design = MachineDesign.of(error=error, delta=delta, region=region, audits=audits, floors=sorted(floors))
    machine, passing = forecast(design, cumulated, spread)
    if passing < LEAST_PASS:
        machine = 0.0
    return MachinePlan(design, machine, passing, len(cumulated) - 1 - machine, "")


def _economical(floor: int, error: float) -> int:
    """Lower a floor as far as its number of allowed wrong labels stays the same."""
    wrong = wrong_labels_that_break(error, floor) - 1
    return max(1, floor if wrong == 0 else ceil(round(wrong / error, 9)))


def forecast(design: MachineDesign, cumulated: NDArray[np.float64], spread: float) -> tuple[float, float]:
    """Expected certified floor, and probability that there is one.

    Parameters
    ----------
    cumulated
        Expected wrong predictions before each rank, shape ``(N + 1,)``.
    spread
        Relative standard deviation of a common factor on them.
    """
    floors = [floor for floor in design.floors if floor.allowed is not None]
    if not floors:
        return 0.0, 0.0
    rate = design.audits / design.region
    labels = np.asarray([floor.machine_labels for floor in floors], dtype=np.float64)
    allowed = np.asarray([floor.allowed for floor in floors])
    ranks = np.minimum(design.region, np.ceil(labels / (1.0 - rate))).astype(np.int64)
    factors = np.ones(1) if spread == 0.0 else gammaincinv(1.0 / spread**2, FACTORS) * spread**2
    found = [_certified(labels, allowed, factor * rate * cumulated[ranks]) for factor in factors]
    machine, passing = np.mean(found, axis=0)
    return float(machine), float(passing)


def _certified(
    labels: NDArray[np.float64], allowed: NDArray[np.int64], means: NDArray[np.float64]
) -> tuple[float, float]:
    """Expected largest certified floor when errors arrive like a Poisson process; floors descend.

    From the largest floor backwards: `value` is what larger floors give, `none` the probability that they fail, both
    by the number of errors so far; beyond the last count no floor can be certified.
    """
    counts = np.arange(int(allowed.max()) + 1)
    value, none = np.zeros(len(counts)), np.ones(len(counts))
    before = np.append(means[1:], 0.0)
    for label, most, gap in zip(labels, allowed, np.maximum(0.0, means - before), strict=True):
        # `value` and `none` are seen from this floor's rank; take the floor itself into account, then step back.
        passed = counts <= most
        value, none = value + np.where(passed, label * none, 0.0), np.where(passed, 0.0, none)
        arrivals = np.exp(xlogy(counts, gap) - gap - gammaln(counts + 1.0))
        value = np.convolve(value[::-1], arrivals)[: len(counts)][::-1]
        none = np.convolve(none[::-1], arrivals)[: len(counts)][::-1] + gammainc(len(counts) - counts, gap)
    return float(value[0]), float(1.0 - none[0])

"""The machine contract: at most a share `error` of the machine's own labels is wrong.

Setting. As in `autolabel.quality.rule`: `remainder` objects with a frozen prediction and a frozen order. Fixed before
the audit: a *region*, the R most confident objects; an audit of m of them, drawn uniformly without replacement; and
*floors* ``M_1 > M_2 > ...``, numbers of machine labels worth certifying. Floor i breaks at
``r_i = floor(error * M_i) + 1`` wrong machine labels and its walk may pass ``k_i`` wrong audited predictions.

Rule. For each floor walk the region and stop just before the (k_i + 1)-th wrong audited prediction. The largest floor
whose walk leaves at least ``M_i`` un-audited objects before its stop is certified, and those objects are
machine-labeled. If there is none, nothing is.

Theorem. Let ``S_1, S_2, ...`` be nested sets of ``r_i + k_i`` objects of the region, and let the k_i be such that
P(for some i at most k_i of S_i are audited) <= delta. Then, with probability at least 1 - delta, at most a share
`error` of the machine labels is wrong (or there are none), whatever the model, the order and the pattern of errors.

Proof. List the wrong predictions of the region in walking order, then all its other objects in any fixed order; let
S_i be the first ``r_i + k_i`` of that list. Neither the list nor the S_i depend on the audit. By the proof in
`autolabel.quality.rule`, applied to floor i with S_i for F (its padding is the rest of the list), the walk of floor i
leaves r_i or more wrong un-audited objects before its stop only if at most k_i of S_i are audited. So with probability
at least 1 - delta *no* walk does, whichever floor is taken. A certified floor then has at most
``r_i - 1 = floor(error * M_i)`` wrong among at least M_i machine labels.

Several floors cost little. The sum of their single probabilities would be the bound of Bonferroni; but the sets are
nested, so one unlucky audit crosses them all together, and `autolabel.quality.crossing` gives the exact probability of
any crossing. Ten floors between 100 % and 32 % of the region then lose two or three audit errors against a single
one, where Bonferroni loses four to six, and a plan that was too hopeful falls to a lower floor instead of to none.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import gammaln

from autolabel.quality.audit import draw_audit, walk
from autolabel.quality.contract import Contract
from autolabel.quality.crossing import crossing_probability
from autolabel.quality.design import NOTHING_PLANNED, Outcome, Walk, check_audit, unaudited
from autolabel.quality.rule import ROUNDING, allowed_errors, violation_bound, wrong_labels_that_break

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from autolabel.quality.design import Frozen, Room


@dataclass(frozen=True, slots=True)
class Floor:
    """A number of machine labels that the audit may certify."""

    machine_labels: int
    """Fewest machine labels, ``M``."""
    limit: int
    """Wrong ones that would break the contract, ``r``."""
    allowed: int | None
    """Wrong audited predictions its walk may pass, ``k``; ``None``: this audit cannot certify it."""


@dataclass(frozen=True, slots=True)
class MachineDesign:
    """Everything that is fixed before the first audit label is seen."""

    contract: ClassVar[Contract] = Contract.MACHINE

    error: float
    delta: float
    region: int
    """Most confident objects that the audit is drawn from and the machine may label."""
    audits: int
    floors: tuple[Floor, ...]
    """Largest first; their limits differ."""

    @classmethod
    def of(cls, *, error: float, delta: float, region: int, audits: int, floors: Sequence[int]) -> MachineDesign:
        """Give each floor the errors it may pass.

        Parameters
        ----------
        error
            Largest share of wrong machine labels, in [0, 1).
        delta
            Allowed probability of a broken contract, in (0, 1).
        region, audits
            Sizes, 0 <= audits <= region.
        floors
            Numbers of machine labels, each in [1, region - audits]. Of floors that would break at the same number of
            wrong labels the smallest is kept.

        Raises
        ------
        ValueError
            When a size or a floor is out of range.
        """
        if any(not 1 <= floor <= region - audits for floor in floors):
            msg = f"found floors {list(floors)}; expected machine labels in [1, {region - audits}]"
            raise ValueError(msg)
        smallest = {wrong_labels_that_break(error, floor): floor for floor in sorted(floors, reverse=True)}
        limits = sorted(smallest, reverse=True)
        allowances = _allowances(region, audits, limits, delta)
        return cls(
            error, delta, region, audits,
            tuple(Floor(smallest[r], r, None if k < 0 else k) for r, k in zip(limits, allowances, strict=True)),
        )  # fmt: skip

    @property
    def can_certify(self) -> bool:
        """Whether a clean audit would certify anything."""
        return any(floor.allowed is not None for floor in self.floors)

    def violation_bound(self) -> float:
        """Largest probability that the contract is broken; never above `delta`."""
        sets = [(floor.limit + floor.allowed, floor.allowed) for floor in self.floors if floor.allowed is not None]
        return crossing_probability(self.region, self.audits, sets)

    def draw(self, frozen: Frozen, rng: np.random.Generator) -> NDArray[np.int64]:  # noqa: ARG002 - as `Design` has it
        """Draw from the region."""
        return draw_audit(self.region, self.audits, rng)

    def certify(self, ranks: NDArray[np.int64], wrong: NDArray[np.bool_], most: int | None = None) -> Walk:
        """Take the largest floor that the audit certifies, or refuse with a reason.

        Parameters
        ----------
        ranks
            Ascending ranks of the audited objects, all in the region, shape ``(m,)``.
        wrong
            Whether each audited prediction is wrong, shape ``(m,)``; an object nobody could label counts as wrong.
        most
            Machine labels that may be made at all; the most confident ones are. ``None``: no limit.
        """
        check_audit(self.audits, ranks, self.region)
        errors, farthest = int(wrong.sum()), 0
        refused = Walk(None, self.region, self.region, self.audits, errors, 0, None, 0, 0, 0, "")
        for floor in self.floors:
            walked = walk(self.region, ranks, wrong, floor.allowed)
            labeled = walked.machine_labeled if most is None else min(most, walked.machine_labeled)
            farthest = max(farthest, labeled)
            if floor.allowed is not None and labeled >= floor.machine_labels:
                return replace(
                    refused,
                    promised=floor.machine_labels,
                    allowed=floor.allowed,
                    stop_rank=walked.stop_rank,
                    machine_labeled=labeled,
                    wrong_at_most=min(floor.limit - 1, labeled),
                )
        return replace(refused, reason=self._refusal(errors, farthest))

    def walk(self, frozen: Frozen, ranks: NDArray[np.int64], losses: NDArray[np.floating], room: Room) -> Outcome:
        """Machine-label before the stop of the largest certified floor."""
        found = replace(self.certify(ranks, losses > 0.0, room.budget.labels), objects=len(frozen))
        machine = unaudited(found.stop_rank, ranks)[: found.machine_labeled]
        return Outcome(machine, (found,), found.reason)

    def holds(self, walks: tuple[Walk, ...], delivered: int) -> bool:  # noqa: ARG002 - as `Design` has it
        """Whether the wrong labels there may be are at most the share of each walk's machine labels."""
        return all(walk.wrong_at_most < wrong_labels_that_break(self.error, walk.machine_labeled) for walk in walks)

    def again(self, frozen: Frozen, *, error: float, delta: float) -> MachineDesign:
        """Apply the rule anew; a region beyond the remainder comes back cut, and hence unequal."""
        floors = [floor.machine_labels for floor in self.floors]
        region = min(self.region, len(frozen))
        return MachineDesign.of(error=error, delta=delta, region=region, audits=self.audits, floors=floors)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members."""
        return asdict(self) | {"floors": [asdict(floor) for floor in self.floors]}

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> MachineDesign:
        """Read `to_json`'s form back, as it is; `of` with the same sizes must give the same."""
        return cls(**(facts | {"floors": tuple(Floor(**floor) for floor in facts["floors"])}))

    def _refusal(self, errors: int, farthest: int) -> str:
        share = f"{100 * self.error:g} %"
        if not self.audits:
            return NOTHING_PLANNED
        if not self.can_certify:
            needed = clean_audits_needed(self.region, self.error, self.delta)
            if needed is None:
                return f"no audit of {self.region:,} objects can certify {share}"
            return (
                f"{self.audits:,} audits of {self.region:,} objects cannot certify {share}: at least {needed:,} clean "
                "ones are needed"
            )
        least = min(floor.machine_labels for floor in self.floors if floor.allowed is not None)
        found = "1 error" if errors == 1 else f"{errors:,} errors"
        return (
            f"the audit found {found}, which leaves {farthest:,} machine labels at best; at least {least:,} were "
            "declared worth certifying"
        )


def clean_audits_needed(region: int, error: float, delta: float) -> int | None:
    """Fewest audits without any error that certify all the rest of a region, or ``None``.

    The rest shrinks as the audit grows, and with it the number of wrong labels that break the contract.
    """
    audits = np.arange(1, region, dtype=np.float64)
    limits = np.round(error * (region - audits), 9) // 1 + 1
    # log P(Hypergeometric(region, limit, audits) = 0)
    log_clean = (
        gammaln(region - limits + 1) + gammaln(region - audits + 1)
        - gammaln(region + 1) - gammaln(region - limits - audits + 1)
    )  # fmt: skip
    enough = np.flatnonzero(log_clean <= np.log(delta))
    return int(audits[enough[0]]) if len(enough) else None


def _allowances(region: int, audits: int, limits: list[int], delta: float) -> list[int]:
    """Errors each floor may pass (-1: it cannot be certified), so that any crossing has probability at most delta.

    Starting from Bonferroni's allowances, errors are added in the order of their single probabilities as long as the
    exact joint probability allows, then floor by floor what still fits.
    """
    share = delta / max(1, len(limits))
    least = [_held(allowed_errors(region, limit, audits, share)) for limit in limits]
    most = [_held(allowed_errors(region, limit, audits, delta)) for limit in limits]
    steps = sorted(
        (violation_bound(region, limit, audits, allowed), place)
        for place, limit in enumerate(limits)
        for allowed in range(least[place] + 1, most[place] + 1)
    )

    def after(taken: int) -> list[int]:
        allowed = list(least)
        for _, place in steps[:taken]:
            allowed[place] += 1
        return allowed

    def safe(allowed: list[int]) -> bool:
        sets = [(limit + k, k) for limit, k in zip(limits, allowed, strict=True)]
        return crossing_probability(region, audits, sets) <= (1.0 - ROUNDING) * delta

    low, high = 0, len(steps)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if safe(after(middle)) else (low, middle - 1)
    allowed = after(low)
    for place in range(len(limits)):
        while allowed[place] < most[place]:
            more = [k + (place == other) for other, k in enumerate(allowed)]
            if not safe(more):
                break
            allowed = more
    return allowed


def _held(allowed: int | None) -> int:
    return -1 if allowed is None else allowed

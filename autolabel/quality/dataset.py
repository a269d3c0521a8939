"""The dataset contract: at most a share `error` of the delivered labels is wrong; labels by people count as right.

The rule and its proof are in `autolabel.quality.rule`. Here it is applied to a job whose delivered set may turn out
smaller than the data set.

Setting. Before the audit a number of labels is *promised*: the fewest that the delivered set will have. The walk must
leave fewer than ``limit = floor(error * promised) + 1`` wrong machine labels. Afterwards at least as many labels as
promised are delivered, or the machine's are refused, or (too late to refuse them) the certificate says that it is not
granted.

Theorem. With probability at least 1 - delta there is no granted certificate with more than ``error * delivered`` wrong
labels, however the number of delivered labels came about.

Proof. `limit` and the allowance are fixed before the audit. By the theorem of the rule fewer than `limit` of the
un-audited objects before the stop are wrong, but with probability delta; what the machine labels is a part of them, and
labels by people count as right. So there are at most ``min(limit - 1, machine labels)`` wrong labels, and a certificate
is granted only when that is at most ``error * delivered``. Nothing was assumed about `delivered`: budgets, failures and
a stop in the middle may depend on the audit.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from autolabel.quality.audit import draw_audit, walk
from autolabel.quality.contract import Contract
from autolabel.quality.design import NOTHING_PLANNED, Outcome, Walk, check_audit, unaudited
from autolabel.quality.rule import allowed_errors, audits_needed, wrong_labels_that_break

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from autolabel.quality.design import Frozen, Room


@dataclass(frozen=True, slots=True)
class DatasetDesign:
    """Everything that is fixed before the first audit label is seen."""

    contract: ClassVar[Contract] = Contract.DATASET

    error: float
    delta: float
    promised_labels: int
    """Least size of the delivered set that the promise is computed for: all objects, unless a budget says less."""
    remainder: int
    audits: int
    limit: int
    """Wrong labels that would break the promise, ``r``."""
    allowed: int | None
    """Wrong audited predictions the walk may pass, ``k_c``; ``None``: too few audits for any machine label."""

    @classmethod
    def of(cls, *, error: float, delta: float, promised_labels: int, remainder: int, audits: int) -> DatasetDesign:
        """Apply the rule to these sizes."""
        limit = wrong_labels_that_break(error, promised_labels)
        allowed = allowed_errors(remainder, limit, audits, delta)
        return cls(error, delta, promised_labels, remainder, audits, limit, allowed)

    def draw(self, frozen: Frozen, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw from the whole remainder."""
        return draw_audit(len(frozen), self.audits, rng)

    def walk(self, frozen: Frozen, ranks: NDArray[np.int64], losses: NDArray[np.floating], room: Room) -> Outcome:
        """Walk to the error too many; keep what the stopping conditions allow, or refuse all when it is too little."""
        check_audit(self.audits, ranks, len(frozen))
        wrong = losses > 0.0
        walked = walk(self.remainder, ranks, wrong, self.allowed)
        machine = unaudited(walked.stop_rank, ranks)[: room.budget.labels]
        shortfall = self._shortfall(len(machine), room)
        if shortfall:
            machine = machine[:0]
        reason = shortfall or ("" if len(machine) else self._why_none(walked.machine_labeled))
        found = Walk(
            predicted=None,
            objects=self.remainder,
            region=self.remainder,
            audited=self.audits,
            audit_errors=int(wrong.sum()),
            promised=self.promised_labels,
            allowed=self.allowed,
            stop_rank=walked.stop_rank,
            machine_labeled=len(machine),
            wrong_at_most=min(self.limit - 1, len(machine)),
            reason=reason,
        )
        return Outcome(machine, (found,), reason, bool(shortfall))

    def holds(self, walks: tuple[Walk, ...], delivered: int) -> bool:
        """Whether the wrong labels there may be are at most the share of those that are delivered."""
        wrong = sum(walk.wrong_at_most for walk in walks)
        return wrong < wrong_labels_that_break(self.error, delivered)

    def again(self, frozen: Frozen, *, error: float, delta: float) -> DatasetDesign:
        """Apply the rule anew."""
        return DatasetDesign.of(
            error=error,
            delta=delta,
            promised_labels=self.promised_labels,
            remainder=len(frozen),
            audits=self.audits,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members."""
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> DatasetDesign:
        """Read `to_json`'s form back, as it is."""
        return cls(**facts)

    def _shortfall(self, machine: int, room: Room) -> str:
        """Say why machine labels cannot be kept: fewer labels can be delivered than were promised."""
        left = self.remainder - self.audits - machine
        reachable = room.labeled + machine + min(left, room.budget.after(machine).people)
        if machine == 0 or reachable >= self.promised_labels - room.lost:
            return ""
        return (
            f"the walk left {machine:,} machine labels, and with what the stopping conditions allow people to label "
            f"that makes {reachable:,} of the {self.promised_labels:,} labels the promise was computed for"
        )

    def _why_none(self, before_stop: int) -> str:
        if self.remainder == 0:
            return "nothing was left for the machine"
        if self.allowed is None:
            return self._too_few_audits()
        if before_stop:
            return "the stopping conditions leave no label for the machine"
        return "the audit found too many errors among the most confident predictions"

    def _too_few_audits(self) -> str:
        needed = audits_needed(self.remainder, self.limit, 0, self.delta)
        share = f"{100 * self.error:g} %"
        if needed is None:
            return f"no audit of {self.remainder:,} objects can certify {share}"
        if not self.audits:
            return f"{NOTHING_PLANNED}; to certify {share} takes at least {needed:,} clean audits"
        return f"{self.audits:,} audits cannot certify {share}: at least {needed:,} clean ones are needed"

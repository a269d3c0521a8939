"""Leases: the rules by which tasks are lent to people. Values only: no clock, no tables, no network.

An object has as many places as people should answer it. A worker who accepts a task gets a *lease*: its number is the
fencing token, used once in a job's life, and it ends by an answer, a return, a decline, or its deadline. The rules are
Ground Truth's where it documents them (Batches for Labeling Tasks; Monitor Labeling Jobs) and Mechanical Turk's
for deadlines: who accepted in time may answer in time, even after the object is offered to nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class LeaseState(StrEnum):
    """Where a lease stands; all but the first are final."""

    ACTIVE = "active"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    """The worker gave it back; it may be lent again, also to the same worker."""
    DECLINED = "declined"
    """The worker does not want this object; as many declines as the object wants answers withdraw it."""
    EXPIRED = "expired"
    """The deadline passed, or the worker or the task was withdrawn."""


class Verdict(StrEnum):
    """What became of something a worker sent."""

    ACCEPTED = "accepted"
    """A new answer: counted and paid."""
    REPEATED = "repeated"
    """It was there already; a repeated request is a success."""
    REVISED = "revised"
    """The worker changed an answer that was still open; paid once."""
    LATE = "late"
    """The lease had ended: kept, neither counted nor paid."""
    REFUSED = "refused"
    """Nothing was changed."""


@dataclass(frozen=True, slots=True)
class QueueRules:
    """How tasks are lent.

    Raises
    ------
    ValueError
        A duration or a number that is not positive.
    """

    time_limit: timedelta
    """From accepting a task to its deadline: ``TaskTimeLimitInSeconds``."""
    lifetime: timedelta
    """How long an object is offered once it is open: ``TaskAvailabilityLifetimeInSeconds``."""
    window: int
    """Objects open at once: ``MaxConcurrentTaskCount``."""
    sets: bool = False
    """Open the next objects only when all of the last set are done, as the service does, instead of one by one."""
    revisable: int = 10
    """Latest answers of a worker that the worker may still change."""
    most_leases: int = 4
    """Leases that one worker may hold at a time: the object at hand, the next one, and a second tab's."""

    def __post_init__(self) -> None:
        """Refuse what would lend nothing."""
        if min(self.time_limit, self.lifetime).total_seconds() <= 0 or min(self.window, self.most_leases) < 1:
            raise ValueError(f"found {self}; expected positive durations and numbers")
        if self.revisable < 0:
            raise ValueError(f"found revisable = {self.revisable}; expected 0 or more")


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's right to answer one object."""

    id: int
    """The fencing token."""
    object: int
    worker: str
    accepted: datetime
    expires: datetime
    """The first moment at which an answer is late."""
    guess: Any = None
    """The label that the model proposes, where the worker is to see it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of something a worker sent, and why when it was not accepted."""

    verdict: Verdict
    message: str = ""

    @property
    def counted(self) -> bool:
        """Whether the answer stands as sent."""
        return self.verdict in {Verdict.ACCEPTED, Verdict.REPEATED, Verdict.REVISED}

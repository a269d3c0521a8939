"""What the task queue must do, in the plainest words: a model in dictionaries, to compare the real tables with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autolabel.workforce.leases import Verdict

if TYPE_CHECKING:
    from datetime import datetime

LABELS = ("cat", "dog", "owl")


@dataclass
class ModelObject:
    """One object; what stands in it is about the panel that is at it."""

    slots: int
    opened: bool = False
    frozen: bool = False
    answers: dict = field(default_factory=dict)
    declined: set = field(default_factory=set)
    active: dict = field(default_factory=dict)  # lease -> worker
    gone: int = 0  # places that only declines left empty when more were wanted
    before: dict = field(default_factory=dict)  # answers of the first panel, while the second is at it
    earlier: set = field(default_factory=set)  # who declined in it
    earlier_slots: int = 0

    @property
    def free(self):
        return self.slots - len(self.answers) - len(self.active) - self.gone

    def may_take(self, worker):
        """Whether somebody has not had his say yet."""
        return not any(
            worker in each for each in (self.answers, self.declined, self.active.values(), self.before, self.earlier)
        )


@dataclass
class ModelLease:
    object: int
    worker: str
    expires: datetime
    state: str = "active"


class Model:
    """The specification, in the plainest words."""

    def __init__(self, rules, slots):
        self.rules = rules
        self.objects = {number: ModelObject(each) for number, each in enumerate(slots)}
        self.leases: dict[int, ModelLease] = {}
        self.opened_at: dict[int, datetime] = {}
        self.answered: dict[str, list[int]] = {}

    def offered(self, number, now):
        it = self.objects[number]
        return (
            it.opened
            and not it.frozen
            and it.free > 0
            and len(it.declined) < it.slots
            and now < self.opened_at[number] + self.rules.lifetime
        )

    def working(self, now):
        return [
            n for n, it in self.objects.items() if it.opened and not it.frozen and (it.active or self.offered(n, now))
        ]

    def open_more(self, now):
        working = len(self.working(now))
        room = self.rules.window - working
        if self.rules.sets and working:
            return
        for number, it in self.objects.items():
            if room > 0 and not it.opened and not it.frozen:
                it.opened, self.opened_at[number] = True, now
                room -= 1

    def end(self, lease, state):
        entry = self.leases[lease]
        entry.state = state
        del self.objects[entry.object].active[lease]

    def expire(self, now):
        for lease, entry in self.leases.items():
            if entry.state == "active" and entry.expires <= now:
                self.end(lease, "expired")
        self.open_more(now)

    def held(self, worker):
        return [lease for lease, entry in self.leases.items() if entry.worker == worker and entry.state == "active"]

    def may_take(self, worker, now):
        """Objects that the worker may be lent."""
        return {number for number, it in self.objects.items() if self.offered(number, now) and it.may_take(worker)}

    def lend(self, lease, now):
        assert lease.object in self.may_take(lease.worker, now), "lent what may not be lent"
        assert lease.id not in self.leases, "a token was used twice"
        assert lease.expires == now + self.rules.time_limit
        self.leases[lease.id] = ModelLease(lease.object, lease.worker, lease.expires)
        self.objects[lease.object].active[lease.id] = lease.worker

    def submit(self, worker, lease, label, now):  # noqa: PLR0911 - one return a rule
        """Say what a submission must be answered, and do it."""
        entry = self.leases.get(lease)
        if entry is None or entry.worker != worker:
            return Verdict.REFUSED
        it = self.objects[entry.object]
        if entry.state == "submitted":
            if {**it.before, **it.answers}[worker] == label:
                return Verdict.REPEATED
            if worker in it.before:
                return Verdict.REFUSED
            newer = sum(
                each.worker == worker and each.state == "submitted" and number > lease
                for number, each in self.leases.items()
            )
            if it.frozen or newer >= self.rules.revisable or label not in LABELS:
                return Verdict.REFUSED
            it.answers[worker] = label
            return Verdict.REVISED
        if entry.state == "declined" or label not in LABELS:
            return Verdict.REFUSED
        if entry.state == "active" and now < entry.expires:
            self.end(lease, "submitted")
            it.answers[worker] = label
            self.open_more(now)
            return Verdict.ACCEPTED
        if entry.state == "active":
            self.end(lease, "expired")
        return Verdict.LATE

    def decline(self, worker, lease, now):
        entry = self.leases.get(lease)
        if entry is None or entry.worker != worker:
            return Verdict.REFUSED
        if entry.state == "declined":
            return Verdict.REPEATED
        if entry.state != "active" or now >= entry.expires:
            return Verdict.REFUSED
        self.end(lease, "declined")
        self.objects[entry.object].declined.add(worker)
        self.open_more(now)
        return Verdict.ACCEPTED

    def want_more(self, numbers, now):
        for number in numbers:
            it = self.objects[number]
            it.gone += it.free
            it.slots += 1
            it.opened = False
        self.open_more(now)

    def reopen(self, numbers, slots, now):
        for number in numbers:
            it = self.objects[number]
            it.before, it.answers, it.earlier, it.declined = it.answers, {}, it.declined, set()
            it.earlier_slots, it.slots, it.gone = it.slots, slots, 0
            it.opened = it.frozen = False
        self.open_more(now)

    def settled(self, now):
        return all(
            it.frozen or (it.opened and not it.active and not self.offered(n, now)) for n, it in self.objects.items()
        )

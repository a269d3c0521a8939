"""A world of careless workers around a task queue: everything in it follows from one seed.

The queue under test works on its real tables. Beside it stands a model of the specification in plain dictionaries,
which says what every operation must answer, and a log of what was acknowledged, which must be found again at the end.
A crash loses what was not committed, or the answer to what was; a worker who gets no answer sends again.
"""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files

from autolabel.errors import AnswerError
from autolabel.job.clock import MonotonicClock, parse
from autolabel.job.queue import TaskQueue
from autolabel.job.window import freeze, is_settled, publish_tasks
from autolabel.report.data import Purpose
from autolabel.workforce.leases import QueueRules, Verdict

PRICE = 12_000
LABELS = ("cat", "dog", "owl")


def fresh_tables():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.executescript(files("autolabel.job").joinpath("schema.sql").read_text())
    return connection


def content(label):
    return {"crowd-classifier": {"label": label}}


def check(given):
    if given.get("crowd-classifier", {}).get("label") not in LABELS:
        raise AnswerError("not a label")
    return given


class TurningClock:
    """A machine's clock whose date somebody keeps changing; its monotonic reading only goes on."""

    def __init__(self):
        self.wrong_by = 0.0
        self.reading = 0.0

    def pass_time(self, seconds):
        self.reading += seconds

    def now(self):
        return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=self.reading + self.wrong_by)

    def seconds(self):
        return self.reading


@dataclass
class ModelObject:
    slots: int
    opened: bool = False
    frozen: bool = False
    answers: dict = field(default_factory=dict)
    declined: set = field(default_factory=set)
    active: dict = field(default_factory=dict)  # lease -> worker


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
            and len(it.active) + len(it.answers) < it.slots
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
        return {
            number
            for number, it in self.objects.items()
            if self.offered(number, now)
            and worker not in it.answers
            and worker not in it.declined
            and worker not in it.active.values()
        }

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
            if it.answers[worker] == label:
                return Verdict.REPEATED
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

    def settled(self, now):
        return all(
            it.frozen or (it.opened and not it.active and not self.offered(n, now)) for n, it in self.objects.items()
        )


class Crash(Exception):  # noqa: N818 - it stands for the end of a process
    """The process died."""


class World:
    """One run of the simulation."""

    def __init__(self, seed):
        self.random = rng = random.Random(seed)
        self.rules = QueueRules(
            time_limit=timedelta(seconds=rng.choice((30, 60, 300))),
            lifetime=timedelta(seconds=rng.choice((600, 3_600, 86_400))),
            window=rng.choice((1, 2, 5, 100)),
            sets=rng.random() < 0.25,
            revisable=rng.choice((0, 2, 10)),
            most_leases=rng.choice((1, 2, 4)),
        )
        slots = [rng.choice((1, 1, 2, 3))] * rng.randint(1, 12)
        self.clock = TurningClock()
        self.tables = fresh_tables()
        self.model = Model(self.rules, slots)
        self.workers = [f"w{number}" for number in range(rng.randint(max(slots), 6))]
        self.known: dict[str, list[int]] = {worker: [] for worker in self.workers}
        self.acked: dict[tuple[int, str], list[str]] = {}
        self.sent: dict[int, set[str]] = {}
        self.late: set[int] = set()
        self.reopened: set[int] = set()
        self.faults = 0
        self.steps = 0
        self.start()
        now = self.time.now()
        publish_tasks(self.tables, self.rules, now, range(len(slots)), batch=1, purpose=Purpose.TRAIN, slots=slots[0])
        self.model.open_more(now)

    def start(self):
        """Begin a process: nothing is remembered but the tables."""
        row = self.tables.execute("SELECT MAX(at) FROM event").fetchone()[0]
        self.time = MonotonicClock(self.clock, floor=parse(row) if row else None)
        self.queue = TaskQueue(self.rules, check, PRICE)

    def transaction(self):
        return _Transaction(self)

    def run(self):
        """Let the workers work until nobody can any more; check everything on the way and at the end."""
        while not self.model.settled(self.time.now()):
            self.steps += 1
            assert self.steps < 20_000, "the batch never ends"
            self.happen()
        now = self.time.now()
        assert is_settled(lambda q, *v: self.tables.execute(q, v).fetchone(), self.rules, now, 1)
        assert freeze(self.tables, self.rules, now, 1)
        for it in self.model.objects.values():
            it.frozen = True
        for lease, labels in list(self.sent.items())[:5]:  # what comes after that changes nothing
            self.submit(self.model.leases[lease].worker, lease, self.random.choice(LABELS))
            assert labels
        self.audit()

    def happen(self):
        rng = self.random
        kind = rng.random()
        if kind < 0.03:
            self.faults += 1
            self.clock.wrong_by = rng.choice((-86_400, -3_600, -5, 0, 0, 5, 90, 3_600))
        elif kind < 0.05:
            self.faults += 1
            self.start()
        elif kind < 0.35:
            idle = not any(self.model.may_take(worker, self.time.now()) for worker in self.workers)
            self.clock.pass_time(rng.choice((0.1, 1, 5, 20, 31)) if not idle else rng.choice((60, 600, 50_000)))
        elif kind < 0.36:
            self.grow()
        else:
            self.act(rng.choice(self.workers))
        self.look()

    def act(self, worker):
        rng = self.random
        mine = self.known[worker]
        what = rng.random()
        if not mine or what < 0.35:
            self.take(worker)
        elif what < 0.75:
            self.submit(worker, rng.choice(mine), rng.choice((*LABELS, *LABELS, "nonsense")))
        elif what < 0.85:
            lease = rng.choice(mine)
            label = rng.choice(LABELS)
            for _ in range(rng.randint(2, 4)):  # double clicks, and resends of the same request
                self.submit(worker, lease, label)
        elif what < 0.89:
            self.submit(rng.choice(self.workers), rng.randint(0, 40), rng.choice(LABELS))  # somebody guesses tokens
        elif what < 0.94:
            self.decline(worker, rng.choice(mine))
        elif what < 0.98:
            self.give_back(worker, [rng.choice(mine)])
        else:
            mine.clear()  # a closed browser: leases end by themselves

    def take(self, worker):
        have = [lease for lease in self.known[worker] if self.random.random() < 0.9]
        want = self.random.randint(1, 3)
        lent = []
        try:
            with self.transaction() as now:
                lent = self.queue.take(self.tables, now, worker, want=want, have=have)
                self.model.expire(now)
                held = self.model.held(worker)
                unknown = [lease for lease in held if lease not in have]
                fresh = [lease for lease in lent if lease.id not in self.model.leases]
                assert [lease.id for lease in lent if lease.id in self.model.leases] == unknown[:want]
                wanted = min(want - len(unknown[:want]), self.rules.most_leases - len(held))
                assert len(fresh) <= max(0, wanted)
                for lease in fresh:
                    self.model.lend(lease, now)
                if len(fresh) < wanted:
                    assert not self.model.may_take(worker, now), "a worker who could work was sent away"
        except Crash:
            return
        self.known[worker] += [lease.id for lease in lent if lease.id not in self.known[worker]]

    def submit(self, worker, lease, label):
        if lease in self.model.leases:
            self.sent.setdefault(lease, set()).add(label)
        for _ in range(10):  # nobody stops sending before an answer comes
            try:
                with self.transaction() as now:
                    receipt = self.queue.submit(self.tables, now, worker, lease, content(label), seconds=1e9)
                    expected = self.model.submit(worker, lease, label, now)
                    assert receipt.verdict == expected, (receipt, expected)
            except Crash:
                continue
            if receipt.counted:
                self.acked.setdefault((self.model.leases[lease].object, worker), []).append(label)
            if receipt.verdict is Verdict.LATE:
                self.late.add(lease)
            return

    def decline(self, worker, lease):
        try:
            with self.transaction() as now:
                receipt = self.queue.decline(self.tables, now, worker, lease, "blurred")
                assert receipt.verdict == self.model.decline(worker, lease, now)
        except Crash:
            return

    def give_back(self, worker, leases):
        try:
            with self.transaction() as now:
                count = self.queue.give_back(self.tables, now, worker, leases)
                live = [lease for lease in leases if self.model.leases[lease].state == "active"]
                assert count == len(live)
                for lease in live:
                    self.model.end(lease, "returned")
        except Crash:
            return

    def grow(self):
        """One more answer is wanted of an open object, as adaptive redundancy does."""
        number = self.random.randrange(len(self.model.objects))
        it = self.model.objects[number]
        if it.opened and it.slots < min(9, len(self.workers)):
            if number not in self.model.working(self.time.now()):
                self.reopened.add(number)  # it was done: for a while it may be one too many
            self.tables.execute("UPDATE task SET slots = slots + 1, free = free + 1 WHERE object = ?", (number,))
            it.slots += 1

    def look(self):
        """What must hold at every moment."""
        for row in self.tables.execute("SELECT * FROM task"):
            it = self.model.objects[row["object"]]
            found = (row["slots"], row["free"], row["busy"], row["declines"], row["opened"] is not None)
            free = it.slots - len(it.answers) - len(it.active)
            assert found == (it.slots, free, len(it.active), len(it.declined), it.opened)
        working = set(self.model.working(self.time.now()))
        assert len(working - self.reopened) <= self.rules.window

    def audit(self):
        """Compare the tables with what was acknowledged."""
        stored = {
            (row["object"], row["worker"]): row["content"]
            for row in self.tables.execute("SELECT * FROM answer WHERE content IS NOT NULL")
        }
        lost = self.acked.keys() - stored.keys()
        assert not lost, f"acknowledged and lost: {lost}"
        for number, it in self.model.objects.items():
            answers = {worker: text for (object_, worker), text in stored.items() if object_ == number}
            assert answers == {
                worker: f'{{"crowd-classifier":{{"label":"{label}"}}}}' for worker, label in it.answers.items()
            }
            assert len(answers) <= it.slots
        paid = [tuple(row) for row in self.tables.execute("SELECT object, worker, micro_usd FROM ledger ORDER BY 1, 2")]
        assert paid == sorted((number, worker, PRICE) for number, worker in stored), "paid otherwise than answered"
        late = {row["lease"] for row in self.tables.execute("SELECT lease FROM late_answer")}
        assert self.late <= late
        assert not {self.model.leases[lease].state for lease in late} & {"submitted", "active"}
        kept = {row[0] for row in self.tables.execute("SELECT COUNT(*) FROM event WHERE kind = 'task-submitted'")}
        assert kept == {len(stored)}
        assert self.tables.execute("PRAGMA foreign_key_check").fetchall() == []


class _Transaction:
    """A transaction that may end in a crash before its commit, or after it without anybody hearing of it."""

    def __init__(self, world):
        self.world = world

    def __enter__(self):
        self.world.tables.execute("BEGIN IMMEDIATE")
        self.before = None
        self.fate = self.world.random.random()
        if self.fate < 0.02:
            import copy

            self.before = copy.deepcopy(self.world.model)
        return self.world.time.now()

    def __exit__(self, kind, error, trace):
        world = self.world
        if kind is not None:
            return False
        if self.fate < 0.02:
            world.tables.execute("ROLLBACK")
            world.model = self.before
        else:
            world.tables.execute("COMMIT")
        if self.fate < 0.04:
            world.faults += 1
            world.start()
            raise Crash
        return False

"""A world of careless workers around a task queue: everything in it follows from one seed.

The queue under test works on its real tables. Beside it stands a model (`benchmarks.workforce.specification`),
which says what every operation must answer, and a log of what was acknowledged, which must be found again at the end.
A crash loses what was not committed, or the answer to what was; a worker who gets no answer sends again.
"""

from __future__ import annotations

import random
import sqlite3
from datetime import UTC, datetime, timedelta
from importlib.resources import files

from autolabel.errors import AnswerError
from autolabel.job.clock import MonotonicClock, parse
from autolabel.job.queue import TaskQueue
from autolabel.job.window import LATEST, expire_leases, freeze, is_settled, publish_tasks, reopen, want_more
from autolabel.report.data import Purpose
from autolabel.workforce.leases import QueueRules, Verdict
from benchmarks.workforce.specification import LABELS, Model

PRICE = 12_000


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
        self.most = max(slots) + rng.choice((0, 0, 1, 2))  # answers that may be wanted of an object
        self.workers = [f"w{number}" for number in range(rng.randint(max(slots), 6))]
        self.known: dict[str, list[int]] = {worker: [] for worker in self.workers}
        self.acked: dict[tuple[int, str], list[str]] = {}
        self.sent: dict[int, set[str]] = {}
        self.late: set[int] = set()
        self.faults = 0
        self.steps = 0
        self.start()
        now = self.time.now()
        publish_tasks(self.tables, self.rules, now, range(len(slots)), batch=1, purpose=Purpose.TRAIN, slots=slots[0])
        self.model.open_more(now)

    def start(self):
        """Begin a process: nothing is remembered but the tables."""
        row = self.tables.execute(LATEST).fetchone()[0]
        self.time = MonotonicClock(self.clock, floor=parse(row) if row else None)
        self.queue = TaskQueue(self.rules, check, PRICE)

    def transaction(self):
        return _Transaction(self)

    def run(self):
        """Let one panel work, and mostly a second one; check everything on the way and at the end."""
        self.label(batch=1)
        if self.random.random() < 0.6:
            numbers = [number for number in self.model.objects if self.random.random() < 0.6]
            slots = self.random.choice((1, 1, 2))
            now = self.time.now()
            reopen(self.tables, self.rules, now, numbers, batch=2, slots=slots)
            self.model.reopen(numbers, slots, now)
            if numbers:
                self.label(batch=2)

    def label(self, batch):
        """Let the workers work at a batch until nobody can any more, and what is wanted of it is there."""
        own = list(self.open_objects())
        while True:
            while not self.model.settled(self.time.now()):
                self.steps += 1
                assert self.steps < 20_000, "the batch never ends"
                self.happen()
            now = self.time.now()
            assert is_settled(lambda q, *v: self.tables.execute(q, v).fetchone(), self.rules, now, batch)
            more = self.more_wanted(now)
            if not more:
                break
            self.model.expire(now)  # what is overdue ends here or at the next look: nobody can tell
            expire_leases(self.tables, now)
            want_more(self.tables, self.rules, now, more)
            self.model.want_more(more, now)
        assert freeze(self.tables, self.rules, now, batch)
        self.model.expire(now)
        for number in own:
            self.model.objects[number].frozen = True
        for lease, labels in list(self.sent.items())[:5]:  # what comes after that changes nothing
            self.submit(self.model.leases[lease].worker, lease, self.random.choice(LABELS))
            assert labels
        self.audit()

    def open_objects(self):
        return (number for number, it in self.model.objects.items() if not it.frozen)

    def more_wanted(self, now):
        """Choose objects of which one more answer is wanted, as adaptive redundancy does; none that is out of time."""
        return [
            number
            for number in self.open_objects()
            if self.model.objects[number].slots < self.most
            and now < self.model.opened_at[number] + self.rules.lifetime
            and self.random.random() < 0.5
        ]

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

    def look(self):
        """What must hold at every moment."""
        for row in self.tables.execute("SELECT * FROM task"):
            it = self.model.objects[row["object"]]
            found = (row["slots"], row["free"], row["busy"], row["declines"], row["opened"] is not None)
            declines = it.earlier_slots + len(it.declined)
            assert found == (it.earlier_slots + it.slots, it.free, len(it.active), declines, it.opened)
        assert len(self.model.working(self.time.now())) <= self.rules.window

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
                worker: f'{{"crowd-classifier":{{"label":"{label}"}}}}'
                for worker, label in {**it.before, **it.answers}.items()
            }
            assert len(it.answers) <= it.slots
            assert len(it.before) <= it.earlier_slots
        panels = {(row["object"], row["worker"]): row["panel"] for row in self.tables.execute("SELECT * FROM answer")}
        for number, it in self.model.objects.items():
            assert {panels[number, worker] for worker in it.before} <= {1}
            assert {panels[number, worker] for worker in it.answers} <= {2 if it.earlier_slots else 1}
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

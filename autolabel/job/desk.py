"""The desk: where people take a job's tasks and hand in answers, while the job's own process walks on.

Every operation is durable before its future is done. The walk and the desk share the job's one connection and take
turns; what both touch is settled by the tables (see ``window.freeze``).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from autolabel.job.clock import MonotonicClock, iso, parse
from autolabel.job.queue import FINAL, TaskQueue
from autolabel.job.window import LATEST, is_settled
from autolabel.job.writer import GroupWriter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator
    from concurrent.futures import Future
    from datetime import datetime

    from autolabel.job.job import Finished, LabelingJob, Waiting
    from autolabel.workforce.leases import Lease, QueueRules, Receipt

TICK = 1.0
"""Seconds between two looks for deadlines while nothing happens."""
PAUSE = 0.05
"""Seconds between two looks while much happens."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Submission:
    """An answer on its way."""

    lease: int
    content: dict[str, Any]
    seconds: float | None = None
    guess_seen: bool = True
    extra: dict[str, Any] | None = None


class Desk:
    """Lends the open tasks of one open job. Use it as a context manager; methods may be called from any thread.

    Parameters
    ----------
    job
        Stays open, and is walked by `run`, while the desk is.
    """

    def __init__(self, job: LabelingJob) -> None:
        self._job = job
        run = job.walk()
        self.rules: QueueRules = run.rules
        self._clock = run.clock
        self._queue = TaskQueue(self.rules, run.task.label_from_answer, run.prices.answer)
        latest = run.store.one(LATEST)
        floor = parse(latest["at"]) if latest is not None and latest["at"] else None
        self._writer = GroupWriter(run.store, MonotonicClock(run.clock, floor=floor))
        self._seen = run.clock.now()
        self._changed = threading.Event()
        self._ending = threading.Event()
        self._walking = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Store what was handed in and stop taking more."""
        self._ending.set()
        self._changed.set()
        self._writer.close()

    @property
    def is_walking(self) -> bool:
        """Whether the machine is at work, so that people may have to wait for new tasks."""
        return self._walking.is_set()

    def seconds_left(self, lease: Lease) -> float:
        """Return the time until a lease's deadline, by the clock that judges it."""
        return max(0.0, (lease.expires - self._seen).total_seconds())

    @property
    def failure(self) -> BaseException | None:
        """Why nothing can be stored any more, if so."""
        return self._writer.failure

    @property
    def groups(self) -> tuple[int, int]:
        """Transactions so far, and the operations in them."""
        return self._writer.groups, self._writer.operations

    def take(self, worker: str, *, want: int = 1, have: Collection[int] = ()) -> Future[list[Lease]]:
        """Lend up to `want` objects that the worker's page does not show yet."""
        return self._writer.do(lambda tables, now: self._lend(tables, now, worker, want, have))

    def exchange(
        self, worker: str, submission: Submission, *, want: int = 0, have: Collection[int] = ()
    ) -> Future[tuple[Receipt, list[Lease]]]:
        """Take an answer and lend the next objects, in one transaction."""

        def work(tables: sqlite3.Connection, now: datetime) -> tuple[Receipt, list[Lease]]:
            receipt = self._queue.submit(
                tables,
                now,
                worker,
                submission.lease,
                submission.content,
                seconds=submission.seconds,
                guess_seen=submission.guess_seen,
                extra=submission.extra,
            )
            return receipt, self._lend(tables, now, worker, want, have)

        return self._told(self._writer.do(work))

    def decline(self, worker: str, lease: int, reason: str = "") -> Future[Receipt]:
        """Note that the worker does not want an object."""
        return self._told(self._writer.do(lambda tables, now: self._queue.decline(tables, now, worker, lease, reason)))

    def give_back(self, worker: str, leases: Collection[int]) -> Future[int]:
        """Return objects unanswered."""
        return self._writer.do(lambda tables, now: self._queue.give_back(tables, now, worker, leases))

    def recent(self, worker: str) -> Future[list[dict[str, Any]]]:
        """List the worker's answers that may still be changed, latest first."""
        return self._writer.do(lambda tables, _now: self._queue.recent(tables, worker))

    def held(self, worker: str, lease: int) -> Future[int | None]:
        """Return the object that a worker may see under a lease: one at hand, or one whose answer may be changed."""

        def work(tables: sqlite3.Connection, now: datetime) -> int | None:
            row = tables.execute(
                "SELECT lease.object FROM lease JOIN task USING (object) WHERE id = ? AND worker = ? AND"  # noqa: S608 - no values
                " ((state = 'active' AND expires > ?) OR (state = 'submitted' AND EXISTS"
                f" (SELECT 1 FROM answer WHERE answer.lease = lease.id AND NOT {FINAL})))",
                (lease, worker, iso(now)),
            ).fetchone()
            return None if row is None else int(row[0])

        return self._writer.do(work)

    def look(self, work: Callable[[sqlite3.Connection, datetime], Any]) -> Future[Any]:
        """Read the tables between two groups."""
        return self._writer.do(work)

    def run(
        self, *, may_work: Callable[[], Collection[str]] | None = None, patience: float = 0.0
    ) -> Waiting | Finished:
        """Walk the job on, batch by batch, while people are at the desk; return when it ends, or `end` is called.

        Parameters
        ----------
        may_work
            Who may still work; the leases of everybody else end.
        patience
            Seconds that a batch whose answers are all in waits for one of them to be taken back.

        Raises
        ------
        StorageError
            Answers cannot be stored any more; what was acknowledged is.
        """
        while True:
            self._walking.set()
            try:
                step = self._job.advance()
            finally:
                self._walking.clear()
            if step.finished:
                return step
            for _ in self._until_settled(patience, may_work):
                if self._ending.is_set():
                    return step
                if self._job.folder.stop_flag.exists():
                    break

    def end(self) -> None:
        """Make `run` return at the next moment at which nothing is lost; safe in a signal handler."""
        self._ending.set()
        self._changed.set()

    def _lend(
        self, tables: sqlite3.Connection, now: datetime, worker: str, want: int, have: Collection[int]
    ) -> list[Lease]:
        self._seen = now
        return self._queue.take(tables, now, worker, want=want, have=have) if want else []

    def _told(self, future: Future[T]) -> Future[T]:
        """Have the walk look at the batch when `future` is done."""
        future.add_done_callback(lambda _: self._changed.set())
        return future

    def _until_settled(self, patience: float, may_work: Callable[[], Collection[str]] | None) -> Iterator[None]:
        """Yield now and then until the open batch has all its answers and nobody has touched it for `patience`."""
        quiet_since = seen = None
        while True:
            self._changed.wait(TICK)
            self._ending.wait(PAUSE)
            self._changed.clear()
            yield
            if self._writer.failure is not None:
                raise self._writer.failure
            settled, latest = self._writer.do(lambda tables, now: self._tick(tables, now, may_work)).result()
            reading = self._clock.seconds()
            if not settled or latest != seen or quiet_since is None:
                quiet_since, seen = reading, latest
            if settled and reading - quiet_since >= patience:
                return

    def _tick(
        self, tables: sqlite3.Connection, now: datetime, may_work: Callable[[], Collection[str]] | None
    ) -> tuple[bool, int]:
        """End overdue leases and those of people who may not work; say if the batch is settled, and the last event."""
        self._queue.expire(tables, now)
        if may_work is not None:
            allowed = may_work()
            holders = {row[0] for row in tables.execute("SELECT DISTINCT worker FROM lease WHERE state = 'active'")}
            self._queue.dismiss(tables, now, holders - set(allowed))
        (batch,) = tables.execute("SELECT MIN(COALESCE(again, batch)) FROM task WHERE frozen IS NULL").fetchone()
        (latest,) = tables.execute("SELECT MAX(id) FROM event").fetchone()
        if batch is None:
            return True, latest
        settled = is_settled(lambda query, *values: tables.execute(query, values).fetchone(), self.rules, now, batch)
        return settled, latest

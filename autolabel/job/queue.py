"""The task queue: who may answer what until when. Every operation is part of a transaction of the job's tables.

The tables hold the truth and their constraints hold the invariants (``schema.sql``); what is kept in memory here only
makes looking faster and may be forgotten at any time. `now` must never run backwards: see `MonotonicClock`.
"""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from autolabel.errors import AnswerError
from autolabel.job.answers import record_answer
from autolabel.job.clock import iso, parse
from autolabel.job.store import add_event, to_json
from autolabel.job.window import WORKING, cutoff, end_lease, expire_leases, filled_until, open_more, open_next
from autolabel.workforce.base import Answer
from autolabel.workforce.leases import Lease, LeaseState, QueueRules, Receipt, Verdict

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from autolabel.api.request import LabelingJobRequest

FINAL = "(task.frozen IS NOT NULL OR (answer.panel = 1 AND task.again IS NOT NULL))"
"""Whether an answer is used already: what a first panel said stays while the second one is asked."""
NO_LEASE = "this task is not yours, or there is no such task"


class TaskQueue:
    """Lends the open objects of one job to workers and takes their answers.

    Parameters
    ----------
    rules
        Deadlines, lifetimes and limits.
    check
        Raises `AnswerError` for answer content that the task type cannot use.
    price
        Millionths of a dollar for one answer.
    """

    def __init__(self, rules: QueueRules, check: Callable[[Mapping[str, Any]], object], price: int) -> None:
        self.rules = rules
        self._check = check
        self._price = price
        self._last: dict[str, int] = {}
        """Where each worker's search for a new object begins; a hint, not a fact."""
        self._filled_until = ""
        """Until when the window need not be counted, for only an object that is done makes room in it; a hint too."""

    def take(
        self, connection: sqlite3.Connection, now: datetime, worker: str, *, want: int = 1, have: Collection[int] = ()
    ) -> list[Lease]:
        """Lend up to `want` objects: first those the worker holds and does not know of, then new ones.

        Parameters
        ----------
        have
            Leases that the worker's page shows already.
        """
        self.expire(connection, now)
        held = connection.execute(
            "SELECT id, object, accepted, expires FROM lease WHERE worker = ? AND state = 'active' ORDER BY id",
            (worker,),
        ).fetchall()
        leases = [Lease(row[0], row[1], worker, parse(row[2]), parse(row[3])) for row in held if row[0] not in have][
            :want
        ]
        for _ in range(min(want - len(leases), self.rules.most_leases - len(held))):
            number = self._find(connection, now, worker)
            if number is None:
                break
            leases.append(self._lend(connection, now, worker, number))
        return leases

    def submit(
        self,
        connection: sqlite3.Connection,
        now: datetime,
        worker: str,
        lease: int,
        content: dict[str, Any],
        *,
        seconds: float | None = None,
        guess_seen: bool = True,
        extra: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """Take an answer; sending it again is a success, sending another one revises it while that is possible.

        Parameters
        ----------
        seconds
            Time spent, as the page measured it; not believed beyond the time since the task was accepted.
        guess_seen
            Whether the worker had the model's guess, if there was one, before his eyes.
        extra
            Members of the worker response beside answer, worker and times.
        """
        row = self._own(connection, worker, lease)
        if row is None:
            return Receipt(Verdict.REFUSED, NO_LEASE)
        spent = None if seconds is None else _between(seconds, 0.0, (now - parse(row["accepted"])).total_seconds())
        if row["state"] == LeaseState.SUBMITTED:
            return self._again(connection, now, row, content, spent)
        if row["state"] == LeaseState.DECLINED:
            return Receipt(Verdict.REFUSED, "you have declined this task")
        try:
            label = self._check(content)
        except AnswerError as error:
            return Receipt(Verdict.REFUSED, str(error))
        if row["state"] == LeaseState.ACTIVE and iso(now) < row["expires"]:
            end_lease(connection, now, row, LeaseState.SUBMITTED)
            facts = {
                **(extra or {}),
                **_about_the_guess(_guess(connection, row["object"]), label, seen=guess_seen),
                "acceptanceTime": _milliseconds(row["accepted"]),
            }
            answer = Answer(row["object"], worker, content, iso(now), spent, facts)
            record_answer(connection, answer, at=iso(now), price=self._price, lease=lease)
            self._fill(connection, now, after=row["object"])
            return Receipt(Verdict.ACCEPTED)
        return self._late(connection, now, row, content, spent)

    def decline(
        self, connection: sqlite3.Connection, now: datetime, worker: str, lease: int, reason: str = ""
    ) -> Receipt:
        """Take note that the worker does not want this object; it goes to somebody else, or nobody after N declines."""
        row = self._own(connection, worker, lease)
        if row is None:
            return Receipt(Verdict.REFUSED, NO_LEASE)
        if row["state"] == LeaseState.DECLINED:
            return Receipt(Verdict.REPEATED)
        if row["state"] != LeaseState.ACTIVE or iso(now) >= row["expires"]:
            return Receipt(Verdict.REFUSED, f"the task is {row['state']} already; it cannot be declined any more")
        end_lease(connection, now, row, LeaseState.DECLINED, reason=reason)
        extra = {"declineReason": reason} if reason else {}
        record_answer(
            connection, Answer(row["object"], worker, None, iso(now), None, extra), at="", price=0, lease=lease
        )
        self._fill(connection, now, after=row["object"])
        return Receipt(Verdict.ACCEPTED)

    def give_back(self, connection: sqlite3.Connection, now: datetime, worker: str, leases: Collection[int]) -> int:
        """Return leases unanswered; what is not held any more is passed over. Returns how many were."""
        count = 0
        for lease in leases:
            row = self._own(connection, worker, lease)
            if row is not None and row["state"] == LeaseState.ACTIVE:
                end_lease(connection, now, row, LeaseState.RETURNED)
                count += 1
        self._look_everywhere(count)
        return count

    def dismiss(self, connection: sqlite3.Connection, now: datetime, workers: Collection[str]) -> int:
        """End every lease of workers who may not work any more."""
        count = 0
        for worker in workers:
            for row in connection.execute(
                "SELECT * FROM lease WHERE worker = ? AND state = 'active'", (worker,)
            ).fetchall():
                end_lease(connection, now, row, LeaseState.EXPIRED)
                count += 1
        self._look_everywhere(count)
        return count

    def expire(self, connection: sqlite3.Connection, now: datetime) -> int:
        """End the leases whose deadline has passed, and open objects in the place of those that nobody may answer."""
        count = expire_leases(connection, now)
        self._look_everywhere(count)
        self._fill(connection, now)
        return count

    def recent(self, connection: sqlite3.Connection, worker: str) -> list[dict[str, Any]]:
        """Return the worker's answers that may still be changed, latest first: ``lease``, ``object``, ``content``."""
        rows = connection.execute(
            f"SELECT lease.id, answer.object, answer.content, {FINAL} AS final FROM lease"  # noqa: S608 - no values
            " JOIN answer ON answer.object = lease.object AND answer.worker = lease.worker"
            " JOIN task ON task.object = lease.object"
            " WHERE lease.worker = ? AND lease.state = 'submitted' ORDER BY lease.id DESC LIMIT ?",
            (worker, self.rules.revisable),
        ).fetchall()
        return [
            {"lease": row["id"], "object": row["object"], "content": json.loads(row["content"])}
            for row in rows
            if not row["final"]
        ]

    def _find(self, connection: sqlite3.Connection, now: datetime, worker: str) -> int | None:
        """Choose the next object: in manifest order, first what the worker never held, then what came back longest ago.

        Order says nothing about why an object is asked: an audit stands among its like.
        """
        after = self._last.get(worker, -1)
        offered = f"{WORKING} AND free > 0 AND declines < slots AND opened > :cutoff"
        unseen = (
            " NOT EXISTS (SELECT 1 FROM lease WHERE lease.object = task.object AND lease.worker = :worker)"
            " AND NOT EXISTS (SELECT 1 FROM answer WHERE answer.object = task.object AND answer.worker = :worker)"
        )
        values = {"cutoff": cutoff(self.rules, now), "worker": worker, "after": after}
        for part in ("object > :after", "object <= :after"):
            row = connection.execute(
                f"SELECT object FROM task WHERE {offered} AND {part} AND {unseen} ORDER BY object LIMIT 1",  # noqa: S608
                values,
            ).fetchone()
            if row is not None:
                return int(row[0])
        row = connection.execute(
            f"SELECT task.object FROM task JOIN lease ON lease.object = task.object AND lease.worker = :worker"  # noqa: S608
            f" WHERE {offered} AND NOT EXISTS (SELECT 1 FROM answer WHERE answer.object = task.object"
            " AND answer.worker = :worker) GROUP BY task.object"
            " HAVING SUM(lease.state = 'active') = 0 ORDER BY MAX(lease.id) LIMIT 1",
            values,
        ).fetchone()
        return None if row is None else int(row[0])

    def _lend(self, connection: sqlite3.Connection, now: datetime, worker: str, number: int) -> Lease:
        expires = now + self.rules.time_limit
        (token,) = connection.execute(
            "INSERT INTO lease (object, worker, accepted, expires) VALUES (?, ?, ?, ?) RETURNING id",
            (number, worker, iso(now), iso(expires)),
        ).fetchone()
        add_event(connection, iso(now), "task-accepted", lease=token, object=number, worker=worker)
        self._last[worker] = number
        return Lease(token, number, worker, now, expires, _guess(connection, number))

    def _own(self, connection: sqlite3.Connection, worker: str, lease: int) -> sqlite3.Row | None:
        row: sqlite3.Row | None = connection.execute(
            "SELECT * FROM lease WHERE id = ? AND worker = ?", (lease, worker)
        ).fetchone()
        return row

    def _fill(self, connection: sqlite3.Connection, now: datetime, *, after: int | None = None) -> None:
        """Open objects as far as the window has room, without counting it where one object `after` another will do."""
        if self.rules.sets or iso(now) >= self._filled_until:
            open_more(connection, self.rules, now)
            self._filled_until = filled_until(connection, self.rules, now)
        elif after is not None:
            still = connection.execute(
                f"SELECT 1 FROM task WHERE object = ? AND {WORKING} AND (busy > 0 OR opened > ?)",  # noqa: S608
                (after, cutoff(self.rules, now)),
            ).fetchone()
            if still is None:
                open_next(connection, now)

    def _look_everywhere(self, freed: int) -> None:
        """Forget where to look: a place is free again before where others look, and the window may have room."""
        if freed:
            self._last.clear()
            self._filled_until = ""

    def _again(
        self,
        connection: sqlite3.Connection,
        now: datetime,
        row: sqlite3.Row,
        content: dict[str, Any],
        spent: float | None,
    ) -> Receipt:
        """Judge a second answer under the same lease."""
        stored = connection.execute(
            f"SELECT answer.content, answer.submitted, answer.seconds, {FINAL} AS final"  # noqa: S608 - no values
            " FROM answer JOIN task USING (object)"
            " WHERE object = ? AND worker = ?",
            (row["object"], row["worker"]),
        ).fetchone()
        text = to_json(content)
        if stored["content"] == text:
            return Receipt(Verdict.REPEATED)
        if stored["final"]:
            return Receipt(Verdict.REFUSED, "the answers to this object are being used already; yours stays as it was")
        newer = connection.execute(
            "SELECT COUNT(*) FROM (SELECT 1 FROM lease WHERE worker = ? AND state = 'submitted' AND id > ? LIMIT ?)",
            (row["worker"], row["id"], self.rules.revisable),
        ).fetchone()[0]
        if newer >= self.rules.revisable:
            return Receipt(Verdict.REFUSED, f"only your last {self.rules.revisable} answers can be changed")
        try:
            self._check(content)
        except AnswerError as error:
            return Receipt(Verdict.REFUSED, str(error))
        connection.execute(
            "INSERT INTO revision (lease, number, content, submitted, seconds)"
            " SELECT ?, COUNT(*) + 1, ?, ?, ? FROM revision WHERE lease = ?",
            (row["id"], stored["content"], stored["submitted"], stored["seconds"], row["id"]),
        )
        total = None if spent is None and stored["seconds"] is None else (stored["seconds"] or 0.0) + (spent or 0.0)
        connection.execute(
            "UPDATE answer SET content = ?, submitted = ?, seconds = ? WHERE object = ? AND worker = ?",
            (text, iso(now), total, row["object"], row["worker"]),
        )
        _tell(connection, now, "answer-revised", row)
        return Receipt(Verdict.REVISED)

    def _late(
        self,
        connection: sqlite3.Connection,
        now: datetime,
        row: sqlite3.Row,
        content: dict[str, Any],
        spent: float | None,
    ) -> Receipt:
        if row["state"] == LeaseState.ACTIVE:
            end_lease(connection, now, row, LeaseState.EXPIRED)
            self._look_everywhere(1)
        stored = connection.execute(
            "INSERT INTO late_answer (lease, content, submitted, seconds) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (lease) DO NOTHING",
            (row["id"], to_json(content), iso(now), spent),
        ).rowcount
        if stored:
            _tell(connection, now, "answer-late", row)
        given_back = row["state"] == LeaseState.RETURNED
        why = "you had given this task back" if given_back else "the time for this task was over"
        return Receipt(Verdict.LATE, f"{why}: your answer is kept, but it does not count")


def _tell(connection: sqlite3.Connection, now: datetime, kind: str, row: sqlite3.Row, **more: Any) -> None:
    add_event(connection, iso(now), kind, lease=row["id"], object=row["object"], worker=row["worker"], **more)


def _guess(connection: sqlite3.Connection, number: int) -> Any:
    row = connection.execute(
        "SELECT label FROM guess JOIN task USING (object) WHERE object = ? AND treatment != 'blind' AND again IS NULL",
        (number,),
    ).fetchone()
    return None if row is None else json.loads(row[0])


def _about_the_guess(guess: Any, label: Any, *, seen: bool) -> dict[str, Any]:
    """Build what an answer remembers of a guess; ``initialValueModified`` is AWS's name in adjustment jobs."""
    if guess is None:
        return {}
    return {"guessShown": seen, "guess": guess, "initialValueModified": label != guess}


def _between(value: float, low: float, high: float) -> float:
    """Bound a number that a browser sent; one that is none counts as the lowest."""
    return low if math.isnan(value) else round(min(max(value, low), high), 3)


def _milliseconds(text: str) -> str:
    """Date as worker responses have it: three digits after the second."""
    return f"{text[:-4]}Z"


def rules_of(request: LabelingJobRequest, *, sets: bool = False) -> QueueRules:
    """Read the rules out of a CreateLabelingJob document."""
    return QueueRules(
        time_limit=timedelta(seconds=request.task_time_limit_seconds),
        lifetime=timedelta(seconds=request.task_availability_seconds),
        window=request.max_concurrent_tasks,
        sets=sets,
    )

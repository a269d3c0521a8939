"""Which objects are before people: opened up to MaxConcurrentTaskCount, settled, and frozen for consolidation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autolabel.job.clock import iso, parse
from autolabel.job.store import add_event
from autolabel.workforce.leases import LeaseState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from autolabel.report.data import Purpose
    from autolabel.workforce.leases import QueueRules

BATCH = "COALESCE(again, batch)"
"""Batch that people are at of an object."""
QUEUE = "task INDEXED BY task_queued WHERE opened IS NULL AND frozen IS NULL"
"""Objects that wait for room; left to choose, SQLite walks over everything that is not frozen."""
WORKING = "opened IS NOT NULL AND frozen IS NULL AND (busy > 0 OR (free > 0 AND declines < slots))"
"""Condition of the index ``task_working``, to the letter: SQLite uses it only for that."""


LATEST = """SELECT NULLIF(MAX(COALESCE((SELECT MAX(at) FROM event), ''),
    COALESCE((SELECT MAX(opened) FROM task), '')), '') AS at"""
"""Latest date that is stored: time does not run behind it, whatever a clock says after a restart."""


def cutoff(rules: QueueRules, now: datetime) -> str:
    """Return the date after which an object must have been opened to be offered still."""
    return iso(now - rules.lifetime)


def publish_tasks(
    connection: sqlite3.Connection,
    rules: QueueRules,
    now: datetime,
    objects: Iterable[int],
    *,
    batch: int,
    purpose: Purpose,
    slots: int,
) -> None:
    """Ask for `slots` answers to each of some objects, and open as many as the window has room for."""
    connection.executemany(
        "INSERT INTO task (object, batch, purpose, slots, free, published) VALUES (?, ?, ?, ?, ?, ?)",
        [(number, batch, purpose.value, slots, slots, iso(now)) for number in objects],
    )
    open_more(connection, rules, now)


def open_more(connection: sqlite3.Connection, rules: QueueRules, now: datetime) -> int:
    """Open queued objects, oldest batch first, as far as the window has room; return how many."""
    if connection.execute(f"SELECT 1 FROM {QUEUE} LIMIT 1").fetchone() is None:  # noqa: S608 - no values
        return 0
    (working,) = connection.execute(
        f"SELECT COUNT(*) FROM task WHERE {WORKING} AND (busy > 0 OR opened > ?)",  # noqa: S608 - no values
        (cutoff(rules, now),),
    ).fetchone()
    room = rules.window - working
    if room <= 0 or (rules.sets and working):
        return 0
    return connection.execute(
        f"UPDATE task SET opened = ? WHERE object IN"  # noqa: S608 - no values
        f" (SELECT object FROM {QUEUE} ORDER BY {BATCH}, object LIMIT ?)",
        (iso(now), room),
    ).rowcount


def open_next(connection: sqlite3.Connection, now: datetime) -> None:
    """Open one queued object, in the place of one that nobody is to answer any more."""
    connection.execute(
        f"UPDATE task SET opened = ? WHERE object ="  # noqa: S608 - no values
        f" (SELECT object FROM {QUEUE} ORDER BY {BATCH}, object LIMIT 1)",
        (iso(now),),
    )


def filled_until(connection: sqlite3.Connection, rules: QueueRules, now: datetime) -> str:
    """Return the date until which no object's time before people runs out: until then only what is done makes room."""
    (earliest,) = connection.execute(
        f"SELECT MIN(opened) FROM task WHERE {WORKING} AND opened > ?",  # noqa: S608 - no values
        (cutoff(rules, now),),
    ).fetchone()
    return "" if earliest is None else iso(parse(earliest) + rules.lifetime)


def want_more(connection: sqlite3.Connection, rules: QueueRules, now: datetime, objects: Iterable[int]) -> None:
    """Ask for one more answer to each of settled objects; they wait for room as new ones do, and stay open as long.

    Places that only declines left empty are gone: one more person is asked, not as many as declined.
    """
    connection.executemany(
        "UPDATE task SET slots = slots + 1, lost = lost + free, free = 1,"
        " again_slots = again_slots + (again IS NOT NULL), opened = NULL WHERE object = ?",
        [(number,) for number in objects],
    )
    open_more(connection, rules, now)


def reopen(
    connection: sqlite3.Connection,
    rules: QueueRules,
    now: datetime,
    objects: Iterable[int],
    *,
    batch: int,
    slots: int,
) -> None:
    """Ask a second panel for `slots` answers to objects whose first one is done; places it left empty are gone."""
    connection.executemany(
        "UPDATE task SET again = ?, again_slots = ?, slots = slots + ?, lost = lost + free, free = ?, declines = slots,"
        " published = ?, opened = NULL, frozen = NULL, closed = NULL WHERE object = ?",
        [(batch, slots, slots, slots, iso(now), number) for number in objects],
    )
    open_more(connection, rules, now)


def expire_leases(connection: sqlite3.Connection, now: datetime) -> int:
    """End the leases whose deadline has passed; return how many."""
    at = iso(now)
    overdue = connection.execute("SELECT * FROM lease WHERE state = 'active' AND expires <= ?", (at,)).fetchall()
    for row in overdue:
        end_lease(connection, now, row, LeaseState.EXPIRED)
    return len(overdue)


def end_lease(connection: sqlite3.Connection, now: datetime, row: sqlite3.Row, state: LeaseState, **why: Any) -> None:
    """End one live lease, with its event; the schema's triggers move its place."""
    at = iso(now)
    connection.execute("UPDATE lease SET state = ?, ended = ? WHERE id = ?", (state.value, at, row["id"]))
    add_event(connection, at, f"task-{state}", lease=row["id"], object=row["object"], worker=row["worker"], **why)


def is_settled(find: Callable[..., object], rules: QueueRules, now: datetime, batch: int) -> bool:
    """Say whether nobody can or may answer a batch's objects any more.

    Parameters
    ----------
    find
        Runs a query with its values and returns its first row or ``None``.
    """
    return (
        find(
            f"SELECT 1 FROM task WHERE {BATCH} = ? AND frozen IS NULL AND"  # noqa: S608 - no values
            " (opened IS NULL OR (free > 0 AND declines < slots AND opened > ?) OR (busy > 0 AND EXISTS"
            " (SELECT 1 FROM lease WHERE lease.object = task.object AND state = 'active' AND expires > ?))) LIMIT 1",
            batch,
            cutoff(rules, now),
            iso(now),
        )
        is None
    )


def freeze(
    connection: sqlite3.Connection, rules: QueueRules, now: datetime, batch: int, *, withdraw: bool = False
) -> bool:
    """Take no more answers to a batch, so that what is consolidated is what is stored; ``False`` if people are at it.

    Parameters
    ----------
    withdraw
        Freeze whatever people are at: their leases end, and what they send later is late.
    """
    expire_leases(connection, now)
    if withdraw:
        for row in connection.execute(
            f"SELECT lease.* FROM lease JOIN task USING (object) WHERE state = 'active' AND {BATCH} = ?",  # noqa: S608
            (batch,),
        ).fetchall():
            end_lease(connection, now, row, LeaseState.EXPIRED)
    elif not is_settled(lambda query, *values: connection.execute(query, values).fetchone(), rules, now, batch):
        return False
    connection.execute(f"UPDATE task SET frozen = ? WHERE {BATCH} = ? AND frozen IS NULL", (iso(now), batch))  # noqa: S608
    return True

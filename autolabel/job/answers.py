"""Storing an answer: the answer, its place, its pay and its event, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autolabel.job.store import to_json

if TYPE_CHECKING:
    import sqlite3

    from autolabel.workforce.base import Answer


def record_answer(
    connection: sqlite3.Connection, answer: Answer, *, at: str, price: int, lease: int | None = None
) -> None:
    """Insert an answer that was found acceptable; a decline is not paid.

    With a lease the place was taken when the task was accepted, and a decline has given it back; without one, an
    answer or a decline takes a place now.

    Parameters
    ----------
    at
        Date of an answer that brings none.
    price
        Millionths of a dollar for one answer.
    """
    content = None if answer.content is None else to_json(answer.content)
    connection.execute(
        "INSERT INTO answer (object, worker, panel, content, submitted, seconds, extra, lease)"
        " VALUES (?, ?, (SELECT 1 + (again IS NOT NULL) FROM task WHERE object = ?), ?, ?, ?, ?, ?)",
        (
            answer.object,
            answer.worker,
            answer.object,
            content,
            answer.submitted or at,
            answer.seconds,
            to_json(answer.extra),
            lease,
        ),
    )
    if lease is None:
        connection.execute(
            "UPDATE task SET free = free - 1, taken = taken + 1, declines = declines + ? WHERE object = ?",
            (answer.content is None, answer.object),
        )
    if content is not None:
        connection.execute(
            "INSERT INTO ledger (object, worker, kind, quantity, micro_usd) VALUES (?, ?, 'answer', 1, ?)",
            (answer.object, answer.worker, price),
        )

"""The job's memory: one SQLite file, one connection, every change one transaction."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from autolabel.errors import JobCorruptError, JobNotFoundError, StorageError
from autolabel.storage.durable import failpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA_VERSION = 2
ROWS_AT_A_TIME = 1_000
BUSY_SECONDS = 30.0
"""How long a commit waits for another process that reads the job."""


def to_json(value: Any) -> str:
    """Compact JSON with a fixed form, so that equal values are equal bytes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class JobStore:
    """A job's SQLite file. Threads share its one connection and take turns: a transaction is one turn.

    A rollback journal is used instead of WAL: one connection gains nothing from WAL, and SQLite before 3.51.3 can
    corrupt a WAL file when a second connection appears.

    Parameters
    ----------
    path
        The file, which exists.
    check
        Look for damage first: what a process does that goes on with the job.
    """

    def __init__(self, path: Path, *, check: bool = False) -> None:
        self.path = path
        self._turn = threading.RLock()
        if not path.is_file():
            msg = f"{path.parent.parent}: no job here (found no {path.name}); expected a job folder"
            raise JobNotFoundError(msg)
        try:
            self._connection = sqlite3.connect(
                f"file:{quote(path.as_posix())}?mode=rw",
                uri=True,
                isolation_level=None,
                timeout=BUSY_SECONDS,
                check_same_thread=False,
            )
            self._connection.row_factory = sqlite3.Row
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            if check:
                self._connection.execute("PRAGMA journal_mode = PERSIST")
                if self._connection.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                    msg = f"{path}: SQLite finds the file damaged; restore it from a copy"
                    raise JobCorruptError(msg)
        except sqlite3.DatabaseError as error:
            msg = f"{path}: not a readable job database ({error})"
            raise JobCorruptError(msg) from error
        if version != SCHEMA_VERSION:
            msg = f"{path}: found schema version {version}, this autolabel reads {SCHEMA_VERSION}"
            raise JobCorruptError(msg)

    @classmethod
    def create(cls, path: Path, facts: dict[str, Any]) -> None:
        """Write a new database beside `path` and move it there whole, with its first facts in it."""
        partial = path.with_suffix(".new")
        partial.unlink(missing_ok=True)
        connection = sqlite3.connect(partial)
        try:
            connection.executescript(files("autolabel.job").joinpath("schema.sql").read_text())
            connection.executemany(
                "INSERT INTO fact (name, value) VALUES (?, ?)",
                [(name, to_json(value)) for name, value in facts.items()],
            )
            connection.commit()
        finally:
            connection.close()
        failpoint("store.create:before")
        partial.replace(path)
        failpoint("store.create:after")

    def close(self) -> None:
        """Close the connection."""
        with self._turn:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One durable change: everything inside is stored, or nothing is."""
        connection = self._connection
        with self._turn:
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                failpoint("store.commit:before")
                connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                self._roll_back()
                raise StorageError(str(self.path), f"{error}; nothing of this change was stored") from error
            except BaseException:
                self._roll_back()
                raise
            failpoint("store.commit:after")

    def _roll_back(self) -> None:
        # After a full disk SQLite has rolled back already, and a second ROLLBACK would hide the real error.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Rows of a query, all at once."""
        with self._turn:
            return self._connection.execute(query, values).fetchall()

    def one(self, query: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row of a query, if any."""
        with self._turn:
            row: sqlite3.Row | None = self._connection.execute(query, values).fetchone()
        return row

    def stream(self, query: str, *values: Any) -> Iterator[sqlite3.Row]:
        """Rows of a query, one by one; other threads may write in between."""
        with self._turn:
            cursor = self._connection.execute(query, values)
        while True:
            with self._turn:
                rows = cursor.fetchmany(ROWS_AT_A_TIME)
            if not rows:
                return
            yield from rows

    def fact(self, name: str, default: Any = None) -> Any:
        """Read a single value."""
        row = self.one("SELECT value FROM fact WHERE name = ?", name)
        return default if row is None else json.loads(row["value"])


def set_fact(connection: sqlite3.Connection, name: str, value: Any) -> None:
    """Store a single value inside a transaction."""
    connection.execute(
        "INSERT INTO fact (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, to_json(value)),
    )


def add_event(connection: sqlite3.Connection, at: str, kind: str, **detail: Any) -> None:
    """Append to the job's history inside a transaction."""
    connection.execute("INSERT INTO event (at, kind, detail) VALUES (?, ?, ?)", (at, kind, to_json(detail)))

"""One writer for many threads: operations that arrive together share a transaction, and each is told after its commit.

A commit costs an fsync or two whatever is in it, so a hundred people who answer at once cost hardly more than one.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from autolabel.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from autolabel.job.clock import Clock
    from autolabel.job.store import JobStore

    Work = Callable[[sqlite3.Connection, datetime], Any]

T = TypeVar("T")

MOST_IN_A_GROUP = 256
"""Operations in one transaction: what a group waits for is bounded."""


class GroupWriter:
    """Runs operations on a job's tables in a thread of its own, in the order in which they arrive.

    An operation that raises leaves no trace, and its caller gets the exception; the others of its group are stored.
    When a transaction cannot be stored (disk full, an I/O error), all its callers get a `StorageError`, nothing is
    acknowledged, and the writer takes nothing more: after a failed fsync the kernel may have dropped pages, so the
    process should end and be started again (PostgreSQL's lesson).

    Parameters
    ----------
    clock
        Must not run backwards; only this thread reads it.
    """

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: deque[tuple[Work, Future[Any]]] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self.failure: StorageError | None = None
        """Why the writer stopped."""
        self.groups = 0
        """Transactions so far."""
        self.operations = 0
        self._listeners: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name="autolabel-writer", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[sqlite3.Connection, datetime], T]) -> Future[T]:
        """Queue an operation; the future is done when its transaction is durable."""
        future: Future[T] = Future()
        with self._wake:
            if self.failure is not None or self._closing:
                future.set_exception(self.failure or StorageError(str(self._store.path), "the job is being closed"))
                return future
            self._waiting.append((work, future))
            self._wake.notify()
        return future

    def after_each_group(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in the writer's thread, after every commit and after a failure."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Finish what was queued and end the thread; a second call is harmless."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                if not self._waiting:
                    return
                group = [self._waiting.popleft() for _ in range(min(MOST_IN_A_GROUP, len(self._waiting)))]
            # Who has gone away meanwhile was told nothing and is owed nothing.
            self._commit([(work, future) for work, future in group if future.set_running_or_notify_cancel()])
            for listener in self._listeners:
                listener()

    def _commit(self, group: list[tuple[Work, Future[Any]]]) -> None:
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            now = self._clock.now()
            with self._store.transaction() as connection:
                for work, future in group:
                    outcomes.append((future, *_attempt(work, connection, now)))
        except StorageError as error:
            self._fail(error, [future for _, future in group])
            return
        except BaseException as error:  # noqa: BLE001 - whatever it was, nothing was stored and somebody is waiting
            self._fail(StorageError(str(self._store.path), f"{error!r}; nothing was stored"), [f for _, f in group])
            return
        self.groups += 1
        self.operations += len(group)
        for future, result, problem in outcomes:
            if problem is None:
                future.set_result(result)
            else:
                future.set_exception(problem)

    def _fail(self, error: StorageError, futures: list[Future[Any]]) -> None:
        with self._wake:
            self.failure = error
            futures += [future for _, future in self._waiting if future.set_running_or_notify_cancel()]
            self._waiting.clear()
            self._closing = True
        for future in futures:
            future.set_exception(error)


def _attempt(work: Work, connection: sqlite3.Connection, now: datetime) -> tuple[Any, BaseException | None]:
    """Run one operation of a group; what it changed is undone when it raises, and only that."""
    connection.execute("SAVEPOINT operation")
    try:
        result = work(connection, now)
    except sqlite3.OperationalError:
        raise  # the disk, not the operation
    except Exception as error:  # noqa: BLE001 - handed to whoever asked
        connection.execute("ROLLBACK TO operation")
        connection.execute("RELEASE operation")
        return None, error
    connection.execute("RELEASE operation")
    return result, None

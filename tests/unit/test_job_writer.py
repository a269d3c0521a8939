"""Group commit: who is told that something is stored finds it there, and nobody is told too early."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import CancelledError

import pytest

from autolabel.errors import StorageError
from autolabel.job.clock import MonotonicClock, SystemClock
from autolabel.job.store import JobStore, set_fact
from autolabel.job.writer import GroupWriter
from autolabel.storage.durable import failpoints


@pytest.fixture
def store(tmp_path):
    JobStore.create(tmp_path / "job.db", {"count": 0})
    store = JobStore(tmp_path / "job.db", check=True)
    yield store
    store.close()


@pytest.fixture
def writer(store):
    writer = GroupWriter(store, MonotonicClock(SystemClock()))
    yield writer
    writer.close()


def put(name, value):
    return lambda connection, _now: set_fact(connection, name, value)


def held_up(writer):
    """Keep the writer busy until the event is set, so that what is queued meanwhile forms one group."""
    go = threading.Event()
    begun = threading.Event()

    def wait(_connection, _now):
        begun.set()
        assert go.wait(10)

    writer.do(wait)
    assert begun.wait(10)
    return go


def test_operations_that_arrive_together_share_a_transaction_in_their_order(store, writer):
    go = held_up(writer)
    futures = [writer.do(put("count", number)) for number in range(100)]
    go.set()
    for future in futures:
        future.result(10)
    assert store.fact("count") == 99
    assert (writer.groups, writer.operations) == (2, 101)


def test_a_result_is_known_only_after_the_commit(store, writer):
    seen = []
    with failpoints(lambda name: seen.append((name, future.done()))):
        go = held_up(writer)
        future = writer.do(put("name", "x"))
        go.set()
        future.result(10)
        writer.do(put("name", "y")).result(10)
    assert ("store.commit:before", False) in seen
    assert ("store.commit:after", False) in seen


def test_an_operation_that_fails_leaves_nothing_and_harms_no_other(store, writer):
    def half(connection, _now):
        set_fact(connection, "half", 1)
        connection.execute("INSERT INTO failure VALUES (1, NULL, 0, '')")

    go = held_up(writer)
    before, bad, after = writer.do(put("before", 1)), writer.do(half), writer.do(put("after", 1))
    go.set()
    before.result(10)
    after.result(10)
    with pytest.raises(sqlite3.IntegrityError):
        bad.result(10)
    assert [store.fact(name) for name in ("before", "half", "after")] == [1, None, 1]


def test_when_a_commit_fails_nobody_is_told_yes_and_nothing_more_is_taken(store, writer):
    def fail(name):
        if name == "store.commit:before":
            raise sqlite3.OperationalError("disk I/O error")

    told = []
    writer.after_each_group(lambda: told.append(writer.failure))
    with failpoints(fail):
        go = held_up(writer)
        futures = [writer.do(put("count", number)) for number in range(1, 9)]
        go.set()
        for future in futures:
            with pytest.raises(StorageError, match="disk I/O error"):
                future.result(10)
    with pytest.raises(StorageError, match="disk I/O error"):
        writer.do(put("count", 10)).result(10)
    assert store.fact("count") == 0
    assert isinstance(told[-1], StorageError)


def test_what_was_queued_is_stored_before_the_writer_closes(store):
    writer = GroupWriter(store, MonotonicClock(SystemClock()))
    futures = [writer.do(put("count", number)) for number in range(50)]
    writer.close()
    writer.close()
    assert all(future.result(0) is None for future in futures)
    assert store.fact("count") == 49
    with pytest.raises(StorageError, match="being closed"):
        writer.do(put("count", 1)).result(10)


def test_an_operation_whose_caller_has_gone_is_not_done_and_stops_nobody(store, writer):
    go = held_up(writer)
    gone, other = writer.do(put("gone", 1)), writer.do(put("other", 1))
    assert gone.cancel()
    go.set()
    other.result(10)
    with pytest.raises(CancelledError):
        gone.result(10)
    assert (store.fact("gone"), store.fact("other")) == (None, 1)


def test_threads_that_read_and_write_take_turns(store, writer):
    problems = []

    def read():
        try:
            for _ in range(200):
                assert len(list(store.stream("SELECT * FROM fact"))) >= 1
                with store.transaction() as connection:
                    set_fact(connection, "read", 1)
        except Exception as error:  # noqa: BLE001 - shown below
            problems.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(300):
        writer.do(put("count", number)).result(10)
    for thread in threads:
        thread.join()
    assert problems == []
    assert store.fact("count") == 299

"""The task queue's rules one by one, and the invariants that its tables hold against any code."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from autolabel.job.clock import MonotonicClock
from autolabel.job.queue import TaskQueue
from autolabel.job.window import freeze, publish_tasks, reopen, want_more
from autolabel.report.data import Purpose
from autolabel.testing import FixedClock
from autolabel.workforce.leases import QueueRules, Verdict
from benchmarks.workforce.world import PRICE, check, content, fresh_tables

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = QueueRules(time_limit=timedelta(minutes=5), lifetime=timedelta(hours=1), window=100, most_leases=2)


class Desk:
    """A queue with its tables and a date that the test moves."""

    def __init__(self, objects=3, slots=1, rules=RULES):
        self.tables = fresh_tables()
        self.queue = TaskQueue(rules, check, PRICE)
        self.now = NOON
        publish_tasks(self.tables, rules, NOON, range(objects), batch=1, purpose=Purpose.TRAIN, slots=slots)

    def take(self, worker, **options):
        return self.queue.take(self.tables, self.now, worker, **options)

    def take_one(self, worker):
        (lease,) = self.take(worker)
        return lease

    def submit(self, lease, label="cat", worker=None, **options):
        return self.queue.submit(self.tables, self.now, worker or lease.worker, lease.id, content(label), **options)

    def decline(self, lease, reason=""):
        return self.queue.decline(self.tables, self.now, lease.worker, lease.id, reason)

    def wait(self, **time):
        self.now += timedelta(**time)

    def rows(self, query, *values):
        return [tuple(row) for row in self.tables.execute(query, values)]

    def answers(self):
        return {
            (row[0], row[1]): row[2] and json.loads(row[2])["crowd-classifier"]["label"]
            for row in self.rows("SELECT object, worker, content FROM answer")
        }


# Five threads of Label Studio, each a promise here


def test_two_workers_never_hold_the_same_place():
    desk = Desk(objects=4)
    held = [lease.object for worker in "abcd" for lease in desk.take(worker, want=2)]
    assert sorted(held) == [0, 1, 2, 3]


def test_as_many_workers_as_asked_for_really_get_the_same_object():
    desk = Desk(objects=1, slots=3)
    leases = [desk.take_one(worker) for worker in "abc"]
    assert {lease.object for lease in leases} == {0}
    assert desk.take("d") == []
    assert [desk.submit(lease).verdict for lease in leases] == [Verdict.ACCEPTED] * 3
    assert len(desk.answers()) == 3


def test_the_answers_of_others_are_never_shown():
    desk = Desk(objects=1, slots=2)
    desk.submit(desk.take_one("a"), "dog")
    assert desk.queue.recent(desk.tables, "b") == []
    lease = desk.take_one("b")
    assert not hasattr(lease, "content")
    assert desk.submit(lease, "cat").verdict is Verdict.ACCEPTED
    assert [entry["content"] for entry in desk.queue.recent(desk.tables, "b")] == [content("cat")]


def test_a_lost_lease_frees_itself():
    desk = Desk(objects=1)
    desk.take_one("a")
    assert desk.take("b") == []
    desk.wait(minutes=5)
    assert desk.take_one("b").object == 0


def test_a_repeated_save_is_a_success():
    desk = Desk()
    lease = desk.take_one("a")
    assert [desk.submit(lease).verdict for _ in range(100)] == [Verdict.ACCEPTED, *[Verdict.REPEATED] * 99]
    assert desk.rows("SELECT COUNT(*), SUM(micro_usd) FROM ledger") == [(1, PRICE)]


# Deadlines


def test_an_answer_at_the_deadline_is_late_and_the_moment_before_it_is_not():
    desk = Desk()
    early, late = desk.take("a", want=2)
    desk.wait(minutes=5, microseconds=-1)
    assert desk.submit(early).verdict is Verdict.ACCEPTED
    desk.wait(microseconds=1)
    assert desk.submit(late).verdict is Verdict.LATE
    assert desk.submit(late).verdict is Verdict.LATE
    assert desk.rows("SELECT lease FROM late_answer") == [(late.id,)]
    assert desk.rows("SELECT COUNT(*) FROM ledger") == [(1,)]


def test_who_accepted_in_time_may_answer_after_the_object_is_offered_to_nobody_else():
    desk = Desk(objects=1, slots=2)
    desk.wait(minutes=59)
    lease = desk.take_one("a")
    desk.wait(minutes=2)
    assert desk.take("b") == []
    assert not freeze(desk.tables, RULES, desk.now, 1)
    assert desk.submit(lease).verdict is Verdict.ACCEPTED
    assert freeze(desk.tables, RULES, desk.now, 1)


def test_a_clock_that_is_set_back_revives_no_lease_and_stops_no_deadline():
    clock = FixedClock(NOON)
    readings = iter(range(0, 10_000, 100))
    clock.seconds = lambda: float(next(readings))
    time = MonotonicClock(clock)
    clock.moment = NOON + timedelta(minutes=6)
    past_deadline = time.now()
    clock.moment = NOON - timedelta(hours=1)
    later = [time.now() for _ in range(5)]
    assert past_deadline == NOON + timedelta(minutes=6)
    assert later == [past_deadline + timedelta(seconds=100 * n) for n in range(1, 6)]
    assert MonotonicClock(clock, floor=later[-1]).now() >= later[-1]


def test_time_spent_is_believed_only_up_to_the_time_since_accepting():
    desk = Desk()
    for spent, kept in ((3.25, 3.25), (-1.0, 0.0), (1e9, 60.0), (float("nan"), 0.0), (None, None)):
        desk = Desk(objects=1)
        lease = desk.take_one("a")
        desk.wait(minutes=1)
        desk.submit(lease, seconds=spent)
        assert desk.rows("SELECT seconds FROM answer") == [(kept,)]


# Fencing


def test_a_worker_whose_place_went_to_somebody_else_cannot_answer_any_more():
    desk = Desk(objects=1)
    first = desk.take_one("a")
    desk.wait(minutes=6)
    second = desk.take_one("b")
    assert desk.submit(first, "dog").verdict is Verdict.LATE
    assert desk.submit(second, "cat").verdict is Verdict.ACCEPTED
    assert desk.answers() == {(0, "b"): "cat"}


@pytest.mark.parametrize("lease", [0, -1, 999, 2**63 - 1])
def test_a_made_up_token_is_refused(lease):
    desk = Desk()
    desk.take_one("a")
    receipt = desk.queue.submit(desk.tables, desk.now, "a", lease, content("cat"))
    assert receipt.verdict is Verdict.REFUSED


def test_another_workers_lease_is_as_unknown_as_one_that_never_was():
    desk = Desk()
    lease = desk.take_one("a")
    theirs = desk.submit(lease, worker="b")
    assert theirs == desk.queue.submit(desk.tables, desk.now, "b", 999, content("cat"))
    assert desk.queue.give_back(desk.tables, desk.now, "b", [lease.id]) == 0
    assert desk.submit(lease).verdict is Verdict.ACCEPTED


def test_the_same_leases_are_shown_to_a_second_tab_and_no_more_than_allowed():
    desk = Desk(objects=9)
    first = desk.take("a", want=2)
    assert desk.take("a", want=2) == first
    assert desk.take("a", want=2, have=[lease.id for lease in first]) == []


# Return, decline


def test_a_returned_object_goes_back_to_the_pool_and_to_its_worker_last():
    desk = Desk(objects=3)
    lease = desk.take_one("a")
    assert desk.queue.give_back(desk.tables, desk.now, "a", [lease.id, lease.id]) == 1
    assert [found.object for found in desk.take("a", want=2)] == [1, 2]
    assert desk.take_one("b").object == lease.object
    assert desk.submit(lease).verdict is Verdict.LATE


def test_a_returned_object_comes_back_when_nothing_else_is_left():
    desk = Desk(objects=1)
    lease = desk.take_one("a")
    desk.queue.give_back(desk.tables, desk.now, "a", [lease.id])
    again = desk.take_one("a")
    assert (again.object, again.id > lease.id) == (lease.object, True)


def test_as_many_declines_as_answers_wanted_withdraw_the_object():
    desk = Desk(objects=1, slots=2)
    first = desk.take_one("a")
    assert desk.decline(first, "too dark").verdict is Verdict.ACCEPTED
    assert desk.decline(first).verdict is Verdict.REPEATED
    assert desk.take("a") == []
    second = desk.take_one("b")
    assert desk.decline(second).verdict is Verdict.ACCEPTED
    assert desk.take("c") == []
    assert freeze(desk.tables, RULES, desk.now, 1)
    assert desk.rows("SELECT COUNT(*) FROM ledger") == [(0,)]
    assert desk.rows("SELECT extra FROM answer WHERE worker = 'a'") == [('{"declineReason":"too dark"}',)]


def test_a_decline_gives_the_place_to_somebody_else():
    desk = Desk(objects=1, slots=2)
    desk.decline(desk.take_one("a"))
    for worker in "bc":
        assert desk.submit(desk.take_one(worker)).verdict is Verdict.ACCEPTED
    assert desk.answers() == {(0, "a"): None, (0, "b"): "cat", (0, "c"): "cat"}


def test_an_answer_cannot_follow_a_decline_nor_a_decline_an_answer():
    desk = Desk()
    declined, answered = desk.take("a", want=2)
    desk.decline(declined)
    desk.submit(answered)
    assert desk.submit(declined).verdict is Verdict.REFUSED
    assert desk.decline(answered).verdict is Verdict.REFUSED


# Revision


def test_an_answer_can_be_changed_until_it_is_used_and_every_version_is_kept():
    desk = Desk(objects=1)
    lease = desk.take_one("a")
    verdicts = [desk.submit(lease, label).verdict for label in ("cat", "dog", "dog", "owl")]
    assert verdicts == [Verdict.ACCEPTED, Verdict.REVISED, Verdict.REPEATED, Verdict.REVISED]
    assert desk.answers() == {(0, "a"): "owl"}
    earlier = [json.loads(row[0])["crowd-classifier"]["label"] for row in desk.rows("SELECT content FROM revision")]
    assert earlier == ["cat", "dog"]
    assert freeze(desk.tables, RULES, desk.now, 1)
    assert desk.submit(lease, "cat").verdict is Verdict.REFUSED
    assert desk.submit(lease, "owl").verdict is Verdict.REPEATED
    assert desk.queue.recent(desk.tables, "a") == []
    assert desk.rows("SELECT COUNT(*) FROM ledger") == [(1,)]


def test_only_the_latest_answers_can_be_changed():
    desk = Desk(objects=12)
    leases = []
    for _ in range(12):
        leases.append(desk.take_one("a"))
        desk.submit(leases[-1])
    assert desk.submit(leases[1], "dog").verdict is Verdict.REFUSED
    assert desk.submit(leases[2], "dog").verdict is Verdict.REVISED
    assert [entry["lease"] for entry in desk.queue.recent(desk.tables, "a")] == [lease.id for lease in leases[:1:-1]]


def test_an_answer_that_the_task_cannot_use_changes_nothing():
    desk = Desk(objects=1)
    lease = desk.take_one("a")
    assert desk.submit(lease, "no such label").verdict is Verdict.REFUSED
    assert desk.submit(lease, "cat").verdict is Verdict.ACCEPTED
    assert desk.submit(lease, "no such label").verdict is Verdict.REFUSED
    assert desk.answers() == {(0, "a"): "cat"}


# The window


@pytest.mark.parametrize(("sets", "after_one", "after_both"), [(False, 3, 4), (True, 2, 4)])
def test_objects_are_opened_one_by_one_or_in_sets(sets, after_one, after_both):
    rules = QueueRules(RULES.time_limit, RULES.lifetime, window=2, sets=sets, most_leases=9)
    desk = Desk(objects=6, rules=rules)
    opened = "SELECT COUNT(*) FROM task WHERE opened IS NOT NULL"
    first, second = desk.take("a", want=9)
    assert desk.rows(opened) == [(2,)]
    desk.submit(first)
    assert desk.rows(opened) == [(after_one,)]
    desk.submit(second)
    assert desk.rows(opened) == [(after_both,)]


def test_an_object_that_nobody_took_in_time_makes_room_for_the_next():
    rules = QueueRules(RULES.time_limit, RULES.lifetime, window=1)
    desk = Desk(objects=2, rules=rules)
    desk.wait(hours=1)
    assert desk.take_one("a").object == 1


def test_an_object_whose_answers_are_in_is_offered_again_when_one_more_is_wanted():
    desk = Desk(objects=1)
    desk.submit(desk.take_one("a"))
    assert desk.take("b") == []
    want_more(desk.tables, RULES, desk.now, [0])
    assert desk.take("a") == []
    assert desk.submit(desk.take_one("b"), "dog").verdict is Verdict.ACCEPTED
    assert desk.answers() == {(0, "a"): "cat", (0, "b"): "dog"}


def test_one_more_answer_asks_one_more_person_however_many_declined():
    desk = Desk(objects=1, slots=2)
    for worker in "ab":
        desk.decline(desk.take_one(worker))
    want_more(desk.tables, RULES, desk.now, [0])
    lease = desk.take_one("c")
    assert desk.take("d") == []
    assert desk.submit(lease).verdict is Verdict.ACCEPTED
    assert freeze(desk.tables, RULES, desk.now, 1)
    reopen(desk.tables, RULES, desk.now, [0], batch=2, slots=1)
    assert [desk.take(worker) for worker in "abc"] == [[], [], []]
    assert desk.submit(desk.take_one("d"), "dog").verdict is Verdict.ACCEPTED
    assert desk.rows("SELECT worker, panel FROM answer WHERE content IS NOT NULL") == [("c", 1), ("d", 2)]


def test_more_answers_wait_for_room_like_new_objects():
    rules = QueueRules(RULES.time_limit, RULES.lifetime, window=2, most_leases=9)
    desk = Desk(objects=4, rules=rules)
    for _ in range(4):
        desk.submit(desk.take_one("a"))
    want_more(desk.tables, rules, desk.now, range(4))
    assert [lease.object for lease in desk.take("b", want=9)] == [0, 1]


def test_the_first_panel_is_not_asked_a_second_time_and_its_answers_stay():
    desk = Desk(objects=2)
    first = [desk.take_one("a"), desk.take_one("b")]
    for lease in first:
        desk.submit(lease)
    assert freeze(desk.tables, RULES, desk.now, 1)
    reopen(desk.tables, RULES, desk.now, [0, 1], batch=2, slots=1)
    assert [desk.take_one(worker).object for worker in "ab"] == [1, 0]
    assert desk.submit(first[0]).verdict is Verdict.REPEATED
    assert desk.submit(first[0], "dog").verdict is Verdict.REFUSED
    assert desk.queue.recent(desk.tables, "a") == []


def test_a_second_panel_sees_no_guess_that_the_first_one_saw():
    desk = Desk(objects=1)
    desk.tables.execute("INSERT INTO guess VALUES (0, '\"dog\"', 'shown')")
    lease = desk.take_one("a")
    assert lease.guess == "dog"
    desk.submit(lease)
    assert freeze(desk.tables, RULES, desk.now, 1)
    reopen(desk.tables, RULES, desk.now, [0], batch=2, slots=1)
    again = desk.take_one("b")
    assert again.guess is None
    desk.submit(again)
    assert [json.loads(extra).get("guess") for (extra,) in desk.rows("SELECT extra FROM answer ORDER BY worker")] == [
        "dog",
        None,
    ]


def test_withdrawing_a_batch_ends_its_leases_and_later_answers_are_late():
    desk = Desk()
    answered, held = desk.take("a", want=2)
    desk.submit(answered)
    assert freeze(desk.tables, RULES, desk.now, 1, withdraw=True)
    assert desk.submit(held).verdict is Verdict.LATE
    assert desk.take("a") == []


def test_a_dismissed_workers_leases_end_at_once():
    desk = Desk(objects=1)
    lease = desk.take_one("a")
    assert desk.queue.dismiss(desk.tables, desk.now, ["a", "nobody"]) == 1
    assert desk.submit(lease).verdict is Verdict.LATE
    assert desk.take_one("b").object == 0


# The tables refuse what no operation may do


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO lease (object, worker, accepted, expires) VALUES (0, 'b', '1', '2')",
        "INSERT INTO lease (object, worker, accepted, expires) VALUES (1, 'a', '1', '2')",
        "INSERT INTO lease (object, worker, accepted, expires) VALUES (9, 'a', '1', '2')",
        "INSERT INTO lease (object, worker, accepted, expires) VALUES (2, 'a', '2', '1')",
        "INSERT INTO lease (object, worker, accepted, expires, state, ended) VALUES (2, 'a', '1', '2', 'expired', '2')",
        "INSERT INTO lease (id, object, worker, accepted, expires) VALUES (1, 2, 'z', '1', '2')",
        "DELETE FROM lease WHERE id = 1",
        "UPDATE lease SET state = 'active', ended = NULL WHERE id = 1",
        "UPDATE lease SET state = 'returned' WHERE id = 1",
        "UPDATE lease SET state = 'submitted' WHERE id = 2",
        "UPDATE task SET free = free + 1 WHERE object = 0",
        "UPDATE task SET free = -1 WHERE object = 2",
        "INSERT INTO answer VALUES (2, 'a', 1, '{}', '1', NULL, '{}', 2)",
        "INSERT INTO answer VALUES (1, 'a', 1, '{}', '1', NULL, '{}', 2)",
        "INSERT INTO answer VALUES (0, 'a', 1, '{}', '1', NULL, '{}', NULL)",
        "UPDATE answer SET worker = 'b' WHERE object = 0",
        "UPDATE answer SET lease = 2 WHERE object = 0",
        "INSERT INTO ledger VALUES (0, 'a', 'answer', 1, 12000)",
        "INSERT INTO answer VALUES (3, 'a', 1, '{}', '1', NULL, '{}', NULL)",
    ],
)
def test_no_statement_can_break_an_invariant(statement):
    desk = Desk(objects=4)
    answered, _ = desk.take("a", want=2)
    desk.submit(answered)
    desk.tables.execute("UPDATE task SET frozen = '2026' WHERE object = 3")
    with pytest.raises(sqlite3.IntegrityError):
        desk.tables.execute(statement)

"""Adaptive redundancy, gold and second panels with people at the page."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from support.jobs import answers_each, labels_by_people, write_gold
from support.web import content, number_of, people_job, served, tasks_of, text_job, together, work

from autolabel import JobStatus, Settings
from autolabel.job.clock import SystemClock
from autolabel.job.workers import worker_rows
from autolabel.web.server import greeting
from autolabel.workforce.leases import Verdict
from benchmarks.workforce import crash_points


class Ahead(SystemClock):
    """A clock that a test puts forward."""

    by = timedelta()

    def now(self):
        return super().now() + self.by


def rows(job, query, *values):
    return [tuple(row) for row in job.walk().store.rows(query, *values)]


def wait_for(condition):
    while not condition():
        time.sleep(0.01)


def test_a_third_person_is_asked_only_where_it_is_worth_it_and_never_one_who_answered(tmp_path):
    job, truth = people_job(tmp_path, 60, workers=3, settings=Settings(redundancy="adaptive"))

    def eve(number):  # wrong on every fourth object
        return (truth[number] + (number % 4 == 0)) % 3

    with job, served(job, tmp_path) as it:
        wanted = "SELECT 1 FROM task WHERE slots = 3 AND free = 1 AND opened IS NOT NULL AND frozen IS NULL"

        def bob():
            client = it.client("bob")
            while not it.steps:
                for task in client.take(2) if rows(job, wanted) else ():
                    client.answer(task["lease"], content(truth[number_of(task)]))
                time.sleep(0.01)

        ann_and_eve = {"ann": truth.__getitem__, "eve": eve}
        together(bob, *(lambda name=name: work(it, it.client(name), ann_and_eve[name]) for name in ann_and_eve))
        assert it.steps[0].status is JobStatus.COMPLETED
        each = answers_each(job)
        asked_again = {number for number, count in each.items() if count == 3}
        assert set(each.values()) == {2, 3}
        assert asked_again <= {number for number in each if number % 4 == 0}
        assert job.summary()["answers"]["saved"] == 60 - len(asked_again)
        assert max(rows(job, "SELECT COUNT(*) FROM lease GROUP BY object, worker")) == (1,)
        assert [labels_by_people(job)[number] for number in range(60)] == truth
        job.verify()


def test_a_decline_is_made_up_for_by_one_more_person_where_redundancy_is_adaptive(tmp_path):
    job, truth = people_job(tmp_path, 12, workers=4, settings=Settings(redundancy="adaptive"))
    with job, served(job, tmp_path) as it:
        shy = {name: it.client(name) for name in ("shy", "coy")}
        first = {name: tasks_of(client)[0] for name, client in shy.items()}
        assert {number_of(task) for task in first.values()} == {number_of(first["shy"])}
        for name, client in shy.items():
            assert client.post("/api/declines", {"lease": first[name]["lease"], "reason": "no"})[0] == 200
        together(*(lambda name=name: work(it, it.client(name), truth.__getitem__) for name in ("ann", "bob")))
        declined = number_of(first["shy"])
        assert [labels_by_people(job)[number] for number in range(12)] == truth
        who = rows(job, "SELECT worker, content IS NULL FROM answer WHERE object = ? ORDER BY worker", declined)
        assert who in ([("ann", 0), ("coy", 1), ("shy", 1)], [("bob", 0), ("coy", 1), ("shy", 1)])
        job.verify()


def test_a_second_panel_is_other_people_and_tells_how_often_the_first_is_wrong(tmp_path):
    job, truth = people_job(tmp_path, 30, workers=1, settings=Settings(repeats=0.5))
    with job, served(job, tmp_path) as it:
        ann = it.client("ann")
        work(it, ann, truth.__getitem__, until=lambda: rows(job, "SELECT COUNT(*) FROM answer") == [(30,)])
        wait_for(
            lambda: rows(job, "SELECT COUNT(*) FROM task WHERE again IS NOT NULL AND opened IS NOT NULL") == [(15,)]
        )
        assert ann.take(4) == []
        assert ann.get("/api/recent")[1]["answers"] == []
        batch = it.operator().get("/api/progress")[1]["batch"]
        assert (batch["purpose"], batch["objects"], batch["wanted"], batch["answers"]) == ("repeat", 15, 15, 0)
        work(it, it.client("bob"), lambda number: (truth[number] + (number % 5 == 0)) % 3)
        assert it.steps[0].status is JobStatus.COMPLETED
        second = rows(job, "SELECT object, worker FROM answer WHERE panel = 2 ORDER BY object")
        assert {worker for _, worker in second} == {"bob"}
        reference = job.summary()["certificate"]["reference"]
        differing = sum(number % 5 == 0 for number, _ in second)
        assert (reference["method"], reference["measured"]) == ("repeats", 15)
        assert reference["differing"] == differing
        assert [labels_by_people(job)[number] for number in range(30)] == truth
        people = {row.name: row for row in worker_rows(job.walk())}
        assert people["ann"].shared == 0  # her labels are hers alone
        assert (people["bob"].shared, people["bob"].agreed) == (15, 15 - differing)
        job.verify()


def test_while_a_second_panel_answers_the_first_ones_leases_show_and_change_nothing(tmp_path):
    job, truth = people_job(tmp_path, 10, workers=1, settings=Settings(repeats=1.0))
    with job, served(job, tmp_path) as it:
        ann = it.client("ann")
        work(it, ann, truth.__getitem__, until=lambda: rows(job, "SELECT COUNT(*) FROM answer") == [(10,)])
        bob = it.client("bob")
        (task,) = tasks_of(bob)
        number = number_of(task)
        (hers,) = rows(job, "SELECT id FROM lease WHERE object = ? AND worker = 'ann'", number)
        held = it.site.desk.held
        assert held("ann", hers[0]).result(10) is None
        assert held("ann", task["lease"]).result(10) is None
        assert held("bob", task["lease"]).result(10) == number
        other = content((truth[number] + 1) % 3)
        status, found = ann.answer(hers[0], other)
        assert (status, found["verdict"]) == (409, Verdict.REFUSED)
        assert "used already" in found["message"]
        bob.answer(task["lease"], other)
        assert held("bob", task["lease"]).result(10) == number
        assert bob.answer(task["lease"], content(truth[number]))[1]["verdict"] == Verdict.REVISED
        assert labels_by_people(job)[number] == truth[number]


def test_a_second_panel_that_declines_or_never_answers_measures_nothing_and_holds_nobody_up(tmp_path):
    clock = Ahead()
    humans = {"TaskTimeLimitInSeconds": 30}
    job, truth = people_job(tmp_path, 10, workers=1, settings=Settings(repeats=0.3), humans=humans, clock=clock)
    with job, served(job, tmp_path) as it:
        work(it, it.client("ann"), truth.__getitem__, until=lambda: rows(job, "SELECT COUNT(*) FROM answer") == [(10,)])
        bob, cid = it.client("bob"), it.client("cid")
        declined, kept, lost = tasks_of(bob, 3)
        assert bob.post("/api/declines", {"lease": declined["lease"]})[0] == 200
        assert bob.answer(kept["lease"], content(0))[0] == 200
        assert cid.take(3) == []
        clock.by += timedelta(seconds=31)
        (again,) = tasks_of(cid, 3)
        assert number_of(again) == number_of(lost)
        assert bob.answer(lost["lease"], content(0))[1]["verdict"] == Verdict.LATE
        cid.answer(again["lease"], content(truth[number_of(again)]))
        wait_for(lambda: it.steps)
        assert it.steps[0].status is JobStatus.COMPLETED
        said = rows(job, "SELECT object, worker, content IS NULL FROM answer WHERE panel = 2")
        assert sorted(said) == sorted(
            [(number_of(declined), "bob", 1), (number_of(kept), "bob", 0), (number_of(again), "cid", 0)]
        )
        assert len(labels_by_people(job)) == 10
        assert len(rows(job, "SELECT 1 FROM ledger WHERE kind = 'answer'")) == 12
        job.verify()


def test_a_stop_while_a_second_panel_answers_withdraws_it_and_keeps_every_label(tmp_path):
    job, truth = people_job(tmp_path, 20, workers=1, settings=Settings(repeats=0.5))
    with job, served(job, tmp_path) as it:
        work(it, it.client("ann"), truth.__getitem__, until=lambda: rows(job, "SELECT COUNT(*) FROM answer") == [(20,)])
        bob = it.client("bob")
        given, held = tasks_of(bob, 2)
        bob.answer(given["lease"], content(truth[number_of(given)]))
        assert it.operator().post("/api/stop", {})[0] == 200
        wait_for(lambda: it.steps)
        assert it.steps[0].status is JobStatus.STOPPED
        assert bob.answer(held["lease"], content(0))[0] == 410
        assert bob.answer(given["lease"], content((truth[number_of(given)] + 1) % 3))[0] == 409
        assert [labels_by_people(job)[number] for number in range(20)] == truth
        assert job.counters().human_labeled == 20
        assert len(rows(job, "SELECT 1 FROM ledger WHERE kind = 'answer'")) == 21
        job.verify()


def test_nobody_who_measures_sees_a_guess(tmp_path):
    gold = write_gold(tmp_path, 300, range(0, 300, 12), noise=0.6)
    settings = Settings(model="tfidf", batch=20, error=0.02, guesses=True, repeats=0.6, gold=str(gold))
    job, truth = text_job(tmp_path, 300, settings=settings, noise=0.6)
    guessed = {}

    def worker(it, client):
        while not it.steps:
            tasks = client.take(2)
            if not tasks:
                time.sleep(0.01)
            for task in tasks:
                guessed[task["lease"]] = "guess" in task
                client.answer(task["lease"], content(truth[number_of(task)]))

    with job, served(job, tmp_path) as it:
        together(*(lambda name=name: worker(it, it.client(name)) for name in ("ann", "bob")))
        facts = rows(
            job,
            "SELECT answer.lease, panel, purpose, treatment FROM answer JOIN task USING (object)"
            " LEFT JOIN guess USING (object)",
        )
        measuring = [lease for lease, panel, purpose, _ in facts if panel == 2 or purpose in {"gold", "audit"}]
        assert not any(guessed[lease] for lease in measuring)
        assert {treatment for _, _, _, treatment in facts} >= {"shown", "blind"}
        assert {purpose for _, _, purpose, _ in facts} >= {"gold", "audit", "train"}
        for lease, panel, _, treatment in facts:
            assert guessed[lease] == (panel == 1 and treatment in {"shown", "planted"})
        people = worker_rows(job.walk())
        assert sum(row.gold for row in people) >= 20
        assert all(row.gold_right == row.gold for row in people)
        job.verify()


def test_the_operator_is_told_how_many_people_a_second_panel_takes(tmp_path):
    job, _ = people_job(tmp_path, 10, workers=2, settings=Settings(repeats=0.1))
    with job, served(job, tmp_path, walk=False) as it:
        assert "answers of 4 different people and 1 are invited" in list(greeting(it.site, it.server.origin))[-1]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    return crash_points.count_points(folder)


@pytest.mark.parametrize("part", range(6))
def test_dying_at_the_desk_and_starting_again_gives_the_same_bytes(uninterrupted, tmp_path, part):
    expected, points = uninterrupted
    assert crash_points.label_and_die(tmp_path, 1 + points * (2 * part + 1) // 12) == expected


def test_what_a_worker_sends_twice_is_stored_once_in_either_panel(tmp_path):
    job, truth = people_job(tmp_path, 10, workers=1, settings=Settings(repeats=1.0))
    with job, served(job, tmp_path) as it:
        for name in ("ann", "bob"):
            client = it.client(name)
            for _ in range(10):
                (task,) = tasks_of(client)
                verdicts = [client.answer(task["lease"], content(truth[number_of(task)]))[1]["verdict"] for _ in "123"]
                assert verdicts == [Verdict.ACCEPTED, Verdict.REPEATED, Verdict.REPEATED]
        wait_for(lambda: it.steps)
        ledger = [line.split(",") for line in job.folder.ledger.read_text().splitlines()[1:]]
        assert sorted(line[3] for line in ledger if line[2] == "answer") == ["ann"] * 10 + ["bob"] * 10
        found = [json.loads(line)["topic"] for line in job.folder.output_manifest.read_text().splitlines()]
        assert found == truth

"""Adaptive redundancy in a whole job: fewer answers, none too many, and the same bytes after every crash."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.jobs import answers_each, counted_points, killed_at, labels_by_people, resolved, result, run_job

from autolabel import Answer, LabelingJob
from autolabel.errors import SettingsError
from autolabel.job.settings import resolve_settings
from autolabel.testing import FixedClock, toy_request, write_toy_texts


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    found = {name: run_job(tmp_path_factory.mktemp(name), resolved(redundancy=name)) for name in ("fixed", "adaptive")}
    yield found
    for job, _ in found.values():
        job.close()


def test_fixed_redundancy_asks_exactly_as_many_as_the_document_says(both):
    job, _ = both["fixed"]
    assert set(answers_each(job).values()) == {5}
    assert not job.walk().store.rows("SELECT name FROM step WHERE name LIKE '%.more-%'")


def test_adaptive_redundancy_asks_two_to_as_many_as_the_document_says_and_not_all_alike(both):
    job, _ = both["adaptive"]
    counts = set(answers_each(job).values())
    assert counts >= {2, 3}
    assert max(counts) <= 5


def test_adaptive_redundancy_saves_answers_and_says_how_many(both):
    (adaptive, _), (fixed, _) = both["adaptive"], both["fixed"]
    labeled = len(answers_each(adaptive))
    given = sum(answers_each(adaptive).values())
    assert adaptive.summary()["answers"] == {"asked": given, "saved": 5 * labeled - given, "repeated": 0}
    assert 5 * labeled - given > 2 * labeled
    assert fixed.summary()["answers"]["saved"] == 0


def test_labels_are_right_more_often_than_a_single_worker_is(both):
    job, truth = both["adaptive"]
    labels = labels_by_people(job)
    assert sum(labels[number] == truth[number] for number in labels) >= 0.95 * len(labels)


def test_every_answer_is_paid_once_and_the_ledger_adds_up(both):
    job, _ = both["adaptive"]
    lines = [line.split(",") for line in job.folder.ledger.read_text().splitlines()[1:]]
    answers = [line for line in lines if line[2] == "answer"]
    assert len(answers) == len({(line[0], line[3]) for line in answers}) == sum(answers_each(job).values())
    total = sum(float(line[5]) for line in lines)
    assert total == pytest.approx(job.summary()["cost"]["total"], abs=1e-6)


@pytest.mark.parametrize("name", ["fixed", "adaptive"])
def test_a_job_of_either_kind_verifies(both, name):
    both[name][0].verify()


def test_no_answer_is_worth_asking_for_when_errors_cost_nothing(tmp_path):
    job, _ = run_job(tmp_path, resolved(redundancy="adaptive", error_value=0.0), count=40)
    with job:
        assert set(answers_each(job).values()) == {2}


def test_dear_errors_and_free_answers_buy_more_answers(tmp_path):
    asked = []
    for value, price in ((0.05, None), (5.0, None), (5.0, 0.0)):
        settings = resolved(redundancy="adaptive", error_value=value, answer_price=price)
        job, _ = run_job(tmp_path / f"{value}-{price}", settings, people={"accuracy": 0.75}, count=40)
        with job:
            asked.append(sum(answers_each(job).values()) / len(answers_each(job)))
    assert 2 <= asked[0] < min(asked[1:])
    assert max(asked) <= 5


def test_with_two_workers_an_object_there_is_nothing_to_decide(tmp_path):
    job, _ = run_job(tmp_path, resolved(redundancy="adaptive"), workers=2, count=40)
    with job:
        assert set(answers_each(job).values()) == {2}


def test_a_decline_takes_a_place_and_an_object_that_all_declined_so_far_is_asked_again(tmp_path):
    people = {"decline_rate": 0.5}
    job, _ = run_job(tmp_path, resolved(redundancy="adaptive"), workers=4, count=80, people=people)
    with job:
        each, labeled = answers_each(job), labels_by_people(job)
        assert max(each.values()) <= 4
        assert len(labeled) < len(each)
        assert {each[number] for number in each.keys() - labeled.keys()} == {4}
        job.verify()


def test_between_two_turns_an_answer_that_nobody_asked_for_is_refused(tmp_path):
    write_toy_texts(tmp_path, 60)
    request = toy_request(tmp_path, workers=5)
    with LabelingJob.create(request, settings=resolved(redundancy="adaptive"), clock=FixedClock()) as job:
        tasks = job.advance().tasks
        assert {task.workers for task in tasks} == {2}
        said = [
            Answer(task.object, who, job.task.answer_from_label(task.object % 3))
            for task in tasks
            for who in ("ann", "bob")
        ]
        said[0] = Answer(tasks[0].object, "ann", job.task.answer_from_label((tasks[0].object + 1) % 3))
        assert job.submit(said).accepted == len(said)
        late = Answer(tasks[0].object, "cid", job.task.answer_from_label(0))
        assert "all 2 answers are in" in job.submit([late]).refused[0][1]
        more = job.advance().tasks
        assert more[0].object == tasks[0].object
        assert more[0].workers == 3
        assert more[0].answered_by == ("ann", "bob")
        assert len(more) < len(tasks)
        assert job.submit([late]).accepted == 1


def test_once_the_availability_time_is_over_nobody_is_asked_for_more(tmp_path):
    write_toy_texts(tmp_path, 40)
    clock = FixedClock()
    request = toy_request(tmp_path, workers=5, automated=False)
    with LabelingJob.create(request, settings=resolved(redundancy="adaptive"), clock=clock) as job:
        tasks = job.advance().tasks
        job.submit([Answer(task.object, "ann", job.task.answer_from_label(0)) for task in tasks])
        clock.moment += timedelta(days=40)
        job.advance()
        assert len(labels_by_people(job)) == len(tasks)
        assert set(answers_each(job).values()) == {1}


def whole(folder):
    job, _ = run_job(folder, resolved(redundancy="adaptive"), count=40)
    with job:
        return result(job)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return counted_points(lambda: whole(tmp_path_factory.mktemp("clean")))


@pytest.mark.parametrize("part", range(4))
def test_killing_an_adaptive_job_and_resuming_gives_the_same_bytes(uninterrupted, tmp_path, part):
    expected, points = uninterrupted
    killed_at(1 + points * (2 * part + 1) // 8, lambda: whole(tmp_path))
    assert whole(tmp_path) == expected


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(9, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
        pytest.param(1, marks=[pytest.mark.exhaustive, pytest.mark.timeout(3600)]),
    ],
)
def test_killing_an_adaptive_job_at_every_durable_operation_gives_the_same_bytes(uninterrupted, tmp_path, step):
    expected, points = uninterrupted
    for point in range(1, points + 1, step):
        folder = tmp_path / str(point)
        killed_at(point, lambda folder=folder: whole(folder))
        assert whole(folder) == expected


def test_an_unknown_redundancy_names_what_was_found():
    with pytest.raises(SettingsError, match="Invalid enum value 'maybe'"):
        resolve_settings(options={"redundancy": "maybe"})

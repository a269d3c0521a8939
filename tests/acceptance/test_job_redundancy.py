"""Adaptive redundancy in a whole job: fewer answers, none too many, and the same bytes after every crash."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from autolabel import Answer, LabelingJob
from autolabel.errors import JobNotFoundError, SettingsError
from autolabel.job.settings import resolve_settings
from autolabel.storage.durable import failpoints
from autolabel.testing import FixedClock, SimulatedWorkforce, toy_request, write_toy_texts

FILES = ("manifests/output/output.manifest", "certificate.json", "ledger.csv", "scores/scores.jsonl")


def resolved(**options):
    return resolve_settings(options={"model": "tfidf", "batch": 20, **options})


def run(folder, settings, *, workers=5, accuracy=0.9, count=100, **simulated):
    folder.mkdir(parents=True, exist_ok=True)
    truth = write_toy_texts(folder, count)
    try:
        job = LabelingJob.open(folder / "out" / "toy", clock=FixedClock())
    except JobNotFoundError:
        job = LabelingJob.create(toy_request(folder, workers=workers), settings=settings, clock=FixedClock())
    try:
        job.run(SimulatedWorkforce(truth, job.task, accuracy=accuracy, workers=9, seed=3, **simulated))
    except BaseException:
        job.close()
        raise
    return job, truth


def answers_each(job):
    rows = job.walk().store.rows("SELECT object, COUNT(*) AS n FROM answer GROUP BY object")
    return {row["object"]: row["n"] for row in rows}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    found = {}
    for name, settings in (("fixed", resolved()), ("adaptive", resolved(redundancy="adaptive"))):
        found[name] = run(tmp_path_factory.mktemp(name), settings)
    yield found
    for job, _ in found.values():
        job.close()


def test_fixed_redundancy_asks_exactly_as_many_as_the_document_says(both):
    job, _ = both["fixed"]
    assert set(answers_each(job).values()) == {5}
    assert not [name for name in step_names(job) if ".more-" in name]


def step_names(job):
    return [row["name"] for row in job.walk().store.rows("SELECT name FROM step")]


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
    each = answers_each(job)
    labels = {
        row["object"]: json.loads(row["label"]) for row in job.walk().store.rows("SELECT object, label FROM label")
    }
    right = sum(labels[number] == truth[number] for number in each)
    assert right >= 0.95 * len(each)


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
    job, _ = run(tmp_path, resolved(redundancy="adaptive", error_value=0.0), count=40)
    with job:
        assert set(answers_each(job).values()) == {2}


def test_dear_errors_and_free_answers_buy_more_answers(tmp_path):
    asked = []
    for value, price in ((0.05, None), (5.0, None), (5.0, 0.0)):
        settings = resolved(redundancy="adaptive", error_value=value, answer_price=price)
        job, _ = run(tmp_path / f"{value}-{price}", settings, accuracy=0.75, count=40)
        with job:
            asked.append(sum(answers_each(job).values()) / len(answers_each(job)))
    assert 2 <= asked[0] < asked[1] < asked[2] <= 5


def test_with_two_workers_an_object_there_is_nothing_to_decide(tmp_path):
    job, _ = run(tmp_path, resolved(redundancy="adaptive"), workers=2, count=40)
    with job:
        assert set(answers_each(job).values()) == {2}


def test_a_decline_takes_a_place_and_an_object_that_all_declined_so_far_is_asked_again(tmp_path):
    job, _ = run(tmp_path, resolved(redundancy="adaptive"), workers=4, count=80, decline_rate=0.5)
    with job:
        each = answers_each(job)
        assert max(each.values()) <= 4
        labeled = {row["object"] for row in job.walk().store.rows("SELECT object FROM label")}
        for number, count in each.items():
            content = job.walk().store.rows("SELECT content FROM answer WHERE object = ?", number)
            if all(row["content"] is None for row in content):
                assert count == 4
                assert number not in labeled
        job.verify()


def test_between_two_turns_an_answer_that_nobody_asked_for_is_refused(tmp_path):
    write_toy_texts(tmp_path, 60)
    request = toy_request(tmp_path, workers=5)
    with LabelingJob.create(request, settings=resolved(redundancy="adaptive"), clock=FixedClock()) as job:
        tasks = job.advance().tasks
        assert {task.workers for task in tasks} == {2}
        names = job.task.categories
        said = [
            Answer(task.object, who, job.task.answer_from_label(task.object % 3))
            for task in tasks
            for who in ("ann", "bob")
        ]
        said[0] = Answer(tasks[0].object, "ann", job.task.answer_from_label((tasks[0].object + 1) % 3))
        assert job.submit(said).accepted == len(said)
        late = Answer(tasks[0].object, "cid", {"crowd-classifier": {"label": names[0]}})
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
        labeled = job.walk().store.rows("SELECT object FROM label WHERE source = 'people'")
        assert len(labeled) == len(tasks)
        assert set(answers_each(job).values()) == {1}


def result(job):
    return {name: (job.folder.root / name).read_bytes() for name in FILES}


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    names: list[str] = []
    with failpoints(names.append):
        job, _ = run(tmp_path_factory.mktemp("clean"), resolved(redundancy="adaptive"), count=40)
    with job:
        yield result(job), len(names)


def killed_and_resumed(folder, point):
    calls = 0

    def count(_name):
        nonlocal calls
        calls += 1
        if calls == point:
            raise Killed

    settings = resolved(redundancy="adaptive")
    with pytest.raises(Killed), failpoints(count):
        run(folder, settings, count=40)
    job, _ = run(folder, settings, count=40)
    with job:
        return result(job)


@pytest.mark.parametrize("part", range(4))
def test_killing_an_adaptive_job_and_resuming_gives_the_same_bytes(uninterrupted, tmp_path, part):
    expected, points = uninterrupted
    assert killed_and_resumed(tmp_path, 1 + points * (2 * part + 1) // 8) == expected


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killing_an_adaptive_job_at_every_durable_operation_gives_the_same_bytes(uninterrupted, tmp_path):
    expected, points = uninterrupted
    for point in range(1, points + 1):
        assert killed_and_resumed(tmp_path / str(point), point) == expected


def test_an_unknown_redundancy_names_the_known_ones():
    with pytest.raises(SettingsError, match="Invalid enum value 'maybe'"):
        resolve_settings(options={"redundancy": "maybe"})

"""Objects that fail, workers that decline, jobs that stop or expire: every object ends somewhere, with a reason."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from autolabel import Answer, JobStatus, LabelingJob, Settings
from autolabel.testing import FixedClock, SimulatedWorkforce, toy_job, toy_request, write_toy_texts

SETTINGS = Settings(model="tfidf", batch=20)


def records(job):
    return [json.loads(line) for line in job.folder.output_manifest.read_text().splitlines()]


def test_bad_lines_and_empty_texts_fail_with_a_reason_and_the_job_goes_on(tmp_path):
    truth = write_toy_texts(tmp_path, 120)
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
    lines[3] = '{"source": "  \\t "}'
    lines[50] = "{not json"
    lines[70] = '{"id": 7}'
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    with LabelingJob.create(toy_request(tmp_path), settings=SETTINGS, clock=FixedClock()) as job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        assert step.status is JobStatus.COMPLETED
        assert job.counters().failed == 3
        found = records(job)
        for number, word in ((3, "EMPTY_TEXT"), (50, "INVALID_JSON_LINE"), (70, "MISSING_SOURCE_REF")):
            assert word in found[number]["topic-metadata"]["failure-reason"]
            assert "topic" not in found[number]
        assert sum("topic" in record for record in found) == 117
        assert step.certificate["objects"] == 117
        job.verify()


def test_an_object_that_everybody_declines_fails_as_the_service_says_it(tmp_path):
    truth = write_toy_texts(tmp_path, 150)
    with LabelingJob.create(toy_request(tmp_path), settings=SETTINGS, clock=FixedClock()) as job:
        people = SimulatedWorkforce(truth, job.task)
        first = True
        while not (step := job.advance()).finished:
            people.publish(step.tasks)
            answers = people.collect()
            if first:  # one of ten probes may fail
                answers[0] = Answer(answers[0].object, answers[0].worker, None)
                declined, first = answers[0].object, False
            job.submit(answers)
        assert step.status is JobStatus.COMPLETED
        assert records(job)[declined]["topic-metadata"]["failure-reason"].startswith(
            "ClientError: Annotation tasks expired.  Probable Reasons are 1)"
        )
        assert records(job)[declined]["topic-metadata"]["human-annotated"] == "true"
        ledger = job.folder.ledger.read_text().splitlines()
        assert not any(line.startswith(f"{declined},") for line in ledger)


def test_more_than_a_tenth_of_failed_probes_fails_the_job(tmp_path):
    write_toy_texts(tmp_path, 150)
    with LabelingJob.create(toy_request(tmp_path), settings=SETTINGS, clock=FixedClock()) as job:
        tasks = job.advance().tasks
        assert len(tasks) == 10
        good = {"crowd-classifier": {"label": "weather"}}
        job.submit(Answer(task.object, "w", None if place < 2 else good) for place, task in enumerate(tasks))
        step = job.advance()
        assert step.status is JobStatus.FAILED
        assert "2 of the first 10" in step.failure_reason
        assert job.describe()["FailureReason"] == step.failure_reason


def test_tasks_that_nobody_takes_expire(tmp_path):
    write_toy_texts(tmp_path, 60)
    clock = FixedClock()
    with LabelingJob.create(toy_request(tmp_path), settings=SETTINGS, clock=clock) as job:
        job.advance()
        clock.moment += timedelta(days=9)
        assert not job.advance().finished
        clock.moment += timedelta(days=2)
        assert job.advance().status is JobStatus.FAILED


def test_audits_that_nobody_can_label_count_as_errors(tmp_path):
    truth = write_toy_texts(tmp_path, 300)
    with LabelingJob.create(toy_request(tmp_path), settings=SETTINGS, clock=FixedClock()) as job:
        people = SimulatedWorkforce(truth, job.task)
        while not (step := job.advance()).finished:
            people.publish(step.tasks)
            audit = job.walk().steps.stored("look.freeze")
            refused = set(audit.result["audit"][:2]) if audit else set()
            job.submit(Answer(a.object, a.worker, None) if a.object in refused else a for a in people.collect())
        assert step.certificate["audit_errors"] >= 2
        assert len(step.certificate["audit_unanswered"]) == 2
        assert "could not be labeled" in step.certificate["sentence"] or not step.certificate["machine_labeled"]
        assert job.counters().failed == 2
        job.verify()


@pytest.mark.parametrize("walked", [0, 1, 3, 4])
def test_a_stopped_job_keeps_what_it_has_and_can_be_chained(tmp_path, walked):
    truth = write_toy_texts(tmp_path, 200)
    with LabelingJob.create(toy_request(tmp_path), settings=SETTINGS, clock=FixedClock()) as job:
        people = SimulatedWorkforce(truth, job.task)
        for _ in range(walked):
            step = job.advance()
            people.publish(step.tasks)
            job.submit(people.collect())
        step = job.stop()
        assert step.status is JobStatus.STOPPED
        assert job.stop().status is JobStatus.STOPPED
        labeled = job.counters().human_labeled
        total = job.counters().total_labeled
        assert sum("topic" in record for record in records(job)) == total >= labeled
        assert job.counters().unlabeled == 200 - total
        job.verify()
        manifest = str(job.folder.output_manifest)
    with LabelingJob.create(
        toy_request(tmp_path, name="chained", manifest=manifest), settings=SETTINGS, clock=FixedClock()
    ) as job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        assert step.status is JobStatus.COMPLETED
        assert job.summary()["human_labels"]["chained"] == labeled
        assert job.counters().total_labeled == 200
        job.verify()


def test_labels_that_come_with_the_manifest_are_kept_and_machine_ones_are_not_covered(tmp_path):
    truth = write_toy_texts(tmp_path, 200)
    with LabelingJob.create(toy_request(tmp_path), settings=SETTINGS, clock=FixedClock()) as job:
        job.run(SimulatedWorkforce(truth, job.task))
        machine = job.counters().machine_labeled
        lines = job.folder.output_manifest.read_text().splitlines()
    (tmp_path / "more.jsonl").write_text(
        "\n".join([*lines, *(json.dumps({"source": f"rain snow {n}"}) for n in range(40))]) + "\n"
    )
    with LabelingJob.create(
        toy_request(tmp_path, name="more", manifest=str(tmp_path / "more.jsonl")), settings=SETTINGS, clock=FixedClock()
    ) as job:
        step = job.run(SimulatedWorkforce([*truth, *[0] * 40], job.task))
        found = job.folder.output_manifest.read_text().splitlines()
        assert found[:200] == lines
        assert step.certificate["not_covered"] == machine
        assert step.certificate["objects"] == 240 - machine
        assert job.counters().machine_labeled >= machine


def test_a_stop_flag_from_another_process_stops_the_job_before_its_next_step(tmp_path):
    with toy_job(tmp_path) as (job, workforce):
        tasks = job.advance().tasks
        workforce.publish(tasks)
        job.submit(workforce.collect()[:6])
        job.folder.stop_flag.touch()
        step = job.run(workforce)
        assert step.status is JobStatus.STOPPED
        counters = job.counters()
        assert (counters.human_labeled, counters.failed) == (6, 0)  # what was answered is not lost
        assert len(list(job.folder.root.glob("annotations/worker-response/*/*/*.json"))) == 6
        job.verify()

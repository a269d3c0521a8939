"""A whole job, in process: what it delivers, what it counts, what it never exceeds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from autolabel import Answer, JobStatus, LabelingJob, Quality, Settings
from autolabel.errors import CheckpointError, InvalidRequestError, JobExistsError, JobLockedError, ManifestError
from autolabel.testing import FixedClock, SimulatedWorkforce, toy_job, toy_request, write_toy_texts

SETTINGS = Settings(model="tfidf", batch=20)


def delivered(job):
    return [json.loads(line) for line in job.folder.output_manifest.read_text().splitlines()]


def labels_of(job):
    return [record.get("topic") for record in delivered(job)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    truth = write_toy_texts(folder, 400)
    with LabelingJob.create(toy_request(folder), settings=SETTINGS, clock=FixedClock()) as job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        yield job, step, truth


def test_the_job_completes_with_a_certificate_that_the_truth_confirms(finished):
    job, step, truth = finished
    assert step.finished
    assert step.status is JobStatus.COMPLETED
    wrong = sum(found != true for found, true in zip(labels_of(job), truth, strict=True))
    certificate = step.certificate
    assert certificate["granted"]
    assert certificate["machine_labeled"] > 200
    assert wrong <= certificate["wrong_at_most"] <= 0.05 * 400
    assert certificate["human_labeled"] + certificate["machine_labeled"] == certificate["objects"] == 400


def test_every_line_is_the_input_line_plus_label_and_metadata(finished):
    job, _, _ = finished
    given = (job.folder.root.parents[1] / "manifest.jsonl").read_bytes().splitlines()
    lines = job.folder.output_manifest.read_bytes().splitlines()
    assert len(lines) == len(given)
    for before, after in zip(given, lines, strict=True):
        assert after.startswith(before[:-1] + b',"topic":')
        metadata = json.loads(after)["topic-metadata"]
        assert list(metadata) == ["class-name", "job-name", "confidence", "type", "human-annotated", "creation-date"]
        assert metadata["job-name"] == "labeling-job/toy"
        assert metadata["type"] == "groundtruth/text-classification"
        assert round(metadata["confidence"], 2) == metadata["confidence"]


def test_counters_add_up_and_name_who_labeled(finished):
    job, step, _ = finished
    counters = job.describe()["LabelCounters"]
    by_people = sum(record["topic-metadata"]["human-annotated"] == "yes" for record in delivered(job))
    assert counters["HumanLabeled"] == by_people == sum(job.summary()["human_labels"].values())
    assert counters["MachineLabeled"] == step.certificate["machine_labeled"]
    assert counters["TotalLabeled"] + counters["FailedNonRetryableError"] + counters["Unlabeled"] == 400


def test_the_output_tree_has_the_depths_that_notebooks_parse(finished):
    job, step, _ = finished
    root = job.folder.root
    auto = next(root.glob("activelearning/**/auto_annotator_output.txt"))
    assert auto.parts[-3] == "1"
    lines = auto.read_text().splitlines()
    assert len(lines) == step.certificate["machine_labeled"]
    number, _, rest = lines[0].partition(" ")
    assert json.loads(rest)["topic-metadata"]["human-annotated"] == "no"
    assert json.loads(rest)["topic"] == labels_of(job)[int(number)]
    model = next(root.glob("training/**/model.tar.gz"))
    assert (model.parts[-5], model.parts[-3]) == ("1", "toy-final")
    responses = list(root.glob("annotations/worker-response/iteration-*/*/*.json"))
    assert len(responses) == job.summary()["counters"]["HumanLabeled"]
    first = next(root.glob("annotations/consolidated-annotation/consolidation-response/iteration-1/*.json"))
    assert len(json.loads(first.read_text())) == 10
    assert {path.name for path in root.iterdir()} >= {
        "certificate.json", "report.html", "ledger.csv", "events.jsonl", "scores", "manifests", "annotations",
    }  # fmt: skip


def test_the_ledger_adds_up_to_the_cost(finished):
    job, _, _ = finished
    lines = job.folder.ledger.read_text().splitlines()[1:]
    total = sum(float(line.rsplit(",", 1)[1]) for line in lines)
    cost = job.summary()["cost"]
    assert total == pytest.approx(cost["total"], abs=1e-6)
    assert cost["total"] < cost["all_human"] == pytest.approx(400 * 0.092)


def test_the_audit_never_trains_and_exploration_never_certifies(finished):
    job, step, _ = finished
    run = job.walk()
    last = run.steps.stored(f"round-{run.steps.stored('look.freeze').result['round']:03d}.learn")
    trained = set(last.arrays()["trained.objects"].tolist())
    assert trained.isdisjoint(step.certificate["audit"])


def test_a_verified_job_stays_verified(finished):
    job, step, _ = finished
    assert job.verify().certificate.to_json() == step.certificate


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_audit(finished, tmp_path):
    job, step, truth = finished
    for seed, same in ((0, True), (1, False)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        write_toy_texts(folder, 400)
        settings = Settings(model="tfidf", batch=20, seed=seed)
        with LabelingJob.create(toy_request(folder), settings=settings, clock=FixedClock()) as again:
            other = again.run(SimulatedWorkforce(truth, again.task))
            assert (again.folder.output_manifest.read_bytes() == job.folder.output_manifest.read_bytes()) is same
            assert (other.certificate["audit"] == step.certificate["audit"]) is same


def test_two_processes_cannot_open_one_job(finished):
    job, _, _ = finished
    with pytest.raises(JobLockedError, match="open in process"):
        LabelingJob.open(job.folder.root)


def test_the_library_loop_asks_each_object_once_and_takes_answers_in_any_order(tmp_path):
    with toy_job(tmp_path) as (job, workforce):
        asked: list[int] = []
        while not (step := job.advance()).finished:
            workforce.publish(step.tasks)
            answers = workforce.collect()
            asked += [task.object for task in step.tasks]
            half = len(answers) // 2
            job.submit(reversed(answers[half:]))
            assert job.submit(answers[half:]).repeated == len(answers) - half
            assert job.submit(answers[:half]).accepted == half
        assert len(asked) == len(set(asked)) == job.counters().human_labeled


def test_bad_answers_are_refused_one_by_one_with_their_reason(tmp_path):
    with toy_job(tmp_path) as (job, _):
        task = job.advance().tasks[0]
        good = {"crowd-classifier": {"label": "weather"}}
        answers = [
            Answer(task.object, "ann", {"crowd-classifier": {"label": "sports"}}),
            Answer(299_999, "ann", good),
            Answer(task.object, "ann", good),
            Answer(task.object, "ann", {"crowd-classifier": {"label": "travel"}}),
            Answer(task.object, "bob", good),
        ]
        found = job.submit(answers)
        assert found.accepted == 1
        reasons = [reason for _, reason in found.refused]
        assert "sports" in reasons[0]
        assert "nobody was asked" in reasons[1]
        assert "has answered it already" in reasons[2]
        assert "all 1 answers are in" in reasons[3]


def test_several_workers_are_consolidated_and_each_is_paid_once(tmp_path):
    truth = write_toy_texts(tmp_path, 200)
    with LabelingJob.create(toy_request(tmp_path, workers=3), settings=SETTINGS, clock=FixedClock()) as job:
        step = job.run(SimulatedWorkforce(truth, job.task, accuracy=0.9, workers=8, seed=4))
        assert step.status is JobStatus.COMPLETED
        people = job.counters().human_labeled
        ledger = job.folder.ledger.read_text().splitlines()
        assert sum(",answer," in line for line in ledger) == 3 * people
        confidences = [r["topic-metadata"]["confidence"] for r in delivered(job)]
        assert max(confidences) <= 1.0
        humans = [r["topic-metadata"] for r in delivered(job) if r["topic-metadata"]["human-annotated"] == "yes"]
        assert max(m["confidence"] for m in humans) <= 0.95


@pytest.mark.parametrize("limit", [1, 9, 10, 25, 60, 90, 130, 250])
def test_the_human_budget_is_never_exceeded_and_the_promise_is_about_what_was_delivered(tmp_path, limit):
    truth = write_toy_texts(tmp_path, 300)
    with LabelingJob.create(
        toy_request(tmp_path, max_human_labeled=limit), settings=SETTINGS, clock=FixedClock()
    ) as job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        counters, certificate = job.counters(), step.certificate
        assert step.status is JobStatus.COMPLETED
        assert counters.human_labeled <= limit
        wrong = sum(f is not None and f != t for f, t in zip(labels_of(job), truth, strict=True))
        assert wrong <= certificate["wrong_at_most"]
        if certificate["granted"] and counters.machine_labeled:
            assert certificate["promised_labels"] <= counters.total_labeled
            assert certificate["wrong_at_most"] <= 0.05 * counters.total_labeled
        job.verify()


@pytest.mark.parametrize("percent", [1, 10, 35, 80, 99])
def test_the_percentage_is_never_exceeded(tmp_path, percent):
    truth = write_toy_texts(tmp_path, 300)
    with LabelingJob.create(
        toy_request(tmp_path, max_percentage_labeled=percent), settings=SETTINGS, clock=FixedClock()
    ) as job:
        job.run(SimulatedWorkforce(truth, job.task))
        assert job.counters().total_labeled == 300 * percent // 100
        job.verify()


def test_people_label_everything_when_automated_labeling_is_not_asked_for(tmp_path):
    truth = write_toy_texts(tmp_path, 60)
    with LabelingJob.create(toy_request(tmp_path, automated=False), settings=SETTINGS, clock=FixedClock()) as job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        assert labels_of(job) == truth
        assert step.certificate["wrong_at_most"] == 0
        assert job.summary()["human_labels"] == {"train": 10, "audit": 0, "rest": 50, "chained": 0}


def test_dear_machine_labels_leave_everything_to_people(tmp_path):
    truth = write_toy_texts(tmp_path, 120)
    settings = Settings(model="tfidf", batch=20, machine_price=1.0)
    with LabelingJob.create(toy_request(tmp_path), settings=settings, clock=FixedClock()) as job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        assert labels_of(job) == truth
        assert job.summary()["human_labels"]["audit"] == 0
        assert "save nothing" in step.certificate["reason"]


@pytest.mark.parametrize("count", [1, 2, 5, 11, 40])
def test_tiny_data_sets_are_labeled_too(tmp_path, count):
    truth = write_toy_texts(tmp_path, count)
    with LabelingJob.create(toy_request(tmp_path), settings=SETTINGS, clock=FixedClock()) as job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        assert step.status is JobStatus.COMPLETED
        assert job.counters().total_labeled == count
        job.verify()


def test_a_data_set_of_one_class_is_labeled(tmp_path):
    write_toy_texts(tmp_path, 200)
    with LabelingJob.create(toy_request(tmp_path), settings=SETTINGS, clock=FixedClock()) as job:
        step = job.run(SimulatedWorkforce([2] * 200, job.task))
        assert set(labels_of(job)) == {2}
        assert step.certificate["granted"]


def test_a_model_that_learns_nothing_costs_no_more_than_people_and_its_audit(tmp_path):
    write_toy_texts(tmp_path, 300)
    truth = np.random.default_rng(0).integers(3, size=300).tolist()
    with LabelingJob.create(toy_request(tmp_path), settings=SETTINGS, clock=FixedClock()) as job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        wrong = sum(found != true for found, true in zip(labels_of(job), truth, strict=True))
        assert wrong <= step.certificate["wrong_at_most"]
        assert job.summary()["cost"]["total"] <= job.summary()["cost"]["all_human"]


def test_a_name_is_taken_in_any_case(tmp_path):
    with toy_job(tmp_path), pytest.raises(JobExistsError):
        LabelingJob.create(toy_request(tmp_path, name="TOY"), settings=SETTINGS)


def test_a_refused_manifest_leaves_no_folder(tmp_path):
    write_toy_texts(tmp_path, 5)
    (tmp_path / "manifest.jsonl").write_text("\n\n")
    with pytest.raises(ManifestError, match="EMPTY_MANIFEST"):
        LabelingJob.create(toy_request(tmp_path), settings=SETTINGS)
    assert list((tmp_path / "out").glob("*")) == []


def test_a_pool_that_teaches_the_encoder_nothing_ends_the_job_as_failed(tmp_path):
    write_toy_texts(tmp_path, 30)
    (tmp_path / "manifest.jsonl").write_text('{"source": " "}\n' * 30)
    with LabelingJob.create(toy_request(tmp_path), settings=Settings(model="tfidf")) as job:
        step = job.advance()
        assert (step.status, step.certificate) == (JobStatus.FAILED, None)
        assert "no term occurs twice" in step.failure_reason


def test_an_encoder_for_another_task_is_refused(tmp_path):
    write_toy_texts(tmp_path, 30)
    with pytest.raises(CheckpointError, match="pixels is an encoder for image-classification"):
        LabelingJob.create(toy_request(tmp_path), settings=Settings(model="pixels"))
    assert not list((tmp_path / "out").glob("*"))


def test_a_manifest_inside_the_jobs_own_output_is_refused(tmp_path):
    write_toy_texts(tmp_path, 5)
    inside = tmp_path / "out" / "toy" / "manifest.jsonl"
    inside.parent.mkdir(parents=True)
    inside.write_bytes((tmp_path / "manifest.jsonl").read_bytes())
    with pytest.raises((ManifestError, JobExistsError)):
        LabelingJob.create(toy_request(tmp_path, manifest=str(inside)), settings=SETTINGS)


def test_bad_categories_are_refused_with_every_violation(tmp_path):
    write_toy_texts(tmp_path, 5)
    (tmp_path / "labels.json").write_text(
        '{"document-version": "2018-11-28", "labels": [{"label": "a"}, {"label": "a"}]}'
    )
    with pytest.raises(InvalidRequestError):
        LabelingJob.create(toy_request(tmp_path), settings=SETTINGS)


def test_the_snapshot_shields_the_job_from_a_manifest_that_changes(tmp_path):
    with toy_job(tmp_path, count=60) as (job, workforce):
        job.advance()
        (tmp_path / "manifest.jsonl").write_text('{"source": "something else"}\n')
        assert job.run(workforce).finished
        assert job.counters().objects == 60


def test_a_stricter_promise_needs_more_labels(tmp_path):
    found = {}
    for error in (0.02, 0.1):
        folder = tmp_path / str(error)
        folder.mkdir()
        truth = write_toy_texts(folder, 400, noise=0.6)
        with LabelingJob.create(
            toy_request(folder), quality=Quality(error=error), settings=SETTINGS, clock=FixedClock()
        ) as job:
            job.run(SimulatedWorkforce(truth, job.task))
            found[error] = job.counters().human_labeled
    assert found[0.1] < found[0.02]

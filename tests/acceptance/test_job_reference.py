"""Gold and repeats in a whole job: what they measure, what they cost, and that they change no label."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from support.jobs import (
    answers_each,
    counted_points,
    drop_triggers,
    killed_at,
    labels_by_people,
    resolved,
    result,
    run_job,
    write_gold,
)

from autolabel import Answer, LabelingJob
from autolabel.errors import SettingsError, VerificationError
from autolabel.job.labels import answers_so_far
from autolabel.quality.reference import measure_gold, measure_repeats
from autolabel.report.terminal import closing_summary
from autolabel.report.verdict import peoples_errors
from autolabel.testing import FixedClock, toy_request, write_toy_texts

COUNT = 160
GOLD = range(3, COUNT, 4)
NOISY = {"accuracy": (0.6, 0.9)}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    gold = write_gold(folder, COUNT, GOLD)
    settings = resolved(gold=str(gold), repeats=0.5)
    job, truth = run_job(folder, settings, workers=3, count=COUNT, people=NOISY)
    with job:
        yield job, truth, job.summary()["certificate"]["reference"]


def as_audited(job, numbers):
    """What gold objects would be labeled if they were audited: by their own answers and other settled labels."""
    run = job.walk()
    batch = run.store.one("SELECT batch FROM task WHERE purpose = 'audit' LIMIT 1")["batch"]
    settled = {
        row["object"]: json.loads(row["label"])
        for row in run.store.rows("SELECT object, label FROM label WHERE batch < ?", batch)
        if row["object"] not in numbers
    }
    answers = answers_so_far(run.store, run, batch)
    return {
        number: each.label
        for number, each in run.task.consolidate_audit(answers, objects=list(numbers), settled=settled).items()
    }


def test_every_gold_object_is_asked_and_its_errors_are_counted_against_the_truth(measured):
    job, truth, reference = measured
    labels, audited = labels_by_people(job), as_audited(job, GOLD)
    wrong = sum(labels[number] != truth[number] or audited[number] != truth[number] for number in GOLD)
    assert 0 < wrong < len(GOLD) / 2
    assert (reference["method"], reference["measured"], reference["differing"]) == ("gold", len(GOLD), wrong)
    interval = measure_gold(COUNT, len(GOLD), wrong, 0.05)
    assert reference["low"] == pytest.approx(interval.low / COUNT, abs=1e-8)
    assert reference["high"] == pytest.approx(interval.high / COUNT, abs=1e-8)


def test_the_bound_against_the_truth_adds_up_and_holds(measured):
    job, truth, reference = measured
    certificate = job.summary()["certificate"]
    assert reference["machine_wrong_at_most"] == certificate["wrong_at_most"]
    people = round(reference["high"] * COUNT)
    assert reference["wrong_at_most"] == min(COUNT, certificate["wrong_at_most"] + people)
    lines = [json.loads(line) for line in job.folder.output_manifest.read_text().splitlines()]
    assert sum(line["topic"] != true for line, true in zip(lines, truth, strict=True)) <= reference["wrong_at_most"]


def test_second_panels_are_other_people_and_disagreements_are_counted(measured):
    job, _, reference = measured
    store = job.walk().store
    for number, count in answers_each(job, panel=2).items():
        workers = [row["worker"] for row in store.rows("SELECT worker FROM answer WHERE object = ?", number)]
        assert count == 3
        assert len(workers) == len(set(workers)) == 6
    parts = job.walk().steps.stored("repeats").result["parts"]
    again = job.walk().steps.stored("repeat-001.labels").result["labels"]
    labels = labels_by_people(job)
    differ = {name: sum(again[str(n)] != labels[n] for n in drawn) for name, drawn in parts.items()}
    assert reference["repeats"]["differing"] == sum(differ.values())
    assert reference["repeats"]["measured"] == sum(map(len, parts.values())) == len(answers_each(job, panel=2))


def test_repeats_stand_for_what_they_were_drawn_from(measured):
    job, _, reference = measured
    store, steps = job.walk().store, job.walk().steps
    parts = steps.stored("repeats").result["parts"]
    purpose = {row["object"]: row["purpose"] for row in store.rows("SELECT object, purpose FROM task")}
    by_machine = job.summary()["certificate"]["machine_labeled"]
    assert by_machine
    assert {purpose[number] for number in parts["before"]} <= {"train", "gold"}
    assert {purpose[number] for number in parts["audit"]} <= {"audit"}
    before = sum(1 for number in labels_by_people(job) if purpose[number] in {"train", "gold"})
    again = steps.stored("repeat-001.labels").result["labels"]
    labels = labels_by_people(job)
    high = 0.0
    for name, population in (("before", before), ("audit", COUNT - before)):
        drawn = parts[name]
        differ = sum(again[str(number)] != labels[number] for number in drawn)
        high += measure_repeats(population, len(drawn), differ, 0.025).high
    assert reference["repeats"]["high"] == pytest.approx(min(1.0, high / COUNT), abs=1e-8)


def test_repeats_change_no_label_and_no_promise(measured, tmp_path):
    job, _, _ = measured
    gold = write_gold(tmp_path, COUNT, GOLD)
    plain, _ = run_job(tmp_path, resolved(gold=str(gold)), workers=3, count=COUNT, people=NOISY)
    with plain:
        assert plain.folder.output_manifest.read_bytes() == job.folder.output_manifest.read_bytes()
        mine, theirs = job.summary()["certificate"], plain.summary()["certificate"]
        assert {**mine, "reference": 0} == {**theirs, "reference": 0}
        assert "repeats" not in theirs["reference"]


def test_what_measures_is_paid_and_shown(measured):
    job, _, _ = measured
    lines = [line.split(",") for line in job.folder.ledger.read_text().splitlines()[1:]]
    repeated = [line for line in lines if line[1] == "repeat"]
    assert len(repeated) == sum(answers_each(job, panel=2).values())
    assert {line[2] for line in repeated} == {"answer"}
    summary = job.summary()
    assert sum(float(line[5]) for line in lines) == pytest.approx(summary["cost"]["total"], abs=1e-6)
    assert summary["answers"]["repeated"] == len(repeated)
    rows = {row.kind: row for row in job.report_data().cost.rows}
    assert rows["repeated answers"].quantity == len(repeated)
    assert rows["human answers"].quantity == sum(answers_each(job).values())
    assert summary["human_labels"]["gold"] >= len(GOLD) - 10


def test_report_certificate_and_terminal_say_it(measured):
    job, _, reference = measured
    data = job.report_data()
    assert peoples_errors(data) == reference["sentence"]
    assert json.loads(job.folder.certificate.read_bytes())["reference"] == reference
    page = job.folder.report.read_text()
    assert "Krippendorff" in page
    assert all(row.worker in page for row in data.workers)
    out = io.StringIO()
    Console(width=80, file=out).print(closing_summary(data))
    text = " ".join(out.getvalue().split())
    assert "ε = 5 %; people err on" in text
    assert f"({reference['differing']} of {reference['measured']} gold wrong)" in text


def test_workers_are_told_apart_by_gold_and_by_the_crowd(measured):
    job, truth, _ = measured
    rows = {row.worker: row for row in job.report_data().workers}
    assert sum(row.answers for row in rows.values()) == sum(answers_each(job).values()) + sum(
        answers_each(job, panel=2).values()
    )
    store = job.walk().store
    for worker, row in rows.items():
        mine = store.rows("SELECT object, content FROM answer WHERE worker = ?", worker)
        gold = [each for each in mine if each["object"] in GOLD]
        right = [
            each for each in gold
            if job.task.label_from_answer(json.loads(each["content"])) == truth[each["object"]]
        ]  # fmt: skip
        assert (row.gold, row.gold_right) == (len(gold), len(right))


def test_it_verifies_and_tampering_with_gold_or_a_second_panel_is_found(tmp_path):
    gold = write_gold(tmp_path, 80, range(0, 80, 3))
    job, _ = run_job(tmp_path, resolved(gold=str(gold), repeats=0.3), workers=2, count=80, people=NOISY)
    with job:
        job.verify()
        kept = job.folder.gold.read_bytes()
        job.folder.gold.write_bytes(kept.replace(b'"3": ', b'"3": 1', 1))
        with pytest.raises(VerificationError, match=r"gold\.json: not the gold"):
            job.verify()
        job.folder.gold.write_bytes(kept)
        again = job.walk().steps.stored("repeat-001.labels").result["labels"]
        number, label = next(iter(again.items()))
        other = json.dumps(job.task.answer_from_label((label + 1) % 3))
        with job.walk().store.transaction() as connection:
            drop_triggers(connection)
            connection.execute("UPDATE answer SET content = ? WHERE object = ? AND panel = 2", (other, int(number)))
        with pytest.raises(VerificationError) as error:
            job.verify()
        assert any(
            f"object {number}: the second panel's label is {label}, its answers give" in finding
            for finding in error.value.findings
        )


def test_without_gold_and_repeats_the_report_says_that_nothing_was_measured(tmp_path):
    job, _ = run_job(tmp_path, resolved(), workers=1, count=60)
    with job:
        assert job.summary()["certificate"]["reference"] is None
        assert "was not measured" in peoples_errors(job.report_data())
        assert "was not measured" in job.folder.report.read_text()


@pytest.mark.parametrize(("budget", "repeats"), [(12, 0.25), (40, 0.0), (40, 1.0), (90, 0.25)])
def test_the_budget_covers_gold_and_repeats(tmp_path, budget, repeats):
    gold = write_gold(tmp_path, 100, range(0, 100, 2))
    job, _ = run_job(
        tmp_path, resolved(gold=str(gold), repeats=repeats), workers=2, count=100, max_human_labeled=budget
    )
    with job:
        asked, again = answers_each(job), answers_each(job, panel=2)
        assert len(asked) + len(again) <= budget
        row = job.walk().store.one("SELECT COUNT(*) AS n FROM task WHERE purpose = 'gold'")
        assert row["n"] <= budget / (1 + repeats) / 5
        job.verify()


@pytest.mark.parametrize("workers", [1, 4])
def test_adaptive_redundancy_counts_for_second_panels_too(tmp_path, workers):
    settings = resolved(redundancy="adaptive", repeats=0.5)
    job, _ = run_job(tmp_path, settings, workers=workers, count=60, people=NOISY)
    with job:
        first, second = answers_each(job), answers_each(job, panel=2)
        assert set(second) <= set(first)
        assert max(first.values()) <= workers
        assert max(second.values()) <= workers
        assert (min(second.values()), max(second.values())) == ((1, 1) if workers == 1 else (2, 4))
        saved = sum(workers - count for count in first.values())
        assert job.summary()["answers"]["saved"] == saved
        job.verify()


def test_a_job_that_people_label_alone_is_measured_as_a_whole(tmp_path):
    job, _ = run_job(tmp_path, resolved(repeats=0.2), workers=2, count=50, people=NOISY, automated=False)
    with job:
        parts = job.walk().steps.stored("repeats").result["parts"]
        assert {name: len(drawn) for name, drawn in parts.items()} == {"all": 10}
        reference = job.summary()["certificate"]["reference"]
        assert (reference["method"], reference["labels"], reference["machine_wrong_at_most"]) == ("repeats", 50, 0)


@pytest.mark.parametrize("automated", [True, False])
@pytest.mark.parametrize("count", [1, 3, 10, 14])
def test_tiny_data_sets_are_repeated_and_measured_too(tmp_path, count, automated):
    gold = write_gold(tmp_path, count, [0])
    settings = resolved(gold=str(gold), repeats=1.0)
    job, _ = run_job(tmp_path, settings, workers=2, count=count, automated=automated)
    with job:
        assert len(labels_by_people(job)) == len(answers_each(job, panel=2)) == count
        assert job.summary()["certificate"]["reference"]["repeats"]["measured"] == count
        job.verify()


def test_a_stop_while_gold_is_asked_measures_nothing_and_keeps_what_there_is(tmp_path):
    gold = write_gold(tmp_path, 60, range(0, 60, 2))
    with LabelingJob.create(toy_request(tmp_path), settings=resolved(gold=str(gold)), clock=FixedClock()) as job:
        first = job.advance().tasks
        job.submit([Answer(task.object, "ann", job.task.answer_from_label(0)) for task in first])
        second = job.advance().tasks
        assert {task.object for task in second} <= set(range(0, 60, 2))
        job.submit([Answer(task.object, "ann", job.task.answer_from_label(0)) for task in second[:3]])
        job.stop()
        assert len(labels_by_people(job)) == len(first) + 3
        found = job.summary()["certificate"]["reference"]
        # What the probe happened to label of it was asked as a whole.
        assert found is None or found["measured"] == len({task.object for task in first} & set(range(0, 60, 2)))
        job.verify()


def test_a_stop_while_a_second_panel_answers_is_no_harm(tmp_path):
    write_toy_texts(tmp_path, 30)
    request = toy_request(tmp_path, automated=False)
    with LabelingJob.create(request, settings=resolved(repeats=0.5), clock=FixedClock()) as job:
        while not (step := job.advance()).finished:
            again = [task for task in step.tasks if task.answered_by]
            if again:
                job.submit([Answer(again[0].object, "bob", job.task.answer_from_label(1))])
                break
            job.submit([Answer(task.object, "ann", job.task.answer_from_label(0)) for task in step.tasks])
        job.stop()
        assert len(labels_by_people(job)) == 30
        assert job.summary()["certificate"]["reference"] is None
        job.verify()


def everything(folder):
    gold = write_gold(folder, 60, range(1, 60, 5))
    settings = resolved(gold=str(gold), repeats=0.3, redundancy="adaptive", model_prior=True)
    job, _ = run_job(folder, settings, workers=3, count=60, people=NOISY)
    with job:
        job.verify()
        assert max(answers_each(job).values()) <= 3
        return result(job)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return counted_points(lambda: everything(tmp_path_factory.mktemp("clean")))


@pytest.mark.parametrize("part", range(4))
def test_killing_a_job_with_everything_on_and_resuming_gives_the_same_bytes(uninterrupted, tmp_path, part):
    expected, points = uninterrupted
    killed_at(1 + points * (2 * part + 1) // 8, lambda: everything(tmp_path))
    assert everything(tmp_path) == expected


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(9, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
        pytest.param(1, marks=[pytest.mark.exhaustive, pytest.mark.timeout(3600)]),
    ],
)
def test_killing_a_job_with_everything_on_at_every_durable_operation_gives_the_same_bytes(
    uninterrupted, tmp_path, step
):
    expected, points = uninterrupted
    for point in range(1, points + 1, step):
        folder = tmp_path / str(point)
        killed_at(point, lambda folder=folder: everything(folder))
        assert everything(folder) == expected


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "has no line"),
        (
            ['{"source": "nowhere", "label": "travel"}'],
            r"gold\.jsonl:1: .* no object with the source 'nowhere'",
        ),
        (['{"source": "nowhere"}'], "found no label"),
    ],
)
def test_gold_that_cannot_be_used_is_refused_and_leaves_no_folder(tmp_path, lines, said):
    path = write_gold(tmp_path, 20, [])
    path.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(SettingsError, match=said):
        LabelingJob.create(toy_request(tmp_path), settings=resolved(gold=str(path)))
    assert not list((tmp_path / "out").glob("*"))


def test_too_few_simulated_people_for_a_second_panel_are_found_out_at_once(tmp_path):
    write_toy_texts(tmp_path, 20)
    settings = resolved(repeats=0.1, workforce=f"simulated:{tmp_path / 'truth.jsonl'}?workers=5")
    with pytest.raises(SettingsError, match="has 5 workers; 6 different people are needed"):
        LabelingJob.create(toy_request(tmp_path, workers=3), settings=settings)


@pytest.mark.parametrize("repeats", [-0.1, 1.5])
def test_a_share_of_repeats_out_of_range_is_refused(repeats):
    with pytest.raises(SettingsError, match="found repeats = "):
        resolved(repeats=repeats)

"""Whole jobs under every contract: what they promise, deliver, and never exceed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from autolabel import Answer, Contract, JobStatus, LabelingJob, Settings
from autolabel.cli.main import main
from autolabel.errors import SettingsError
from autolabel.job.look import draw, stored_look
from autolabel.job.settings import resolve_settings
from autolabel.testing import FixedClock, SimulatedWorkforce, toy_request, write_toy_texts

SLOW = pytest.mark.slow
EVERY_CONTRACT = pytest.mark.parametrize("contract", list(Contract))
SETTINGS = {contract: Settings(model="tfidf", batch=40, error=0.1, contract=contract) for contract in Contract}


def create(folder, contract, count=700, noise=0.4, blank=0.0, **changes):
    truth = write_toy_texts(folder, count, noise=noise, blank=blank)
    request = toy_request(folder, **changes)
    return LabelingJob.create(request, settings=SETTINGS[contract], clock=FixedClock()), truth


def machine_labels(job, truth):
    """Class and rightness of every machine label of the delivered manifest."""
    records = [json.loads(line) for line in job.folder.output_manifest.read_text().splitlines()]
    return [
        (record["topic"], record["topic"] == true)
        for record, true in zip(records, truth, strict=True)
        if "topic" in record and record["topic-metadata"]["human-annotated"] == "no"
    ]


def check_promise(job, truth, certificate):
    """The certificate's numbers are those of the manifest, and the truth confirms them."""
    labels = machine_labels(job, truth)
    assert len(labels) == certificate["machine_labeled"]
    assert certificate["human_labeled"] == job.counters().human_labeled
    for walk in certificate["walks"]:
        own = [right for label, right in labels if walk["predicted"] in {None, label}]
        assert len(own) == walk["machine_labeled"]
        assert own.count(False) <= walk["wrong_at_most"]
    assert certificate["sentence"] in job.folder.report.read_text().replace("&#39;", "'")
    job.verify()


@EVERY_CONTRACT
def test_the_truth_confirms_what_is_promised(tmp_path, contract):
    job, truth = create(tmp_path, contract)
    with job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        certificate = step.certificate
        assert certificate["granted"]
        assert certificate["contract"] == contract
        assert certificate["machine_labeled"] > 250
        assert job.counters().total_labeled == 700
        check_promise(job, truth, certificate)
        assert len(certificate["walks"]) == (3 if contract is Contract.PER_CLASS else 1)


@EVERY_CONTRACT
@pytest.mark.parametrize("limit", [pytest.param(15, marks=SLOW), pytest.param(120, marks=SLOW), 230])
def test_the_human_budget_is_never_exceeded_under_any_contract(tmp_path, contract, limit):
    job, truth = create(tmp_path, contract, count=600, max_human_labeled=limit)
    with job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        assert step.status is JobStatus.COMPLETED
        assert job.counters().human_labeled <= limit
        check_promise(job, truth, step.certificate)
        if limit == 230:
            assert step.certificate["machine_labeled"] > 100


@EVERY_CONTRACT
@pytest.mark.parametrize("percent", [pytest.param(2, marks=SLOW), pytest.param(30, marks=SLOW), 55])
def test_the_percentage_is_never_exceeded_under_any_contract(tmp_path, contract, percent):
    job, truth = create(tmp_path, contract, count=600, max_percentage_labeled=percent)
    with job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        assert job.counters().total_labeled == 6 * percent
        check_promise(job, truth, step.certificate)
        if percent == 55:
            assert step.certificate["machine_labeled"] > 50


@pytest.mark.parametrize(
    "contract", [Contract.DATASET, *(pytest.param(each, marks=SLOW) for each in (Contract.MACHINE, Contract.PER_CLASS))]
)
def test_a_stop_after_the_walk_keeps_the_promise_or_says_that_it_is_gone(tmp_path, contract):
    job, truth = create(tmp_path, contract, blank=0.3)  # a third that nobody can learn
    with job:
        people = SimulatedWorkforce(truth, job.task)
        while not (step := job.advance()).finished and stored_look(job.walk()) is None:
            people.publish(step.tasks)
            job.submit(people.collect())
        certificate = job.stop().certificate
        assert certificate["machine_labeled"] > 0
        assert job.counters().unlabeled > 0
        check_promise(job, truth, certificate)
        wrong = sum(not right for _, right in machine_labels(job, truth))
        if contract is Contract.DATASET:
            allowed = 0.1 * certificate["objects"]
            assert certificate["granted"] == (certificate["wrong_at_most"] <= allowed)
            assert certificate["granted"] or "the job was stopped when" in certificate["sentence"]
        else:
            assert certificate["granted"]
            assert wrong <= 0.1 * certificate["machine_labeled"]


@EVERY_CONTRACT
def test_audits_that_nobody_can_label_count_as_errors_under_every_contract(tmp_path, contract):
    job, truth = create(tmp_path, contract)
    with job:
        people = SimulatedWorkforce(truth, job.task)
        while not (step := job.advance()).finished:
            people.publish(step.tasks)
            freeze = job.walk().steps.stored("look.freeze")
            silent = set(freeze.result["audit"][:2]) if freeze else set()
            job.submit(Answer(a.object, a.worker, None) if a.object in silent else a for a in people.collect())
        certificate = step.certificate
        assert set(certificate["audit_unanswered"]) == silent <= set(certificate["audit_wrong"])
        assert sum(walk["audit_errors"] for walk in certificate["walks"]) == certificate["audit_errors"] >= 2
        check_promise(job, truth, certificate)


@pytest.mark.parametrize("contract", [Contract.MACHINE, pytest.param(Contract.PER_CLASS, marks=SLOW)])
def test_machine_labels_of_an_earlier_job_are_not_covered(tmp_path, contract):
    truth = write_toy_texts(tmp_path, 600)
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
    for number in range(0, 600, 6):
        fields = {"topic": truth[number], "topic-metadata": {"human-annotated": "no" if number % 12 else "yes"}}
        lines[number] = json.dumps({**json.loads(lines[number]), **fields})
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    with LabelingJob.create(toy_request(tmp_path), settings=SETTINGS[contract], clock=FixedClock()) as job:
        certificate = job.run(SimulatedWorkforce(truth, job.task)).certificate
        assert certificate["not_covered"] == 50
        assert certificate["objects"] == 550
        assert len(machine_labels(job, truth)) == certificate["machine_labeled"] + 50
        job.verify()


def test_a_contract_that_no_audit_can_keep_leaves_everything_to_people_with_a_reason(tmp_path):
    job, truth = create(tmp_path, Contract.PER_CLASS, count=90)
    with job:
        certificate = job.run(SimulatedWorkforce(truth, job.task)).certificate
        assert certificate["machine_labeled"] == 0
        assert certificate["granted"]
        assert "save nothing" in certificate["reason"]
        assert job.summary()["human_labels"]["audit"] == 0
        job.verify()


def test_the_audit_is_drawn_anew_for_other_scores(tmp_path):
    """A second job of the same seed on the same manifest may start from a model that has learned the first audit."""
    job, truth = create(tmp_path, Contract.DATASET, count=400)
    with job:
        job.run(SimulatedWorkforce(truth, job.task))
        run = job.walk()
        look = stored_look(run)
        digest = look.freeze.result["scores_sha256"]
        again, other = (draw(run, look.design, look.frozen(), each) for each in (digest, digest[::-1]))
        assert np.array_equal(again, look.audit_ranks)
        assert len(np.intersect1d(again, other)) < 0.6 * len(again)


def test_the_contract_comes_from_options_toml_or_tags(tmp_path):
    (tmp_path / "job.toml").write_text('[job]\ncontract = "machine"\n')
    tags = {"autolabel:contract": "per-class"}
    assert resolve_settings().contract is Contract.DATASET
    assert resolve_settings(tags=tags).contract is Contract.PER_CLASS
    assert resolve_settings(tags=tags, toml=tmp_path / "job.toml").contract is Contract.MACHINE
    assert resolve_settings(options={"contract": "dataset"}, tags=tags).contract is Contract.DATASET
    with pytest.raises(SettingsError, match=r"tag: Invalid.*'all'.*expected one of dataset, machine, per-class"):
        resolve_settings(tags={"autolabel:contract": "all"})


def test_the_command_line_takes_a_contract(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_toy_texts(tmp_path, 300)
    words = ["label", "manifest.jsonl", "--task", "text-classification", "--categories", "labels.json", "--output",
             "out", "--name", "toy", "--model", "tfidf", "--batch", "30", "--workforce", "simulated:truth.jsonl",
             "--error", "0.2", "--contract"]  # fmt: skip
    assert main([*words, "machine"]) == 0
    assert "machine labels are wrong" in " ".join(capsys.readouterr().out.split())
    assert main(["plan", "out/toy"]) == 0
    assert "of the machine's labels" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*words, "everything"])

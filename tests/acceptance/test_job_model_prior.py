"""The model's vote: in training labels that people disagree about, and nowhere else."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.jobs import answers_each, labels_by_people, resolved, run_job

from autolabel.errors import SettingsError, VerificationError
from autolabel.job import labels as labels_module
from autolabel.job.labels import answers_so_far
from autolabel.job.reference import tipped_labels
from autolabel.job.rounds import Round
from autolabel.quality.prospect import Decision
from autolabel.report.data import Purpose

COUNT = 400
NOISY = {"accuracy": (0.5, 0.9), "seed": 5}


def noisy_job(folder, *, model_prior=True, count=COUNT, **options):
    settings = resolved(model_prior=model_prior, error=0.02, batch=10, **options)
    return run_job(folder, settings, workers=2, count=count, people=NOISY)


@pytest.fixture(scope="module")
def voted(tmp_path_factory):
    job, truth = noisy_job(tmp_path_factory.mktemp("voted"))
    with job:
        yield job, truth


def asked_for(job, purpose):
    rows = job.walk().store.rows("SELECT object FROM task WHERE purpose = ?", purpose)
    return {row["object"] for row in rows}


def said_of(job, number):
    rows = job.walk().store.rows("SELECT content FROM answer WHERE object = ? AND content IS NOT NULL", number)
    return [job.task.label_from_answer(json.loads(row["content"])) for row in rows]


def by_people_alone(job):
    """What the answers up to each object's own batch give, without any model: audits object by object."""
    run = job.walk()
    found = {}
    for row in run.store.rows("SELECT DISTINCT batch, purpose FROM task ORDER BY batch"):
        mine = {each["object"] for each in run.store.rows("SELECT object FROM task WHERE batch = ?", row["batch"])}
        answers = answers_so_far(run.store, run, row["batch"])
        chosen = sorted(mine & {number for number, _, _ in answers})
        if row["purpose"] == "audit":
            labels = run.task.consolidate_audit(answers, objects=chosen, settled=dict(found))
        else:
            labels = run.task.consolidate(answers, objects=chosen)
        found |= {number: each.label for number, each in labels.items()}
    return found


def test_the_model_changes_some_training_labels_and_always_to_what_somebody_said(voted):
    job, _ = voted
    tipped, labels = tipped_labels(job.walk()), labels_by_people(job)
    assert len(tipped) > 3
    for number, alone in tipped.items():
        said = said_of(job, number)
        assert labels[number] != alone
        assert labels[number] in said
        assert len(set(said)) > 1 or alone not in said
    assert tipped.keys() <= asked_for(job, "train")


def test_labels_by_people_alone_are_kept_beside_those_the_model_changed(voted):
    job, _ = voted
    tipped, labels = tipped_labels(job.walk()), labels_by_people(job)
    assert by_people_alone(job) == labels | tipped


def test_the_models_vote_makes_training_labels_better_than_answers_alone(voted):
    job, truth = voted
    tipped, labels = tipped_labels(job.walk()), labels_by_people(job)
    right = sum(labels[number] == truth[number] for number in tipped)
    assert right > sum(alone == truth[number] for number, alone in tipped.items())


def test_audits_and_exploration_picks_are_labeled_by_people_alone(voted):
    job, _ = voted
    run = job.walk()
    tipped, labels = tipped_labels(run), labels_by_people(job)
    explored = set()
    for row in run.store.rows("SELECT result FROM step WHERE name LIKE 'round-%.ask'"):
        explored |= set(json.loads(row["result"])["explored"])
    audit = asked_for(job, "audit")
    assert explored
    assert audit
    assert tipped.keys().isdisjoint(explored | audit)
    alone = by_people_alone(job)
    assert {number: alone[number] for number in audit} == {number: labels[number] for number in audit}


def test_a_job_with_votes_verifies_and_a_changed_belief_is_found(voted):
    job, _ = voted
    job.verify()
    row = job.walk().store.one("SELECT name FROM step WHERE name LIKE 'round-%.labels' AND arrays IS NOT NULL LIMIT 1")
    path = job.folder.step_arrays(row["name"])
    kept = path.read_bytes()
    path.write_bytes(kept[:-4] + bytes(4))
    with pytest.raises(VerificationError, match="not the bytes"):
        job.verify()
    path.write_bytes(kept)
    job.verify()


def test_the_certificate_adds_the_tipped_labels_to_what_may_be_wrong(tmp_path):
    job, _ = noisy_job(tmp_path, repeats=0.3)
    with job:
        reference = job.summary()["certificate"]["reference"]
        tipped = len(tipped_labels(job.walk()))
        assert reference["tipped_by_model"] == tipped > 0
        assert f"+ {tipped:,} labels that the model's vote decided" in reference["sentence"]


def mutated_belief(run, name, objects):
    """What a careless change would do: let the model vote in the audit too, by the predictions that it audits."""
    if name != "audit":
        return people_belief(run, name, objects)
    learned = run.steps.stored(f"round-{run.steps.stored('look.freeze').result['round']:03d}.learn")
    last = Round(0, Decision.LOOK, learned)
    places = np.searchsorted(last.remainder(), objects)
    rows = np.full((len(objects), len(run.task.categories)), 0.005, np.float32)
    rows[np.arange(len(objects)), last.predictions().predicted[places]] = 0.99
    return dict(zip(objects, rows, strict=True))


people_belief = labels_module.belief_of


def test_a_mutation_that_lets_the_model_vote_in_audits_is_found_by_verify(tmp_path, monkeypatch):
    monkeypatch.setattr(labels_module, "belief_of", mutated_belief)
    monkeypatch.setattr(labels_module, "INFORMED", frozenset(Purpose))
    job, _ = noisy_job(tmp_path, count=200)
    with job:
        audit, labels = asked_for(job, "audit"), labels_by_people(job)
        alone = by_people_alone(job)
        changed = {number for number in audit if labels[number] != alone[number]}
        assert changed  # the mutation does what it must not
        with pytest.raises(VerificationError) as error:
            job.verify()
        assert any("the model had a vote in labels that people are asked" in each for each in error.value.findings)
    monkeypatch.undo()
    with job.open(job.folder.root) as again, pytest.raises(VerificationError) as error:
        again.verify()
    findings = "\n".join(error.value.findings)
    assert all(f"object {number}: the stored label is" in findings for number in changed)


def test_a_belief_about_an_audit_is_not_heard(tmp_path, monkeypatch):
    monkeypatch.setattr(labels_module, "belief_of", mutated_belief)
    job, _ = noisy_job(tmp_path, count=120)
    with job:
        audit, labels, alone = asked_for(job, "audit"), labels_by_people(job), by_people_alone(job)
        assert audit
        assert all(labels[number] == alone[number] for number in audit)


def test_by_default_and_with_one_worker_an_object_no_model_votes(tmp_path):
    job, _ = noisy_job(tmp_path / "off", model_prior=False, count=120)
    with job:
        assert tipped_labels(job.walk()) == {}
        assert not job.walk().store.rows("SELECT name FROM step WHERE name LIKE '%.labels' AND arrays IS NOT NULL")
    job, _ = run_job(tmp_path / "one", resolved(model_prior=True), workers=1, count=100, people=NOISY)
    with job:
        assert tipped_labels(job.walk()) == {}
        labels = labels_by_people(job)
        assert all(said_of(job, number) == [label] for number, label in labels.items())


def test_with_adaptive_redundancy_the_belief_counts_in_the_decision_too(tmp_path):
    settings = resolved(model_prior=True, redundancy="adaptive")
    job, _ = run_job(tmp_path, settings, workers=4, count=150, people=NOISY)
    with job:
        assert set(answers_each(job).values()) <= {2, 3, 4}
        job.verify()


def test_a_consolidation_that_takes_no_prior_is_refused():
    with pytest.raises(SettingsError, match="found consolidation = 'ground-truth'; expected dawid-skene"):
        resolved(model_prior=True, consolidation="ground-truth")

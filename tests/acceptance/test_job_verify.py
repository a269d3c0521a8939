"""`autolabel verify` finds whatever was changed after the fact: a label, a score, the order, the audit, an answer."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3

import numpy as np
import pytest
from safetensors.numpy import load, save
from support.jobs import drop_triggers

from autolabel import JobReader, LabelingJob, Settings, VerificationError
from autolabel.errors import JobCorruptError
from autolabel.job.store import to_json
from autolabel.testing import FixedClock, SimulatedWorkforce, toy_request, write_toy_texts


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    truth = write_toy_texts(folder, 250)
    settings = Settings(model="tfidf", batch=20)
    with LabelingJob.create(toy_request(folder, workers=2), settings=settings, clock=FixedClock()) as job:
        step = job.run(SimulatedWorkforce(truth, job.task, accuracy=0.95))
        assert step.certificate["machine_labeled"] > 20
        return job.folder.root


@pytest.fixture
def copy(original, tmp_path):
    return shutil.copytree(original, tmp_path / "toy")


def findings(folder):
    with JobReader(folder) as job, pytest.raises(VerificationError) as caught:
        job.verify()
    return " | ".join(caught.value.findings)


def rewrite(path, change):
    path.write_text(change(path.read_text()))


def sql(folder, statement, *values):
    with sqlite3.connect(folder / "state" / "job.db") as connection:
        drop_triggers(connection)
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


def machine_line(folder):
    lines = (folder / "manifests/output/output.manifest").read_text().splitlines()
    return next(number for number, line in enumerate(lines) if '"human-annotated":"no"' in line)


def test_an_untouched_job_verifies_without_its_model(copy):
    next(copy.glob("training/**/model.tar.gz")).unlink()
    shutil.rmtree(copy / "state" / "embeddings")
    with JobReader(copy) as job:
        verified = job.verify()
    assert all(check.startswith("ok") for check in verified.checks)


def test_a_changed_machine_label_in_the_manifest(copy):
    number = machine_line(copy)
    path = copy / "manifests/output/output.manifest"
    lines = path.read_text().splitlines()
    record = json.loads(lines[number])
    names = ["weather", "cooking", "travel"]
    record["topic"] = (record["topic"] + 1) % 3
    record["topic-metadata"]["class-name"] = names[record["topic"]]
    lines[number] = json.dumps(record)
    path.write_text("\n".join(lines) + "\n")
    assert f"line {number + 1}" in findings(copy)


def test_a_machine_label_passed_off_as_human(copy):
    number = machine_line(copy)
    path = copy / "manifests/output/output.manifest"
    lines = path.read_text().splitlines()
    lines[number] = lines[number].replace('"human-annotated":"no"', '"human-annotated":"yes"')
    path.write_text("\n".join(lines) + "\n")
    assert f"line {number + 1}" in findings(copy)


def test_another_text_under_a_label(copy):
    rewrite(copy / "manifests/output/output.manifest", lambda text: text.replace('{"source":"', '{"source":"not ', 1))
    rewrite(copy / "manifests/output/output.manifest", lambda text: text.replace('{"source": "', '{"source": "not ', 1))
    assert "line 1: has 'source' otherwise than the input manifest" in findings(copy)


def test_files_that_are_no_longer_of_their_form(copy):
    response = next(copy.glob("annotations/worker-response/iteration-*/*/*.json"))
    response.write_bytes(b"\xff{")
    assert "not a worker response" in findings(copy)
    sql(copy, "UPDATE step SET result = '{' WHERE name = 'look.freeze'")
    assert "holds what no job writes (JSONDecodeError" in findings(copy)


@pytest.mark.parametrize("name", ["request.json", "categories.json", "settings.json"])
def test_a_state_that_cannot_be_read_is_a_corrupt_job(copy, name):
    (copy / "state" / name).write_bytes(b'{"a": 1}')
    with pytest.raises(JobCorruptError, match="state cannot be read"):
        JobReader(copy)


def test_a_dropped_line(copy):
    rewrite(copy / "manifests/output/output.manifest", lambda text: text[: text.rindex("\n", 0, -1) + 1])
    assert "found 249 lines" in findings(copy)


def test_a_changed_score(copy):
    rewrite(
        copy / "scores" / "scores.jsonl",
        lambda text: text.replace('"error_probability":0.', '"error_probability":0.1', 1),
    )
    assert "a score, a prediction or the order was changed" in findings(copy)


def test_a_changed_order(copy):
    def swap(text):
        first, second, rest = text.split("\n", 2)
        return f"{second}\n{first}\n{rest}"

    rewrite(copy / "scores" / "scores.jsonl", swap)
    assert "order" in findings(copy)


def test_frozen_arrays_that_were_changed(copy):
    path = copy / "state" / "steps" / "look.freeze.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "not the bytes that step 'look.freeze' stored" in findings(copy)


def test_an_audit_label_that_was_corrected_to_please(copy):
    audit = json.loads((copy / "certificate.json").read_text())["audit"]
    sql(copy, "UPDATE label SET label = (label + 1) % 3 WHERE object = ?", audit[0])
    assert f"object {audit[0]}" in findings(copy)


def test_an_answer_that_was_changed_in_the_database(copy):
    audit = json.loads((copy / "certificate.json").read_text())["audit"]
    sql(copy, "UPDATE answer SET content = replace(content, 'a', 'a') || ' ' WHERE object = ?", audit[0])
    sql(
        copy,
        """UPDATE answer SET content = '{"crowd-classifier":{"label":"' ||
           CASE WHEN content LIKE '%travel%' THEN 'weather' ELSE 'travel' END || '"}}' WHERE object = ?""",
        audit[0],
    )
    assert f"object {audit[0]}" in findings(copy)


def test_an_answer_file_that_was_changed(copy):
    path = min(copy.glob("annotations/worker-response/iteration-1/*/*.json"))
    names = ("weather", "cooking", "travel")
    found = next(name for name in names if name in path.read_text())
    rewrite(path, lambda text: text.replace(found, "cooking" if found != "cooking" else "travel"))
    assert "differs between the database and its file" in findings(copy)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("wrong_at_most", 1),
        ("audit_errors", 0),
        ("seed", 5),
        ("machine_labeled", 249),
        ("error", 0.01),
        ("sentence", "All is well."),
    ],
)
def test_a_certificate_that_says_something_else(copy, member, value):
    path = copy / "certificate.json"
    facts = json.loads(path.read_text())
    if facts[member] == value:
        value = value + 1
    facts[member] = value
    path.write_text(json.dumps(facts))
    assert "certificate" in findings(copy)


def test_another_seed_in_the_settings(copy):
    rewrite(copy / "state" / "settings.json", lambda text: text.replace('"seed": 0', '"seed": 1'))
    assert "the audit is not the one that the seed draws" in findings(copy)


def test_a_step_that_was_rewritten(copy):
    sql(
        copy,
        "UPDATE step SET result = replace(result, '\"refused\":false', '\"refused\":false ') WHERE name = 'look.walk'",
    )
    assert "does not follow" in findings(copy)


def test_a_missing_certificate(copy):
    (copy / "certificate.json").unlink()
    assert "there is no certificate" in findings(copy)


def test_a_label_that_was_dropped_from_the_database(copy):
    audit = json.loads((copy / "certificate.json").read_text())["audit"]
    sql(copy, "DELETE FROM label WHERE object = ?", audit[0])
    assert f"object {audit[0]}: people answered, but it has no label" in findings(copy)


def test_a_confidence_that_was_changed(copy):
    audit = json.loads((copy / "certificate.json").read_text())["audit"]
    sql(copy, "UPDATE label SET confidence = 0.5 WHERE object = ?", audit[0])
    assert f"object {audit[0]}: the label's confidence is 0.5" in findings(copy)
    lines = (copy / "manifests/output/output.manifest").read_text().splitlines()
    number = machine_line(copy)
    lines[number] = lines[number].replace('"confidence":0.', '"confidence":0.0')
    (copy / "manifests/output/output.manifest").write_text("\n".join(lines) + "\n")
    assert f"line {number + 1}: has 'topic-metadata' otherwise than the job writes it" in findings(copy)


def test_machine_annotations_that_were_changed(copy):
    path = copy / "activelearning/1/output/auto_annotator_output.txt"
    rewrite(path, lambda text: text.replace('"topic":0', '"topic":1', 1))
    assert "auto_annotator_output.txt line" in findings(copy)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE ledger SET micro_usd = 1 WHERE rowid_of", "pays 1 millionths"),
        ("DELETE FROM ledger WHERE rowid_of", "pays 0 millionths"),
    ],
)
def test_a_ledger_row_that_was_changed_or_dropped(copy, statement, found):
    audit = json.loads((copy / "certificate.json").read_text())["audit"]
    sql(copy, statement.replace("rowid_of", "object = ? AND kind = 'human-object'"), audit[0])
    assert f"object {audit[0]}: the ledger {found}" in findings(copy)


def test_a_ledger_file_that_was_changed(copy):
    rewrite(copy / "ledger.csv", lambda text: text.replace("0.080000", "0.070000", 1))
    assert "ledger.csv line 4: is not what the job writes" in findings(copy)
    rewrite(copy / "ledger.csv", lambda text: text + text)
    assert "lines; expected" in findings(copy)


def test_labels_that_came_with_the_manifest_are_compared_with_it(tmp_path):
    truth = write_toy_texts(tmp_path, 80)
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
    for number in range(40):
        fields = {"topic": truth[number], "topic-metadata": {"human-annotated": "yes" if number % 2 else "no"}}
        lines[number] = json.dumps({**json.loads(lines[number]), **fields})
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    settings = Settings(model="tfidf", batch=20)
    with LabelingJob.create(toy_request(tmp_path), settings=settings, clock=FixedClock()) as job:
        job.run(SimulatedWorkforce(truth, job.task))
        job.verify()
        folder = job.folder.root
    sql(folder, "UPDATE label SET source = 'chained-people' WHERE object = 2")
    assert "object 2: the input manifest gives" in findings(folder)


# An attacker who may write to the folder and keeps every hash right: what follows from something else gives it away.


def tampered(folder, name, result=None, arrays=None):
    """Change a stored step and chain all steps anew."""
    with sqlite3.connect(folder / "state" / "job.db") as connection:
        row = connection.execute("SELECT result FROM step WHERE name = ?", (name,)).fetchone()
        facts = json.loads(row[0])
        if result is not None:
            result(facts)
        path = folder / "state" / "steps" / f"{name}.safetensors"
        if arrays is not None:
            held = load(path.read_bytes())
            arrays(held)
            path.write_bytes(save(held))
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        connection.execute("UPDATE step SET result = ?, arrays = ? WHERE name = ?", (to_json(facts), digest, name))
        chain = ""
        for step, text, hashed in connection.execute(
            "SELECT name, result, arrays FROM step ORDER BY position"
        ).fetchall():
            connection.execute("UPDATE step SET inputs = ? WHERE name = ?", (chain, step))
            chain = hashlib.sha256("\n".join((chain, step, text, hashed or "")).encode()).hexdigest()
    connection.close()


def last_round(folder):
    with JobReader(folder) as job:
        return f"round-{job.walk().steps.stored('look.freeze').result['round']:03d}.learn"


def more_allowed(design):
    """The first walk of the design may pass one error more."""
    machine = design["classes"][0]["design"] if "classes" in design else design
    walk = machine["floors"][0] if "floors" in machine else machine
    walk["allowed"] = (walk["allowed"] or 0) + 1


@pytest.fixture(scope="module", params=["dataset", "machine", "per-class"])
def finished(request, tmp_path_factory):
    """A job of each contract with machine labels and audited errors."""
    folder = tmp_path_factory.mktemp(request.param)
    truth = write_toy_texts(folder, 900, noise=0.7)
    error = 0.05 if request.param == "dataset" else 0.1
    settings = Settings(model="tfidf", batch=40, contract=request.param, error=error, seed=5)
    with LabelingJob.create(toy_request(folder), settings=settings, clock=FixedClock()) as job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        assert step.certificate["contract"] == request.param
        assert step.certificate["granted"]
        assert step.certificate["machine_labeled"] > 200
        assert step.certificate["audit_wrong"]
        return job.folder.root


@pytest.fixture
def job(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "toy")


def test_every_contract_verifies_and_its_steps_can_be_chained_anew(job):
    tampered(job, "look.walk")
    with JobReader(job) as reader:
        assert all(check.startswith("ok") for check in reader.verify().checks)


def test_a_design_that_allows_an_error_more(job):
    tampered(job, last_round(job), lambda facts: more_allowed(facts["look"]["design"]))
    assert "the frozen design is not the one that round" in findings(job)
    tampered(job, "look.freeze", lambda facts: more_allowed(facts["design"]))
    assert "the rule gives" in findings(job)


def test_a_prediction_that_was_changed_after_the_freeze(job):
    def other(arrays):
        arrays["predicted"][0] = (arrays["predicted"][0] + 1) % 3

    tampered(job, "look.freeze", arrays=other)
    assert "the frozen predictions are not those of round" in findings(job)


def test_an_order_that_was_changed_with_its_round(job):
    """Both are changed alike: the audit, drawn from the digest of the scores, is another one."""

    def other(arrays):
        for name in ("error_probability", "confidence"):
            arrays[name][0] = arrays[name][0] * 0.5

    tampered(job, "look.freeze", arrays=other)
    found = findings(job)
    assert "the frozen arrays are not the scores that the audit was drawn over" in found


def test_an_audit_other_than_the_drawn_one(job):
    def other(facts):
        facts["audit_ranks"][-1] += 1

    tampered(job, "look.freeze", other)
    assert "the audit is not the one that the seed draws" in findings(job)


def test_a_machine_label_beyond_the_stop(job):
    def more(arrays):
        arrays["machine_ranks"] = np.append(arrays["machine_ranks"], arrays["machine_ranks"][-1] + 1)

    tampered(job, "look.walk", arrays=more)
    assert "the machine labeled objects other than those the walk allows" in findings(job)


@pytest.mark.parametrize("member", ["wrong", "unanswered", "machine_labeled", "walks", "reason", "refused"])
def test_a_walk_that_says_something_else(job, member):
    def other(facts):
        facts[member] = {"wrong": [], "unanswered": [1], "machine_labeled": 0, "walks": facts["walks"] * 2,
                         "reason": "none", "refused": True}[member]  # fmt: skip

    tampered(job, "look.walk", other)
    assert f"the walk says {member} =" in findings(job)


def test_an_audited_object_that_the_model_was_trained_on(job):
    audit = json.loads((job / "certificate.json").read_text())["audit"]

    def leak(arrays):
        arrays["trained.objects"][0] = audit[0]

    tampered(job, last_round(job), arrays=leak)
    assert f"object {audit[0]} was audited, but the model had been trained on it" in findings(job)


@pytest.mark.parametrize("member", ["design", "walks", "audit_wrong", "wrong_at_most", "allowed_audit_errors"])
def test_a_member_of_any_contracts_certificate_that_was_changed(job, member):
    path = job / "certificate.json"
    facts = json.loads(path.read_text())
    facts[member] = {"design": {}, "walks": facts["walks"][:1] * 2, "audit_wrong": [], "wrong_at_most": 0,
                     "allowed_audit_errors": 99}[member]  # fmt: skip
    path.write_text(json.dumps(facts))
    assert f"certificate.json says {member} =" in findings(job)


def test_another_contract_in_the_settings(job):
    rewrite(
        job / "state" / "settings.json",
        lambda text: (
            re.sub('"contract": "[a-z-]*"', '"contract": "machine"', text)
            if '"contract": "machine"' not in text
            else text.replace('"contract": "machine"', '"contract": "dataset"')
        ),
    )
    assert "the design is of the contract" in findings(job)

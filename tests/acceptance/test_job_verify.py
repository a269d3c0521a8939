"""`autolabel verify` finds whatever was changed after the fact: a label, a score, the order, the audit, an answer."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest

from autolabel import JobReader, LabelingJob, Settings, VerificationError
from autolabel.errors import JobCorruptError
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
        # Who tampers does not stop at triggers.
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
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

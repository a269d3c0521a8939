"""The command line as a user types it: verbs, exit codes, one JSON document, no traceback."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from autolabel.cli.main import main
from autolabel.inference.checkpoint import Checkpoint
from autolabel.testing import write_toy_texts

LABEL = (
    "label", "manifest.jsonl", "--task", "text-classification", "--categories", "labels.json", "--output", "out",
    "--name", "toy", "--attribute", "topic", "--model", "tfidf", "--batch", "20",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOLABEL_MODELS", str(tmp_path / "models"))
    write_toy_texts(tmp_path, 160)
    return tmp_path


def run(capsys, *words):
    code = main(words)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


def run_json(capsys, *words):
    code, out, _ = run(capsys, *words, "--json")
    return code, json.loads(out)


def test_label_runs_a_job_and_every_other_verb_reads_it(folder, capsys):
    code, facts = run_json(capsys, *LABEL, "--workforce", "simulated:truth.jsonl")
    assert code == 0
    assert facts["status"] == "Completed"
    assert set(facts) >= {"job", "status", "counters", "human_labels", "certificate", "cost", "output"}
    assert set(facts["cost"]) == {"human", "machine", "compute", "total", "all_human"}
    assert set(facts["human_labels"]) == {"train", "audit", "rest", "chained"}
    required = {
        "contract", "error", "confidence", "granted", "reason", "objects", "remainder", "audited",
        "allowed_audit_errors", "audit_errors", "machine_labeled", "human_labeled", "wrong_at_most", "seed",
        "model_sha256", "sentence",
    }  # fmt: skip
    assert required <= set(facts["certificate"])
    assert run_json(capsys, "status", "out/toy") == (0, facts)
    code, plan = run_json(capsys, "plan", "out/toy")
    assert code == 0
    assert plan["rounds"]
    code, verified = run_json(capsys, "verify", "out/toy")
    assert (code, verified["verified"]) == (0, True)
    assert run_json(capsys, "report", "out/toy")[0] == 0
    assert run_json(capsys, "resume", "out/toy")[0] == 0
    for verb in ("status", "plan", "verify", "report", "stop"):
        code, out, err = run(capsys, verb, "out/toy")
        assert code == 0
        assert out + err


def test_a_finished_jobs_model_scores_and_starts_another_job(folder, capsys):
    assert run_json(capsys, *LABEL, "--workforce", "simulated:truth.jsonl")[0] == 0
    model = next((folder / "out" / "toy").glob("training/**/model.tar.gz"))
    code, facts = run_json(capsys, "score", "manifest.jsonl", "--model", str(model), "--output", "scores")
    assert (code, facts["scored"], facts["failed"]) == (0, 160, 0)
    lines = [json.loads(line) for line in (folder / "scores" / "scores.jsonl").read_text().splitlines()]
    truth = [json.loads(line)["label"] for line in (folder / "truth.jsonl").read_text().splitlines()]
    names = ["weather", "cooking", "travel"]
    assert sum(names[line["class_id"]] == true for line, true in zip(lines, truth, strict=True)) > 150

    code, shown = run_json(capsys, "models", "show", str(model))
    assert shown["categories"] == names
    checkpoint = Checkpoint.load_tar(model)
    odd = dataclasses.replace(checkpoint, encoder_fingerprint="0" * 64)
    (folder / "odd.tar.gz").write_bytes(odd.pack())
    code, _, err = run(capsys, "score", "manifest.jsonl", "--model", "odd.tar.gz", "--output", "odd")
    assert (code, "its scores would mean nothing" in err) == (2, True)
    assert run_json(capsys, "models", "import", str(model), "--name", "topics")[0] == 0
    code, _, err = run(capsys, "models", "import", str(model), "--name", "tfidf")
    assert (code, "would hide" in err) == (2, True)
    (folder / "models" / "broken").mkdir()
    (folder / "models" / "broken" / "model.tar.gz").write_bytes(b"not an archive")
    listed = {entry["name"]: entry["description"] for entry in run_json(capsys, "models", "list")[1]}
    assert "broken/model.tar.gz is not a .tar.gz" in listed["broken"]
    assert listed["topics"] == "trained: 3 categories on tfidf"
    assert "topics" in [entry["name"] for entry in run_json(capsys, "models", "list")[1]]
    again = [word if word != "toy" else "second" for word in LABEL if word not in {"--model", "tfidf"}]
    code, facts = run_json(capsys, *again, "--model", "topics", "--workforce", "simulated:truth.jsonl")
    assert code == 0
    code, _, err = run(capsys, "models", "import", str(model), "--name", "topics")
    assert code == 2
    assert "is there already" in err


def test_the_files_workforce_waits_with_exit_code_3_until_answers_lie_beside_the_tasks(folder, capsys):
    truth = [json.loads(line)["label"] for line in (folder / "truth.jsonl").read_text().splitlines()]
    code, _, err = run(capsys, *LABEL, "--workforce", "files:answers/")
    assert code == 3
    assert "autolabel resume" in err
    for turn in range(60):
        tasks = [json.loads(line) for line in (folder / "answers" / "tasks.jsonl").read_text().splitlines()]
        answers = [{"datasetObjectId": t["datasetObjectId"], "label": truth[int(t["datasetObjectId"])]} for t in tasks]
        (folder / "answers" / f"turn-{turn}.jsonl").write_text("".join(json.dumps(a) + "\n" for a in answers))
        code, _, _ = run(capsys, "resume", "out/toy")
        if code != 3:
            break
    assert code == 0
    assert run_json(capsys, "verify", "out/toy")[0] == 0


def test_run_takes_the_document_that_init_writes(folder, capsys):
    code, _, _ = run(capsys, "init", "request.json", "--task", "text-classification")
    assert code == 0
    assert run(capsys, "init", "request.json")[0] == 2
    text = (folder / "request.json").read_text()
    assert "//" in text
    (folder / "request.toml").write_text('[job]\nmodel = "tfidf"\nbatch = 20\nworkforce = "simulated:truth.jsonl"\n')
    code, facts = run_json(capsys, "run", "request.json")
    assert (code, facts["status"]) == (0, "Completed")


def test_settings_come_from_options_before_toml_before_tags(folder, capsys):
    run(capsys, "init", "request.json", "--task", "text-classification")
    from autolabel import LabelingJobRequest

    document = LabelingJobRequest.load("request.json").to_document()
    document["Tags"] = [{"Key": f"autolabel:{key}", "Value": value} for key, value in
                        {"model": "tfidf", "batch": "5", "seed": "1", "error": "0.2"}.items()]  # fmt: skip
    document["LabelingJobName"] = "tagged"
    (folder / "tagged.json").write_text(json.dumps(document))
    (folder / "tagged.toml").write_text("[job]\nbatch = 20\nseed = 2\n")
    code, _ = run_json(capsys, "run", "tagged.json", "--seed", "3", "--workforce", "simulated:truth.jsonl")
    assert code == 0
    settings = json.loads(next(folder.glob("**/tagged/state/settings.json")).read_text())
    assert (settings["seed"], settings["batch"], settings["error"], settings["model"]) == (3, 20, 0.2, "tfidf")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "nowhere.json"), "nowhere.json"),
        (("status", "nowhere"), "no job here"),
        (("resume", "."), "no job here"),
        ((*LABEL, "--error", "2"), "quality.error"),
        ((*LABEL, "--model", "no-such-model"), "no-such-model"),
        ((*LABEL, "--workers", "10"), "numberOfHumanWorkersPerDataObject"),
        ((*LABEL, "--workforce", "robots"), "simulated:"),
        (("manifest", "check", "nowhere.jsonl"), "nowhere.jsonl"),
        (("models", "show", "no-such-model"), "no-such-model"),
        (("score", "manifest.jsonl", "--model", "tfidf", "--output", "s"), "without a head"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(folder, capsys, words, says):
    code, _, err = run(capsys, *words)
    assert code == 2
    assert says in err
    assert not (folder / "out" / "toy").exists()


def test_a_folder_that_cannot_be_made_is_one_clear_line(folder, capsys, monkeypatch):
    assert run(capsys, *LABEL, "--workforce", "simulated:truth.jsonl")[0] == 0
    model = next((folder / "out" / "toy").glob("training/**/model.tar.gz"))
    (folder / "file").write_text("")
    monkeypatch.setenv("AUTOLABEL_MODELS", "file/models")
    for words in (
        ("quickstart", "--folder", "file/quickstart"),
        ("models", "import", str(model), "--name", "topics"),
        (*LABEL, "--output", "file/out", "--name", "other"),
    ):
        code, _, err = run(capsys, *words)
        assert (code, "cannot be created" in err) == (4, True), words


def test_answers_that_cannot_be_used_are_named(folder, capsys):
    assert run(capsys, *LABEL, "--workforce", "files:answers")[0] == 3
    task = json.loads((folder / "answers" / "tasks.jsonl").read_text().splitlines()[0])["datasetObjectId"]
    bad = json.dumps({"datasetObjectId": task, "label": "no such topic"})
    (folder / "answers" / "mine.jsonl").write_text(f"{bad}\n[]\n" + '{"datasetObjectId"')
    code, _, err = run(capsys, "resume", "out/toy")
    assert code == 3
    for place in ("mine.jsonl:1: ", "mine.jsonl:2: no JSON object"):
        assert err.replace("\n", "").count(place) == 1
    assert "left for the next time" in err


def test_manifest_check_names_the_bad_lines(folder, capsys):
    with (folder / "manifest.jsonl").open("a") as file:
        file.write('{"source": "a", "source": "b"}\n')
    code, facts = run_json(capsys, "manifest", "check", "manifest.jsonl", "--task", "text-classification")
    assert code == 2
    assert facts["bad"][0]["line"] == 161
    assert run(capsys, "manifest", "check", "truth.jsonl")[0] in {0, 2}


def test_a_failed_job_exits_with_4(folder, capsys):
    assert run(capsys, *LABEL, "--workforce", "simulated:truth.jsonl?decline_rate=0.9")[0] == 4


def test_hostile_text_cannot_speak_to_the_terminal(folder, capsys):
    code, _, err = run(capsys, "status", "no\x1b[31mjob")
    assert code == 2
    assert "\x1b" not in err


def test_the_package_imports_without_torch_and_help_prints():
    probe = "import sys, autolabel; print('torch' in sys.modules, 'sklearn' in sys.modules, 'numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    assert found.split() == ["False", "False", "False"]
    probe = "import sys; from autolabel.cli.main import build_parser; build_parser(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout == "False\n"
    helped = subprocess.run([sys.executable, "-m", "autolabel", "--help"], capture_output=True, text=True, check=True,
                            env={**os.environ, "COLUMNS": "100"})  # fmt: skip
    for verb in (
        "quickstart",
        "run",
        "label",
        "resume",
        "status",
        "plan",
        "report",
        "verify",
        "stop",
        "score",
        "models",
    ):
        assert verb in helped.stdout


def test_the_quickstart_labels_the_digits_and_the_truth_confirms_its_promise(folder, capsys):
    code, facts = run_json(capsys, "quickstart")
    assert code == 0
    assert facts["counters"]["MachineLabeled"] >= 0.7 * 1797
    assert facts["truth"]["wrong"] <= facts["certificate"]["wrong_at_most"]
    assert facts["certificate"]["granted"]

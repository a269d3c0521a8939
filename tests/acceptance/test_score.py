"""Batch scoring: the same bytes by one process, by several, and by processes that are killed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autolabel.api.kinds import TaskKind
from autolabel.cli.main import main
from autolabel.errors import SettingsError
from autolabel.inference.catalogue import encoder_for
from autolabel.inference.checkpoint import Checkpoint
from autolabel.inference.shards import layout
from autolabel.inference.shards.embeddings import Embeddings
from autolabel.job import reduced
from autolabel.job.scoring import Part, ScoreRequest, score_manifest
from autolabel.learning.learner import ClassificationLearner, predict_with
from autolabel.report.progress import ProgressReporter
from autolabel.storage.durable import failpoints
from autolabel.testing import toy_job, write_toy_texts

COUNT = 150


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small text model, trained by a job."""
    folder = tmp_path_factory.mktemp("model")
    with toy_job(folder, count=120) as (job, workforce):
        assert job.run(workforce).finished
    return next((folder / "out").glob("**/model.tar.gz"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "SHARD", 16)
    write_toy_texts(tmp_path, COUNT, seed=5)
    return tmp_path


def score(folder, model, *, part=None, output="out", manifest="manifest.jsonl", **options):
    request = ScoreRequest(manifest=str(folder / manifest), model=str(model), output=str(folder / output), **options)
    return score_manifest(request, part=part, progress=ProgressReporter())


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_scores_are_the_models_predictions_of_every_object_in_order(folder, model):
    result = score(folder, model)
    assert (result["scored"], result["failed"]) == (COUNT, 0)
    lines = [json.loads(line) for line in Path(result["scores"]).read_text().splitlines()]
    assert [line["id"] for line in lines] == list(range(COUNT))
    checkpoint = Checkpoint.load_tar(model)
    vectors = Embeddings.open(folder / "out" / "embeddings", checkpoint.encoder_fingerprint).rows(np.arange(COUNT))
    expected = predict_with(checkpoint.arrays, vectors)
    assert [line["class_id"] for line in lines] == expected.predicted.tolist()
    np.testing.assert_allclose([line["confidence"] for line in lines], expected.confidence, atol=1e-5)
    np.testing.assert_allclose([line["error_probability"] for line in lines], expected.error_probability, atol=1e-4)


@pytest.mark.parametrize("count", [2, 3, 40])
def test_parts_by_several_processes_give_the_bytes_of_one(folder, model, count):
    score(folder, model, output="alone")
    results = [score(folder, model, part=Part(number, count)) for number in range(count, 0, -1)]
    assert sum(result["scored"] for result in results) == COUNT
    assert all(result["scores"] is None for result in results)
    assert not (folder / "out" / "scores.jsonl").exists()
    score(folder, model)
    assert files(folder / "out") == files(folder / "alone")


def test_parts_share_all_shards_and_nothing_twice():
    shards = list(range(7))
    for count in (1, 2, 3, 7, 9):
        runs = [Part(number, count).of(shards) for number in range(1, count + 1)]
        assert [each for run in runs for each in run] == shards
        assert max(map(len, runs)) - min(map(len, runs)) <= 1


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "1/0", "a/b", "-1/3", "1/2/3"])
def test_a_part_that_is_none_is_refused(text):
    with pytest.raises(SettingsError, match="expected one like 3/8"):
        Part.parse(text)


def test_a_part_of_another_manifest_is_refused_and_a_whole_run_begins_anew(folder, model):
    score(folder, model, part=Part(1, 2))
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    (folder / "other.jsonl").write_text("\n".join(reversed(lines)) + "\n")
    with pytest.raises(SettingsError, match="another part was scored with another manifest"):
        score(folder, model, part=Part(2, 2), manifest="other.jsonl")
    score(folder, model, manifest="other.jsonl")
    score(folder, model, manifest="other.jsonl", output="clean")
    assert files(folder / "out") == files(folder / "clean")


def test_another_model_of_the_same_encoder_embeds_nothing_again(folder, model, monkeypatch):
    score(folder, model)
    embeddings = {path: path.stat().st_mtime_ns for path in (folder / "out" / "embeddings").glob("shard-*")}
    checkpoint = Checkpoint.load_tar(model)
    arrays = dict(checkpoint.arrays)
    arrays["head.weight"] = arrays["head.weight"][::-1].copy()
    arrays["head.bias"] = arrays["head.bias"][::-1].copy()
    turned = Checkpoint(
        checkpoint.task_kind, checkpoint.categories, checkpoint.encoder, checkpoint.encoder_fingerprint, arrays
    )
    (folder / "turned.tar.gz").write_bytes(turned.pack())
    before = [json.loads(line)["class_id"] for line in (folder / "out" / "scores.jsonl").read_text().splitlines()]
    score(folder, folder / "turned.tar.gz")
    after = [json.loads(line)["class_id"] for line in (folder / "out" / "scores.jsonl").read_text().splitlines()]
    assert after == [2 - each for each in before]
    assert {path: path.stat().st_mtime_ns for path in embeddings} == embeddings


def test_labels_alone_are_those_of_full_scoring_and_most_embeddings_are_not_read(folder, model):
    def retrained(amount, name):
        checkpoint = Checkpoint.load_tar(model)
        rng = np.random.default_rng(1)
        arrays = dict(checkpoint.arrays)
        step = amount * np.abs(arrays["head.weight"]).mean()
        arrays["head.weight"] = (
            arrays["head.weight"] + step * rng.standard_normal(arrays["head.weight"].shape)
        ).astype(np.float32)
        (folder / name).write_bytes(dataclasses.replace(checkpoint, arrays=arrays).pack())
        return folder / name

    def labels(result):
        return [
            {key: line[key] for key in ("id", "class_id")}
            for line in map(json.loads, Path(result["scores"]).read_text().splitlines())
        ]

    first = score(folder, model, labels_only=True)
    assert first["read"] == COUNT
    score(folder, model)
    assert score(folder, model, labels_only=True)["read"] == 0
    for amount, least, most in ((1e-4, 0, 10), (3.0, COUNT, COUNT)):
        later = retrained(amount, f"{amount}.tar.gz")
        found = score(folder, later, labels_only=True)
        assert found["scores"].endswith("labels.jsonl")
        assert least <= found["read"] <= most
        assert labels(found) == labels(score(folder, later, output=f"full-{amount}"))


def test_scores_that_were_damaged_are_made_again(folder, model):
    score(folder, model)
    clean = files(folder / "out")
    (folder / "out" / "embeddings" / "scores-00001.npy").write_bytes(b"half a fi")
    (folder / "out" / "embeddings" / "scores-00003.json").write_bytes(b"{}")
    (folder / "out" / "embeddings" / "shard-00004.npy").unlink()
    score(folder, model)
    assert files(folder / "out") == clean


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_killed_at_any_durable_operation_and_run_again_it_leaves_the_same_bytes(folder, model, step):
    names = []
    with failpoints(names.append):
        score(folder, model, output="clean")
    clean = files(folder / "clean")
    for point in range(1, len(names) + 1, step):
        left = iter(range(point - 1))

        def die(_name, left=left):
            if next(left, None) is None:
                raise Killed

        with failpoints(die), pytest.raises(Killed):
            score(folder, model, output="killed")
        score(folder, model, output="killed")
        found = files(folder / "killed")
        assert {path: data for path, data in found.items() if path in clean} == clean
        shutil.rmtree(folder / "killed")


def command(folder, model, output, *words):
    return subprocess.Popen(
        [
            sys.executable, "-m", "autolabel", "score", "manifest.jsonl", "--model", str(model), "--output", output,
            *words, "--json",
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "most",
    [
        pytest.param(10, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
        pytest.param(50, marks=[pytest.mark.exhaustive, pytest.mark.timeout(3600)]),
    ],
)
def test_random_sigkills_cost_a_shard_each_and_change_no_byte(tmp_path, model, most):
    write_toy_texts(tmp_path, 40_000, seed=5)
    assert command(tmp_path, model, "quiet").wait() == 0
    quiet = files(tmp_path / "quiet")
    rng = np.random.default_rng(0)
    kills = round_ = 0
    while kills < most:
        output = tmp_path / f"killed-{round_}"
        while True:
            finished = {path.name for path in output.glob("embeddings/shard-*.json")}
            process = command(tmp_path, model, output.name)
            try:
                code = process.wait(timeout=float(rng.uniform(0.5, 5.0)))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                # What was finished stays finished: a kill costs the shard that was under way.
                assert finished <= {path.name for path in output.glob("embeddings/shard-*.json")}
                continue
            assert code == 0
            break
        found = files(output)
        assert {path: data for path, data in found.items() if not path.name.startswith(".")} == quiet
        shutil.rmtree(output)
        round_ += 1


def test_the_command_scores_parts_and_says_what_it_did(folder, model, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    words = ("score", "manifest.jsonl", "--model", str(model), "--output", "cli")
    assert main((*words, "--shard", "1/2")) == 0
    assert "part 1/2 is in cli" in capsys.readouterr().err
    assert main((*words, "--json")) == 0
    assert json.loads(capsys.readouterr().out)["scored"] == COUNT
    for bad, says in ((("--shard", "3/2"), "3/8"), (("--runtime", "magic"), "openvino")):
        assert main((*words, *bad)) == 2
        assert says in capsys.readouterr().err


def test_int8_that_was_asked_for_and_cannot_be_is_refused_with_a_reason_and_scores_all_the_same(
    folder, model, capsys, monkeypatch
):
    monkeypatch.chdir(folder)
    score(folder, model, output="plain")
    words = ("score", "manifest.jsonl", "--model", str(model), "--output", "int8", "--int8")
    assert main(words) == 0
    assert "int8 is refused: tfidf holds no network" in capsys.readouterr().err
    assert (folder / "int8" / "scores.jsonl").read_bytes() == (folder / "plain" / "scores.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_int8_is_used_past_its_agreement_test_by_every_part_and_the_decision_is_made_once(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "SHARD", 256)
    labels = write_toy_texts(tmp_path, 1_000, seed=5, noise=0.1)
    texts = [json.loads(line)["source"] for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]

    class Texts:
        content, ahead = "toy", 0

        def get(self, number):
            return texts[number]

    encoder = encoder_for("minilm-l6-v2", device="cpu")
    learner = ClassificationLearner(encoder, kind=TaskKind.TEXT_CLASSIFICATION, categories=("a", "b", "c"), seed=0)
    objects = np.arange(200)
    prepared = learner.prepare(Texts(), objects, tmp_path / "pool", lambda _done, _all: None)
    learner.resume(tmp_path / "pool", prepared.facts, prepared.arrays)
    arrays, _ = learner.fit(objects, labels[:200], previous=None, search=True)
    (tmp_path / "model.tar.gz").write_bytes(learner.checkpoint(arrays, {}).pack())

    def scored(**options):
        request = ScoreRequest(
            manifest=str(tmp_path / "manifest.jsonl"), model=str(tmp_path / "model.tar.gz"),
            output=str(tmp_path / "out"), int8=True,
        )  # fmt: skip
        return score_manifest(request, progress=ProgressReporter(), **options)

    first = scored(part=Part(1, 2))
    assert first["reduced"]["refusal"] == ""
    assert first["reduced"]["agreement"]["same"] >= 0.99
    monkeypatch.setattr(reduced, "_try_int8", lambda *_: pytest.fail("decided again"))
    assert scored(part=Part(2, 2))["route"] == first["route"]
    assert "int8" in first["route"]
    whole = scored(part=None)
    found = [json.loads(line)["class_id"] for line in Path(whole["scores"]).read_text().splitlines()]
    assert np.mean(np.asarray(found) == labels) > 0.95

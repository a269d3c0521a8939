"""A folder of poisoned files is scored to the end: every object gets its documented answer, none stops another."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from data.picture_catalogue import CONVERTED, REFUSED, encoded
from PIL import Image

from autolabel.api.kinds import TaskKind
from autolabel.inference.catalogue import encoder_for
from autolabel.inference.shards import layout
from autolabel.job.scoring import ScoreRequest, score_manifest
from autolabel.learning.learner import ClassificationLearner
from autolabel.report.progress import ProgressReporter
from autolabel.testing import toy_job

OUTSIDE = {
    # What a hostile manifest refers to (S1, S2, S5), and the code of the answer.
    "../secret.png": "INVALID_SOURCE_REF_FORMAT",
    "/etc/passwd": "INVALID_SOURCE_REF_FORMAT",
    "file:///etc/passwd": "INVALID_SOURCE_REF_FORMAT",
    "http://169.254.169.254/latest/meta-data": "INVALID_SOURCE_REF_FORMAT",
    "..%2fsecret.png": "INVALID_SOURCE_REF_FORMAT",
    "~/secret.png": "INVALID_SOURCE_REF_FORMAT",
    "a\\b.png": "INVALID_SOURCE_REF_FORMAT",
    "link-out.png": "INVALID_SOURCE_REF_FORMAT",
    "fifo.png": "OBJECT_UNREADABLE",
    "folder.png": "OBJECT_UNREADABLE",
    "missing.png": "OBJECT_NOT_FOUND",
}
BAD_LINES = {'{"source-ref": ': "INVALID_JSON_LINE", '{"text": "no reference"}': "MISSING_SOURCE_REF"}


@pytest.fixture
def poisoned(tmp_path, monkeypatch):
    """Write the whole catalogue as files; return the folder and the expected answer of each object."""
    monkeypatch.setattr(layout, "SHARD", 16)
    folder = tmp_path / "data"
    (folder / "folder.png").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(encoded(Image.new("RGB", (8, 8))))
    (folder / "link-out.png").symlink_to(tmp_path / "secret.png")
    os.mkfifo(folder / "fifo.png")
    lines, expected = [], []
    for number, case in enumerate([*REFUSED, *CONVERTED]):
        name = f"{number:03d}.{'png' if number % 2 else 'jpg'}"  # half of the extensions lie: S14
        (folder / name).write_bytes(case.raw)
        lines.append(json.dumps({"source-ref": name}))
        expected.append(f"INVALID_IMAGE: {case.words}" if case in REFUSED else None)
    for ref, code in OUTSIDE.items():
        lines.append(json.dumps({"source-ref": ref}))
        expected.append(f"{code}: ")
    for line, code in BAD_LINES.items():
        lines.append(line)
        expected.append(code)
    same = encoded(Image.new("RGB", (40, 40), (10, 200, 30)), "JPEG")
    (folder / "same.jpg").write_bytes(same)
    lines += [json.dumps({"source-ref": "same.jpg"})] * 50  # S18, small
    expected += [None] * 50
    order = np.random.default_rng(0).permutation(len(lines))
    (folder / "manifest.jsonl").write_text("".join(lines[each] + "\n" for each in order))
    return folder, [expected[each] for each in order]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of red and green pictures."""
    folder = tmp_path_factory.mktemp("model")

    class Pictures:
        content, ahead = "squares", 0

        def get(self, number):
            colour = (200 + number, 30, 40) if number % 2 else (30, 200 + number, 40)
            return encoded(Image.new("RGB", (20, 30), colour))

    learner = ClassificationLearner(
        encoder_for("efficientnet-lite0@64+pixels", device="cpu"),
        kind=TaskKind.IMAGE_CLASSIFICATION,
        categories=("green", "red"),
        seed=0,
    )
    objects = np.arange(40)
    prepared = learner.prepare(Pictures(), objects, folder, lambda _done, _all: None)
    learner.resume(folder, prepared.facts, prepared.arrays)
    arrays, _ = learner.fit(objects, (objects % 2).tolist(), previous=None, search=True)
    path = folder / "model.tar.gz"
    path.write_bytes(learner.checkpoint(arrays, {}).pack())
    return path


def test_every_poisoned_object_gets_its_documented_answer_and_all_others_a_score(poisoned, model):
    folder, expected = poisoned
    request = ScoreRequest(manifest=str(folder / "manifest.jsonl"), model=str(model), output=str(folder / "out"))
    result = score_manifest(request, part=None, progress=ProgressReporter())
    scored = {json.loads(line)["id"] for line in (folder / "out" / "scores.jsonl").read_text().splitlines()}
    assert scored == {number for number, answer in enumerate(expected) if answer is None}
    assert result["scored"] == len(scored)
    assert result["failed"] == len(expected) - len(scored)
    for number, answer in enumerate(expected):
        if answer is not None:
            code, _, words = answer.partition(": ")
            found = result["failures"][str(number)]
            assert code in found
            assert words in found
    again = score_manifest(request, part=None, progress=ProgressReporter())
    assert again == result


TEXTS = {
    # Texts of the catalogue (S16), and the code of the answer; None: a score.
    "": "EMPTY_TEXT",
    "   ": "EMPTY_TEXT",
    "\u200b\u200d\ufeff": "EMPTY_TEXT",
    "\u202e": "EMPTY_TEXT",
    "😀😀": None,
    "x\u202etxt.exe": None,
    "<script>alert(1)</script>": None,
    "{{7*7}} {% include '/etc/passwd' %}": None,
    "\x1b[31mred\x1b[0m": None,
    "=cmd|' /C calc'!A0": None,
    "word " * 3_999: None,
    "word " * 4_001: "INVALID_JSON_LINE",  # M12: more than 20,000 characters
    "word " * 200_000: "INVALID_JSON_LINE",  # M12: longer than 100,000 characters
}


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    """A small text model, trained by a job."""
    folder = tmp_path_factory.mktemp("text-model")
    with toy_job(folder, count=120) as (job, workforce):
        assert job.run(workforce).finished
    return next((folder / "out").glob("**/model.tar.gz"))


def test_every_poisoned_text_gets_its_documented_answer_and_all_others_a_score(tmp_path, text_model):
    lines = [json.dumps({"source": text}) for text in TEXTS]
    lines.append('{"source": "half \\ud800"}')
    answers = [*TEXTS.values(), "INVALID_JSON_LINE"]
    (tmp_path / "manifest.jsonl").write_text("".join(line + "\n" for line in lines))
    request = ScoreRequest(
        manifest=str(tmp_path / "manifest.jsonl"), model=str(text_model), output=str(tmp_path / "out")
    )
    result = score_manifest(request, part=None, progress=ProgressReporter())
    scored = {json.loads(line)["id"] for line in (tmp_path / "out" / "scores.jsonl").read_text().splitlines()}
    assert scored == {number for number, answer in enumerate(answers) if answer is None}
    found = {int(number): reason.partition(":")[0] for number, reason in result["failures"].items()}
    assert found == {number: answer for number, answer in enumerate(answers) if answer is not None}


def test_the_catalogue_has_every_group_of_bad_pictures():
    assert {case.number for case in (*REFUSED, *CONVERTED)} == {f"S{number}" for number in range(6, 16)} - {"S14"}

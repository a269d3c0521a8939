from __future__ import annotations

import json

import pytest

from autolabel.api.kinds import TaskKind
from autolabel.errors import ManifestError
from autolabel.manifest.check import check_manifest
from autolabel.manifest.limits import Limits

PEOPLE = {"mood": 1, "mood-metadata": {"human-annotated": "yes"}}
MACHINE = {"mood": 1, "mood-metadata": {"human-annotated": "no"}}


@pytest.fixture
def path(tmp_path):
    records = [{"source": "a"}, {"source": "b", "id": 1} | PEOPLE, {"source": "c"} | MACHINE, {"source": "a"}, {"x": 1}]
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(b"\n".join(json.dumps(record).encode() for record in records) + b"\n\n{oops\n")
    return path


def test_a_report_says_what_the_manifest_holds(path):
    report = check_manifest(path, TaskKind.TEXT_CLASSIFICATION, "mood")
    assert (report.objects, report.bytes) == (6, path.stat().st_size)
    assert report.keys == {"source": 4, "mood": 2, "mood-metadata": 2, "id": 1}
    assert (report.duplicates, report.prior_human, report.prior_machine) == (1, 1, 1)
    assert [(bad.line, bad.code) for bad in report.bad] == [(5, "MISSING_SOURCE_REF"), (7, "INVALID_JSON_LINE")]
    assert len(report.warnings) == 2
    assert report.refusal == ""


def test_a_report_is_json(path):
    report = check_manifest(path, TaskKind.TEXT_CLASSIFICATION, "mood").to_json()
    assert json.loads(json.dumps(report)) == report
    assert report["bad"][0] == {
        "object": 4,
        "line": 5,
        "code": "MISSING_SOURCE_REF",
        "found": "no 'source'",
        "expected": "the key 'source'",
    }


def test_everything_bad_is_listed_even_when_no_job_could_start(path):
    path.write_bytes(b"{\n[\n1\n")
    report = check_manifest(path, TaskKind.TEXT_CLASSIFICATION, "mood")
    assert len(report.bad) == 3
    assert report.refusal.startswith("TOO_MANY_INVALID_ROWS_IN_MANIFEST: line 1: 3 of 3 lines are bad")


@pytest.mark.parametrize(
    ("data", "bad"),
    [
        (b'{"source":"a"}\n{"source-ref":"b"}\n', [2]),
        (b'{"source-ref":"a"}\n{"source":"b"}\n', [2]),
        (b'\n{oops\n{"source":"a"}\n', [2]),
        (b"{\n[\n", [1, 2]),
    ],
)
def test_the_first_object_tells_the_task_when_nobody_does(path, data, bad):
    path.write_bytes(data)
    assert [each.line for each in check_manifest(path, None, "mood").bad] == bad


def test_limits_apply(path):
    with pytest.raises(ManifestError, match="more than 5 objects"):
        check_manifest(path, None, "mood", limits=Limits(max_objects=5))

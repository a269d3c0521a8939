from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from autolabel.api.kinds import TaskKind
from autolabel.manifest.lines import Manifest
from autolabel.manifest.output import Additions, Splice, failed_fields, iso_micro, write_manifest
from autolabel.manifest.reader import survey_manifest

LABEL = {"mood": 1, "mood-metadata": {"class-name": "froh", "confidence": 0.9, "human-annotated": "no"}}
TAIL = b'"mood":1,"mood-metadata":{"class-name":"froh","confidence":0.9,"human-annotated":"no"}'
OLD = b'"mood": 0, "mood-metadata": {"human-annotated": "yes"}'
FAILED = b'"mood-metadata":{"retry-count":1,"failure-reason":"gone","human-annotated":"true"}'
FAILURE = failed_fields("mood", "gone", 1)


@pytest.fixture
def write(tmp_path):
    """Write the output of some input bytes; return its lines and what was rejected."""

    def run(data, fields):
        path = tmp_path / "input.manifest"
        path.write_bytes(data)
        rejected = []
        index = survey_manifest(path, kind=TaskKind.TEXT_CLASSIFICATION, attribute="mood")
        additions = Additions(len(index))
        for number, each in fields.items():
            additions.put(number, Splice(each))
        with Manifest(path, index) as manifest:
            sha256 = write_manifest(
                tmp_path / "output.manifest",
                manifest,
                additions,
                rejected=lambda number, line: rejected.append((number, line)),
            )
        written = (tmp_path / "output.manifest").read_bytes()
        assert sha256 == hashlib.sha256(written).hexdigest()
        assert written.endswith(b"\n")
        return written[:-1].split(b"\n"), rejected

    return run


def test_the_failed_object_line_is_ground_truths():
    reason = "ClientError: Annotation tasks expired."
    assert failed_fields("mock_job_name", reason, 1) == {
        "mock_job_name-metadata": {"retry-count": 1, "failure-reason": reason, "human-annotated": "true"}
    }


def test_a_date_has_microseconds_and_no_zone():
    assert iso_micro(datetime(2023, 3, 8, 19, 30, 8, tzinfo=UTC)) == "2023-03-08T19:30:08.000000"
    berlin = timezone(timedelta(hours=1))
    assert iso_micro(datetime(2023, 3, 8, 0, 30, 8, 9, tzinfo=berlin)) == "2023-03-07T23:30:08.000009"


def test_lines_keep_their_order_and_their_bytes(write):
    lines = [b'{"source": "a", "x": 1.50}', b'{"source":"b\\u00e9" , "y":[ ]} ', '{"source":"ü"}'.encode()]
    assert write(b"\xef\xbb\xbf" + b"\r\n".join(lines), {}) == (lines, [])


def test_blank_lines_are_not_objects(write):
    assert write(b'\n{"source":"a"}\n \n{"source":"b"}\n', {})[0] == [b'{"source":"a"}', b'{"source":"b"}']


def test_a_label_follows_what_was_there(write):
    lines, _ = write(b'{"source": "a"}\n{"source": "b"} \r\n{ "source": "c" }\n', {0: LABEL, 1: LABEL, 2: LABEL})
    assert lines == [b'{"source": "a",%b}' % TAIL, b'{"source": "b",%b} ' % TAIL, b'{ "source": "c" ,%b}' % TAIL]


def test_an_old_label_is_replaced_in_its_place(write):
    lines, _ = write(b'{%b, "source": "a", "z": 1}\n' % OLD, {0: LABEL})
    (value, metadata) = (json.dumps(each, separators=(",", ":")).encode() for each in LABEL.values())
    assert lines == [b'{"mood": %b, "mood-metadata": %b, "source": "a", "z": 1}' % (value, metadata)]


def test_an_old_label_stays_without_a_new_one(write):
    line = b'{%b, "source": "a"}' % OLD
    assert write(line, {})[0] == [line]


def test_a_failure_takes_the_old_label_out(write):
    lines, _ = write(b'{"source": "a", "mood": 1}\n{"source": "b"}\n', {0: FAILURE, 1: FAILURE})
    assert lines == [b'{"source": "a",%b}' % FAILED, b'{"source": "b",%b}' % FAILED]


def test_a_label_takes_the_place_of_an_old_failure(write):
    lines, _ = write(b'{"source": "a",%b}\n' % FAILED, {0: LABEL})
    assert json.loads(lines[0]) == {"source": "a"} | LABEL


def test_what_is_no_json_cannot_be_kept_and_is_handed_over(write):
    data = b'{"source":"a"}\n{"source":\n{"source":"a","source":"b"}\n{"source":"c","$x":1}\n[]\n{"source":"d"}'
    lines, rejected = write(data, {1: FAILURE, 2: FAILURE, 3: FAILURE, 4: FAILURE})
    assert lines == [
        b'{"source":"a"}',
        b"{%b}" % FAILED,
        b"{%b}" % FAILED,
        b'{"source":"c","$x":1,%b}' % FAILED,
        b"{%b}" % FAILED,
        b'{"source":"d"}',
    ]
    assert rejected == [(1, b'{"source":'), (2, b'{"source":"a","source":"b"}'), (4, b"[]")]


def test_a_bad_line_without_splice_gets_the_failure_of_the_index(write):
    lines, rejected = write(b'{"source":"a"}\n{oops\n{"id":1}\n', {})
    assert json.loads(lines[1])["mood-metadata"]["failure-reason"].startswith("ClientError: INVALID_JSON_LINE: line 2")
    assert json.loads(lines[2])["id"] == 1
    assert "MISSING_SOURCE_REF" in json.loads(lines[2])["mood-metadata"]["failure-reason"]
    assert rejected == [(1, b"{oops")]


def test_a_line_longer_than_any_block_does_not_stop_the_others(write):
    lines, rejected = write(b'{"source":"a"}\n{"source":"%b"}\n{"source":"c"}' % (b"x" * 3_000_000), {2: LABEL})
    assert [len(lines), len(rejected[0][1])] == [3, 1 << 20]
    assert lines[2] == b'{"source":"c",%b}' % TAIL


def test_many_lines_are_written_in_order(write):
    count = 20_000
    data = b"".join(b'{"source":"text %d"}\n' % number for number in range(count))
    lines, _ = write(data, dict.fromkeys(range(0, count, 3), LABEL))
    assert [json.loads(line)["source"] for line in lines] == [f"text {number}" for number in range(count)]
    assert ["mood" in json.loads(line) for line in lines] == [number % 3 == 0 for number in range(count)]


@pytest.mark.parametrize("fields", [{"tone": 1, "tone-metadata": {}}, {"mood": 1}, {**LABEL, "extra": 1}])
def test_a_splice_for_another_attribute_is_refused_and_the_old_file_stays(write, tmp_path, fields):
    (tmp_path / "output.manifest").write_bytes(b"old")
    with pytest.raises(ValueError, match="expected those of 'mood'"):
        write(b'{"source":"a"}\n', {0: fields})
    assert (tmp_path / "output.manifest").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["input.manifest", "output.manifest"]

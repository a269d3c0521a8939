from __future__ import annotations

import hashlib
import json
from io import FileIO

import numpy as np
import pytest

from autolabel.api.kinds import TaskKind
from autolabel.errors import JobCorruptError, ManifestError
from autolabel.manifest import blocks
from autolabel.manifest.limits import Limits
from autolabel.manifest.reader import ManifestIndex, index_manifest, refusal, survey_manifest

TEXT, IMAGE = TaskKind.TEXT_CLASSIFICATION, TaskKind.IMAGE_CLASSIFICATION


@pytest.fixture
def index(tmp_path):
    """Index bytes."""

    def build(data, kind=TEXT, attribute="mood", **limits):
        path = tmp_path / "manifest.jsonl"
        path.write_bytes(data)
        return survey_manifest(path, kind=kind, attribute=attribute, limits=Limits(**limits))

    return build


def test_objects_are_numbered_among_the_lines_that_are_not_blank(index):
    found = index(b'\n{"source":"a"}\r\n \t\n{oops}\n\n{"source":"c"}')
    assert found.offsets.tolist() == [1, 20, 28]
    assert found.lengths.tolist() == [14, 6, 14]
    assert found.blank.tolist() == [0, 2, 4]
    assert [found.line_number(number) for number in range(len(found))] == [2, 4, 6]
    assert [(bad.object, bad.line) for bad in found.bad] == [(1, 4)]


def test_the_hash_is_that_of_the_whole_file(index):
    data = b'\xef\xbb\xbf{"source":"a"}\n\n{"source":"b"}'
    found = index(data)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.size == len(data)


def test_columns_take_twelve_bytes_an_object(index):
    found = index(b'{"source":"a"}\n' * 10)
    assert (found.offsets.dtype, found.lengths.dtype) == (np.uint64, np.uint32)


def test_many_ways_of_making_lines_in_one_file(index):
    ways = [{"source": f"text {way}"} | {f"key{number}": number for number in range(way)} for way in range(40)]
    found = index(b"\n".join(json.dumps(record).encode() for record in ways * 30))
    assert found.bad == ()
    assert len(found) == 1200
    assert found.duplicates == 1160


def test_a_bad_line_says_what_was_found_and_what_was_expected(index):
    (bad,) = index(b'{"source":"a"}\n{"source":"a","$x":1}\n').bad
    assert bad.message == "line 2: found the key '$x'; expected keys that do not begin with $"


def test_a_message_shows_hostile_text_harmlessly(index):
    (bad,) = index(b'{"source":"a"}\n{"source":"a","$\\u001b[31m":1}\n').bad
    assert "\x1b" not in bad.message


def test_lines_with_a_label_are_prior_and_lines_with_half_of_one_are_overwritten(index):
    label = {"mood": 1, "mood-metadata": {"human-annotated": "yes"}}
    failure = {"mood-metadata": {"failure-reason": "no"}}
    records = [{"source": "a"}, {"source": "b"} | label, {"source": "c", "mood": 1}, {"source": "d"} | failure]
    found = index(b"\n".join(json.dumps(record).encode() for record in records * 2))
    assert found.prior.tolist() == [1, 5]
    assert found.overwritten.tolist() == [2, 3, 6, 7]
    assert [warning.split(" (")[0] for warning in found.warnings] == [
        "4 lines have an earlier line's source again",
        "2 lines have 'mood' without 'mood-metadata'",
        "2 lines have an earlier job's failure",
    ]


def test_an_attribute_that_no_line_has_makes_every_line_new(index):
    label = {"mood": 1, "mood-metadata": {"human-annotated": "yes"}}
    found = index(json.dumps({"source": "b"} | label).encode(), attribute="tone")
    assert (found.prior.size, found.overwritten.size, found.warnings) == (0, 0, ())


def test_the_share_of_bad_lines_decides(tmp_path):
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(b'{"source":"a"}\n{\n')
    assert len(index_manifest(path, kind=TEXT, attribute="mood").bad) == 1
    with pytest.raises(ManifestError, match=r"1 of 2 lines are bad, at most 40% may be.*line 2: found") as caught:
        index_manifest(path, kind=TEXT, attribute="mood", limits=Limits(max_bad_share=0.4))
    assert caught.value.code == "TOO_MANY_INVALID_ROWS_IN_MANIFEST"
    assert caught.value.line == 2


def test_a_survey_lists_all_bad_lines_of_a_file_that_no_job_could_start_from(index):
    found = index(b"{\n" * 20)
    assert len(found.bad) == 20
    assert refusal(found, Limits()).code == "TOO_MANY_INVALID_ROWS_IN_MANIFEST"


def test_limits_can_be_raised(index):
    data = b'{"source":"%b"}\n' % (b"x" * 500_000) + b'{"source":"b"}\n' * 100_000
    found = index(data, max_objects=100_001, max_line_chars=600_000, max_attribute_chars=600_000)
    assert found.bad == ()
    assert len(found) == 100_001


def test_a_line_longer_than_any_block_is_passed_over(index):
    line = b'{"source":"%b"}' % (b"x" * 5_000_000)
    found = index(b"\n".join([b'{"source":"a"}', line, b'{"source":"c"}', line]))
    assert [(bad.object, bad.line) for bad in found.bad] == [(1, 2), (3, 4)]
    assert found.offsets.tolist() == [0, 15, 15 + len(line) + 1, 15 + len(line) + 16]


def test_a_file_that_cannot_be_read_on_is_refused(tmp_path, monkeypatch):
    class Failing(FileIO):
        def readinto(self, _):
            raise OSError(5, "Input/output error")

    path = tmp_path / "manifest.jsonl"
    path.write_bytes(b'{"source":"a"}\n')
    monkeypatch.setattr(blocks, "FileIO", Failing)
    with pytest.raises(ManifestError, match="Input/output error"):
        survey_manifest(path, kind=TEXT, attribute="mood")


def test_an_index_comes_back_as_it_was_saved(index, tmp_path):
    saved = index(b'\n{"source":"a"}\n{\n{"source":"a","mood":1}\n')
    saved.save(tmp_path / "some" / "index")
    loaded = ManifestIndex.load(tmp_path / "some" / "index")
    for name in saved.__dataclass_fields__:
        before, after = getattr(saved, name), getattr(loaded, name)
        if isinstance(before, np.ndarray):
            assert (before.dtype, before.tolist()) == (after.dtype, after.tolist())
        else:
            assert before == after
    assert isinstance(loaded.offsets, np.memmap)
    assert loaded.bad[0].message == saved.bad[0].message


@pytest.mark.parametrize(
    "name", ["offsets.npy", "lengths.npy", "blank.npy", "prior.npy", "overwritten.npy", "index.json"]
)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_a_damaged_index_is_refused(index, tmp_path, name, damage):
    index(b'{"source":"a"}\n\n{"source":"a","mood":1}\n').save(tmp_path / "index")
    path = tmp_path / "index" / name
    data = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    with pytest.raises(JobCorruptError, match="index the manifest again"):
        ManifestIndex.load(tmp_path / "index")


@pytest.mark.parametrize("array", ["lengths", "prior", "offsets"])
def test_files_of_different_indexes_do_not_go_together(index, tmp_path, array):
    index(b'{"source":"a"}\n{"source":"b","mood":1}\n').save(tmp_path / "index")
    wrong = {"lengths": [14], "prior": [7], "offsets": [0, 99]}[array]
    dtype = np.load(tmp_path / "index" / f"{array}.npy").dtype
    np.save(tmp_path / "index" / f"{array}.npy", np.array(wrong, dtype))
    with pytest.raises(JobCorruptError, match="do not belong together"):
        ManifestIndex.load(tmp_path / "index")

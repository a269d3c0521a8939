from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from autolabel.api.kinds import TaskKind
from autolabel.errors import StorageError
from autolabel.manifest.lines import Manifest
from autolabel.manifest.reader import survey_manifest

DATA = b'\xef\xbb\xbf{"source": "a \\u00e9", "n": 123456789012345678901}\r\n\n{oops\n {"source":"c"} \n'


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def manifest(path):
    with Manifest(path, survey_manifest(path, kind=TaskKind.TEXT_CLASSIFICATION, attribute="mood")) as manifest:
        yield manifest


def test_lines_come_without_mark_and_line_ending(manifest):
    lines = [b'{"source": "a \\u00e9", "n": 123456789012345678901}', b"{oops", b' {"source":"c"} ']
    assert [manifest.line(number) for number in range(len(manifest))] == lines
    assert list(manifest.lines()) == lines


def test_the_source_of_a_bad_line_is_empty(manifest):
    assert [manifest.source(number) for number in range(3)] == ["a é", "", "c"]
    assert [manifest.is_bad(number) for number in range(3)] == [False, True, False]


def test_a_record_keeps_its_numbers(manifest):
    assert manifest.record(0) == {"source": "a é", "n": 123456789012345678901}


def test_a_reference_is_the_source_of_an_image(tmp_path):
    path = tmp_path / "images.jsonl"
    path.write_bytes(b'{"a":{"source-ref":"no"},"source-ref":"s3://b/1.jpg"}\n')
    index = survey_manifest(path, kind=TaskKind.IMAGE_CLASSIFICATION, attribute="mood")
    with Manifest(path, index) as manifest:
        assert manifest.source(0) == "s3://b/1.jpg"


def test_many_threads_may_read_at_once(tmp_path):
    path = tmp_path / "many.jsonl"
    path.write_bytes(b"".join(b'{"source":"text %d"}\n' % number for number in range(20_000)))
    index = survey_manifest(path, kind=TaskKind.TEXT_CLASSIFICATION, attribute="mood")
    with Manifest(path, index) as manifest, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(manifest.source, range(20_000), chunksize=100)) == [f"text {n}" for n in range(20_000)]


def test_a_file_of_another_length_is_refused(path, manifest):
    path.write_bytes(DATA + b"x")
    with pytest.raises(StorageError, match=f"found {len(DATA) + 1} bytes, its index expects {len(DATA)}"):
        Manifest(path, manifest.index)


@pytest.mark.parametrize("content", [None, b""])
def test_a_file_that_is_gone_is_refused(path, manifest, content):
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StorageError, match="cannot be read"):
        Manifest(path, manifest.index)


def test_a_closed_manifest_gives_nothing(path, manifest):
    other = Manifest(path, manifest.index)
    other.close()
    with pytest.raises(ValueError, match="closed"):
        other.line(0)

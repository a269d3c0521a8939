"""One contract for every store: local files, moto's S3 server and rclone's."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from autolabel.errors import ObjectNotFoundError, StorageError
from autolabel.storage import Storage
from autolabel.storage.uri import join


@dataclass
class Place:
    storage: Storage
    base: str
    """An empty folder."""

    def at(self, *parts: str) -> str:
        return join(self.base, *parts)


@pytest.fixture(scope="module", params=["local", "moto", "rclone"])
def store(request):
    """A storage and a way to make new folders in it."""
    if request.param == "local":
        return Storage(), lambda: str(request.getfixturevalue("tmp_path_factory").mktemp("local") / "folder")
    server = request.getfixturevalue(request.param)
    return Storage(server.options()), lambda: f"s3://{server.bucket()}/some/folder"


@pytest.fixture
def place(store):
    storage, new_folder = store
    return Place(storage, new_folder())


@pytest.mark.parametrize("data", [b"", b"\x00\xff\r\n", bytes(range(256)) * 8000], ids=["empty", "small", "2MB"])
def test_what_was_written_is_read(place, data):
    uri = place.at("a", "b.bin")
    place.storage.write(uri, data)
    assert place.storage.read(uri) == data
    assert place.storage.stat(uri).size == len(data)


def test_a_file_is_written_like_its_bytes(place, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"of a file")
    place.storage.write(place.at("x"), source)
    assert place.storage.read(place.at("x")) == b"of a file"


def test_a_second_write_replaces_the_first(place):
    uri = place.at("x")
    place.storage.write(uri, b"a long first version")
    before = place.storage.stat(uri)
    place.storage.write(uri, b"second")
    assert place.storage.read(uri) == b"second"
    assert place.storage.stat(uri).etag != before.etag


def test_lines_stream(place):
    lines = [f"line {i}\n".encode() for i in range(200_000)]
    place.storage.write(place.at("manifest"), b"".join(lines))
    with place.storage.open(place.at("manifest")) as file:
        assert file.readline() == lines[0]
        assert list(file) == lines[1:]


def test_a_stream_can_be_left_early(place):
    place.storage.write(place.at("x"), b"z" * 3_000_000)
    with place.storage.open(place.at("x")) as file:
        assert file.read(10) == b"z" * 10
    assert file.closed


@pytest.mark.parametrize("name", ["plain", "a b", "ü/é 日本.png", "50%.png", "a%20b", "x#y?z&+=;,@'()!$", "~x"])
def test_names_are_taken_literally(place, name):
    place.storage.write(place.at(name), name.encode())
    assert place.storage.read(place.at(name)) == name.encode()
    assert list(place.storage.list(place.base)) == [place.at(name)]


def test_list_goes_through_one_folder_in_byte_order(place):
    names = ["a", "a-b", "a.d/x", "a/b", "a/c/d", "a0", "b", "Z", "é"]
    for name in (*names, "../folder2/x", "../folder.txt"):
        uri = place.at(name) if not name.startswith("../") else place.base.removesuffix("folder") + name[3:]
        if name != "a":
            place.storage.write(uri, b"")
    listed = list(place.storage.list(place.base))
    expected = sorted((place.at(name) for name in names if name != "a"), key=str.encode)
    assert listed == expected
    assert list(place.storage.list(place.base + "/")) == expected
    assert list(place.storage.list(place.at("a"))) == [place.at("a/b"), place.at("a/c/d")]


def test_a_list_of_many_pages_is_whole(moto, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    place = Place(Storage(moto.options()), f"s3://{moto.bucket()}/folder")
    names = [f"{i:02}" for i in range(10)]
    for name in names:
        place.storage.write(place.at(name), b"")
    assert list(place.storage.list(place.base)) == [place.at(name) for name in names]


def test_nothing_is_below_a_folder_that_is_not_there(place):
    assert list(place.storage.list(place.at("nowhere"))) == []


def test_what_is_not_there_is_named(place):
    uri = place.at("missing")
    for verb in (place.storage.read, place.storage.stat, lambda uri: place.storage.open(uri).__enter__()):
        with pytest.raises(ObjectNotFoundError) as caught:
            verb(uri)
        assert caught.value.uri == uri
        assert isinstance(caught.value, FileNotFoundError)


def test_deleted_is_gone_and_can_be_deleted_again(place):
    place.storage.write(place.at("x"), b"1")
    place.storage.delete(place.at("x"))
    place.storage.delete(place.at("x"))
    with pytest.raises(ObjectNotFoundError):
        place.storage.read(place.at("x"))
    assert list(place.storage.list(place.base)) == []


def test_the_date_is_now_in_utc(place):
    place.storage.write(place.at("x"), b"1")
    modified = place.storage.stat(place.at("x")).modified
    assert modified.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - modified) < timedelta(minutes=1)


def test_a_folder_is_no_file(place):
    place.storage.write(place.at("folder/x"), b"1")
    with pytest.raises(StorageError):
        place.storage.read(place.at("folder"))


def test_a_missing_source_file_is_named(place, tmp_path):
    with pytest.raises(StorageError, match="nothing-here"):
        place.storage.write(place.at("x"), tmp_path / "nothing-here")
    assert list(place.storage.list(place.base)) == []


def test_20_megabytes_go_up_in_parts(place, tmp_path):
    data = bytes(range(251)) * 80_000
    source = tmp_path / "large"
    source.write_bytes(data)
    place.storage.write(place.at("from-file"), source)
    place.storage.write(place.at("from-bytes"), data)
    for name in ("from-file", "from-bytes"):
        assert place.storage.read(place.at(name)) == data
        copy = io.BytesIO()
        with place.storage.open(place.at(name)) as file:
            while piece := file.read(3_000_001):
                copy.write(piece)
        assert copy.getvalue() == data

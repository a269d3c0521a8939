"""Objects in local files: what a manifest that nobody trusts can reach, and what it cannot."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from autolabel.errors import ObjectError, StorageError
from autolabel.storage import StorageOptions, object_reader
from autolabel.storage.objects_local import LocalObjectReader

INVALID = "INVALID_SOURCE_REF_FORMAT"


@pytest.fixture
def home(tmp_path):
    """A data set in ``root``, a second folder ``more``, and what nobody may see: ``secret``."""
    for folder in ("root/images", "root-2", "more", "secret"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "root/images/a.png").write_bytes(b"a")
    (tmp_path / "root/images/12:30.png").write_bytes(b"time")
    (tmp_path / "root/empty").write_bytes(b"")
    (tmp_path / "root-2/x").write_bytes(b"secret")
    (tmp_path / "more/m.png").write_bytes(b"m")
    (tmp_path / "secret/key").write_bytes(b"secret")
    (tmp_path / "root/link-in").symlink_to("images/a.png")
    (tmp_path / "root/link-more").symlink_to(tmp_path / "more")
    (tmp_path / "root/link-out").symlink_to(tmp_path / "secret/key")
    (tmp_path / "root/folder-out").symlink_to(tmp_path / "secret")
    (tmp_path / "root/loop").symlink_to("loop")
    (tmp_path / "root/dangling").symlink_to("nothing")
    (tmp_path / "root/zero").symlink_to("/dev/zero")
    os.link(tmp_path / "root/images/a.png", tmp_path / "root/hard")
    os.mkfifo(tmp_path / "root/fifo")
    return tmp_path


@pytest.fixture
def reader(home):
    return LocalObjectReader(home / "root", [home / "more"], max_bytes=1000)


@pytest.mark.parametrize(
    ("ref", "data"),
    [
        ("images/a.png", b"a"),
        ("./images//a.png", b"a"),
        ("images/../images/a.png", b"a"),
        ("images/12:30.png", b"time"),
        ("../more/m.png", b"m"),
        ("{home}/root/images/a.png", b"a"),
        ("{home}/more/m.png", b"m"),
        ("link-in", b"a"),
        ("link-more/m.png", b"m"),
        ("hard", b"a"),
        ("empty", b""),
    ],
)
def test_files_below_the_folders_are_read(reader, home, ref, data):
    assert reader.get(ref.format(home=home)) == data


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("", INVALID),
        ("/etc/passwd", INVALID),
        ("//etc/passwd", INVALID),
        ("../../../../../../../etc/passwd", INVALID),
        ("../secret/key", INVALID),
        ("../root-2/x", INVALID),
        ("{home}/secret/key", INVALID),
        ("{home}/root/../secret/key", INVALID),
        ("{home}/secret/not-there", INVALID),
        ("..%2fsecret%2Fkey", INVALID),
        ("%2e%2E/secret/key", INVALID),
        ("..%5csecret", INVALID),
        ("..\\secret\\key", INVALID),
        ("images\\a.png", INVALID),
        ("~/key", INVALID),
        ("~root/key", INVALID),
        ("images/a.png\0.jpg", INVALID),
        ("\ud800", INVALID),
        ("x" * 100_000, INVALID),
        ("file:///etc/passwd", INVALID),
        ("file:images/a.png", INVALID),
        ("http://127.0.0.1/a.png", INVALID),
        ("ftp://host/a.png", INVALID),
        ("gopher://host/a.png", INVALID),
        ("data:text/plain,x", INVALID),
        ("S3://bucket/key", INVALID),
        ("C:\\a.png", INVALID),
        ("link-out", INVALID),
        ("folder-out/key", INVALID),
        ("zero", INVALID),
        ("/dev/zero", INVALID),
        ("/proc/self/environ", INVALID),
        (".", INVALID),
        ("images", "OBJECT_UNREADABLE"),
        ("fifo", "OBJECT_UNREADABLE"),
        ("loop", "OBJECT_UNREADABLE"),
        ("missing.png", "OBJECT_NOT_FOUND"),
        ("dangling", "OBJECT_NOT_FOUND"),
        ("images/a.png/b", "OBJECT_NOT_FOUND"),
        ("y" * 300, "OBJECT_NOT_FOUND"),
    ],
)
@pytest.mark.timeout(10)
def test_everything_else_is_an_error_of_this_object(reader, home, ref, code):
    with pytest.raises(ObjectError) as caught:
        reader.get(ref.format(home=home))
    assert caught.value.code == code
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


def test_a_device_below_a_folder_is_not_read():
    with pytest.raises(ObjectError) as caught:
        LocalObjectReader("/dev").get("zero")
    assert caught.value.code == "OBJECT_UNREADABLE"


def test_a_large_file_is_refused_before_it_is_read(reader, home):
    with (home / "root/large").open("wb") as file:
        file.truncate(1 << 40)
    (home / "root/fits").write_bytes(b"x" * 1000)
    with pytest.raises(ObjectError, match="1099511627776 bytes; at most 1000") as caught:
        reader.get("large")
    assert caught.value.code == "OBJECT_TOO_LARGE"
    assert len(reader.get("fits")) == 1000


def test_a_file_without_permission_is_an_error_of_this_object(reader, monkeypatch):
    def deny(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(ObjectError) as caught:
        reader.get("images/a.png")
    assert caught.value.code == "OBJECT_ACCESS_DENIED"


def test_no_descriptors_left_is_nobody_s_object(reader, monkeypatch):
    def exhausted(*args, **kwargs):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "open", exhausted)
    with pytest.raises(StorageError, match="Too many open files"):
        reader.get("images/a.png")


def test_no_descriptor_is_left_open(reader, home):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for ref in ("images/a.png", "images", "fifo", "missing.png", "link-out") * 20:
        try:
            reader.get(ref)
        except ObjectError:
            continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_many_threads_may_read(reader):
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(reader.get, ["images/a.png"] * 200)) == {b"a"}


def test_the_file_system_s_root_can_be_a_root(home):
    assert LocalObjectReader("/").get(str(home / "more/m.png").removeprefix("/")) == b"m"


@pytest.mark.parametrize(
    "ref",
    [
        "http://127.0.0.1:{port}/a.png",
        "http://localhost:{port}/a.png",
        "http://localhost.:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "https://user:password@127.0.0.1:{port}/",
        "ftp://127.0.0.1:{port}/",
        "gopher://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/a.png",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_a_web_address_is_refused_without_a_connection(home, ref):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.setblocking(False)
        with pytest.raises(ObjectError) as caught:
            object_reader(StorageOptions(), root=home / "root").get(ref.format(port=listener.getsockname()[1]))
        assert caught.value.code == INVALID
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_without_a_root_no_path_is_read(home):
    with pytest.raises(ObjectError, match="plain path") as caught:
        object_reader(StorageOptions()).get(str(home / "root/images/a.png"))
    assert caught.value.code == INVALID


def test_a_router_reads_local_files_without_any_s3(home):
    assert object_reader(StorageOptions(), root=home / "root", extra_roots=[home / "more"]).get("link-more/m.png")

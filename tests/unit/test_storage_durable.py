"""Atomic writes: old or new after a failure at any moment, and nothing left behind for long."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from autolabel.errors import StorageError
from autolabel.storage import durable
from autolabel.storage.durable import failpoint, failpoints, make_folder, sweep, write_atomically

OLD, NEW = b"old content", b"new content" * 1000


class Killed(BaseException):
    """Stands for the end of the process."""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, text=True, capture_output=True, check=False
    )


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("data", [NEW, b"", [NEW, b"", NEW]])
def test_the_file_has_the_new_content_and_nothing_else_is_left(tmp_path, sync, data):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    write_atomically(path, data, sync=sync)
    assert path.read_bytes() == (data if isinstance(data, bytes) else b"".join(data))
    assert names(tmp_path) == {"file"}


def test_a_new_file_has_the_usual_mode(tmp_path):
    write_atomically(tmp_path / "ours", NEW)
    (tmp_path / "usual").write_bytes(NEW)
    assert stat.filemode((tmp_path / "ours").stat().st_mode) == stat.filemode((tmp_path / "usual").stat().st_mode)


def test_a_name_of_full_length_can_be_written(tmp_path):
    write_atomically(tmp_path / ("x" * 255), NEW)
    assert names(tmp_path) == {"x" * 255}


def test_bytes_reach_the_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(descriptor):
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def watched_replace(self, target):
        steps.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    with failpoints(steps.append):
        write_atomically(tmp_path / "file", NEW)
        assert steps == ["sync file", "rename", "replace", "sync folder", "renamed"]
        steps.clear()
        write_atomically(tmp_path / "file", NEW, sync=False)
        assert steps == ["replace"]


@pytest.mark.parametrize("moment", ["rename", "renamed", "data"])
def test_killed_at_any_moment_the_file_is_old_or_new(tmp_path, moment):
    path = tmp_path / "file"
    path.write_bytes(OLD)

    def kill(name):
        if name == moment:
            raise Killed

    def pieces():
        yield NEW[:100]
        kill("data")
        yield NEW[100:]

    with failpoints(kill), pytest.raises(Killed):
        write_atomically(path, pieces())
    assert path.read_bytes() == (NEW if moment == "renamed" else OLD)
    assert names(tmp_path) == {"file"}


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_an_error_of_the_disk_is_a_storage_error_and_the_old_file_stays(tmp_path, monkeypatch, failing, code):
    path = tmp_path / "file"
    path.write_bytes(OLD)

    def fail(*args):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(*((os, "fsync", fail) if failing == "fsync" else (Path, "replace", fail)))
    with pytest.raises(StorageError, match=os.strerror(code)) as caught:
        write_atomically(path, NEW)
    assert caught.value.uri == str(path)
    assert path.read_bytes() == OLD
    assert names(tmp_path) == {"file"}


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    try:
        with pytest.raises(StorageError, match="cannot be written: File too large"):
            write_atomically(path, [b"x" * 4096] * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == OLD
    assert names(tmp_path) == {"file"}


def test_a_folder_that_cannot_be_synced_for_want_of_support_is_passed_over(tmp_path, monkeypatch):
    fsync = os.fsync

    def only_files(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    write_atomically(tmp_path / "file", NEW)
    assert (tmp_path / "file").read_bytes() == NEW


@pytest.mark.parametrize("path", ["missing/file", "folder", "file/below"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(StorageError, match="cannot be written"):
        write_atomically(tmp_path / path, NEW)
    assert names(tmp_path) == {"folder", "file"}


def test_make_folder_makes_parents_and_accepts_what_is_there(tmp_path):
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(StorageError, match="cannot be created"):
        make_folder(tmp_path / "file" / "a")
    with pytest.raises(StorageError, match="cannot be created"):
        make_folder(tmp_path / "file")


WRITE_TWICE = """
from autolabel.storage.durable import write_atomically
write_atomically({path!r}, b"first")
write_atomically({path!r}, b"second")
"""


@pytest.mark.parametrize(
    ("call", "content", "status"),
    [(1, None, 137), (2, b"first", 137), (3, b"first", 137), (4, b"second", 137), (5, b"second", 0), (0, b"second", 0)],
)
def test_the_environment_kills_the_process_at_the_kth_failpoint(tmp_path, call, content, status):
    path = tmp_path / "file"
    process = run(WRITE_TWICE.format(path=str(path)), AUTOLABEL_FAILPOINT=str(call))
    assert (process.returncode, process.stderr) == (status, "")
    assert (path.read_bytes() if path.exists() else None) == content
    leftovers = names(tmp_path) - {"file"}
    assert len(leftovers) == (call in (1, 3))
    assert sweep(tmp_path) == len(leftovers)
    assert names(tmp_path) <= {"file"}


def test_a_failpoint_that_is_no_number_is_said(tmp_path):
    process = run("from autolabel.storage.durable import failpoint; failpoint('x')", AUTOLABEL_FAILPOINT="rename:1")
    assert "SettingsError: AUTOLABEL_FAILPOINT is 'rename:1'; expected the number of a call" in process.stderr


def test_failpoints_nest_and_end():
    outer, inner = [], []
    with failpoints(outer.append):
        failpoint("a")
        with failpoints(inner.append):
            failpoint("b")
        failpoint("c")
    failpoint("d")
    assert (outer, inner) == (["a", "c"], ["b"])


def test_sweep_leaves_the_living_and_strangers_alone(tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    token = durable._process_token()
    dead = run("import os; print(os.getpid())").stdout.strip()
    kept = [f".{os.getpid()}-{token}-3.autolabel-tmp", ".1-0123abcd-0.autolabel-tmp", ".autolabel-tmp", "file"]
    gone = [f".{dead}-0123abcd-0.autolabel-tmp", f".{os.getpid()}-0123abcd-7.autolabel-tmp"]
    for name in kept + gone:
        (deep / name).write_bytes(b"")
    assert sweep(tmp_path) == len(gone)
    assert names(deep) == set(kept)


def test_sweep_does_not_disturb_a_write_under_way(tmp_path):
    path = tmp_path / "file"

    def pieces():
        yield NEW
        assert len(names(tmp_path)) == 1
        assert sweep(tmp_path) == 0

    write_atomically(path, pieces())
    assert path.read_bytes() == NEW

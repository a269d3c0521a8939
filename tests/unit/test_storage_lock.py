"""One holder a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from autolabel.errors import JobLockedError, StorageError
from autolabel.storage.lock import FolderLock

HOLD = """
import sys
from autolabel.storage.lock import FolderLock
with FolderLock(sys.argv[1]):
    print("in", flush=True)
    sys.stdin.read()
"""

FORK = """
import os, sys
from autolabel.storage.lock import FolderLock
with FolderLock(sys.argv[1]):
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
print("out", flush=True)
os.wait()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that is in `tmp_path`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "in\n"
        yield process
        process.kill()


def test_a_folder_can_be_entered_again_and_again(tmp_path):
    lock = FolderLock(tmp_path)
    for _ in range(2):
        with lock:
            pass
    with FolderLock(tmp_path):
        pass


def test_another_process_is_refused_and_told_who_is_in(tmp_path, other):
    with pytest.raises(JobLockedError, match=f"open in process {other.pid};") as caught, FolderLock(tmp_path):
        pass
    assert isinstance(caught.value, BlockingIOError)


def test_the_lock_of_a_killed_process_is_free(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    with FolderLock(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_two_locks_of_one_process_exclude_each_other(tmp_path):
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    with first:
        with pytest.raises(JobLockedError, match=f"process {os.getpid()};"), second:
            pass
        with pytest.raises(JobLockedError), first:
            pass
    with second:
        pass


def test_a_forked_child_that_lives_on_holds_nothing_back(tmp_path):
    command = [sys.executable, "-c", FORK, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "out\n"
        with FolderLock(tmp_path):
            pass
        process.stdin.close()


def test_a_stranger_s_lock_file_names_nobody(tmp_path, other):
    (tmp_path / ".lock").write_text("")
    with pytest.raises(JobLockedError, match="process unknown"), FolderLock(tmp_path):
        pass


def test_a_missing_folder_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="No such file"), FolderLock(tmp_path / "missing"):
        pass


def test_a_lock_file_that_is_a_link_is_refused(tmp_path):
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="cannot be opened"), FolderLock(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()

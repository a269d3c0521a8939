"""Durable operations on local files, and the points at which tests kill them.

Atomic write: temporary file in the same folder, fsync, rename, fsync of the folder. An fsync that fails is
never repeated: after it the kernel may have dropped the pages, so the write fails (PostgreSQL's lesson).
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
import re
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from autolabel.errors import SettingsError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FAILPOINT = "AUTOLABEL_FAILPOINT"
"""Environment variable: the number of the failpoint call, from 1, at which the process dies."""

TEMPORARY_SUFFIX = ".autolabel-tmp"

_TEMPORARY = re.compile(r"\.([1-9]\d{0,8})-([0-9a-f]{8})-\d+" + re.escape(TEMPORARY_SUFFIX))


def write_atomically(path: str | Path, data: bytes | Iterable[bytes], *, sync: bool = True) -> None:
    """Write a file so that it has its old content or all of the new, whatever happens meanwhile.

    Parameters
    ----------
    path
        In a folder that exists.
    data
        The content, whole or in pieces.
    sync
        ``False`` skips both fsyncs and the failpoints: for files that can be derived again.

    Raises
    ------
    StorageError
        Disk full, I/O error, no permission. The temporary file is removed.
    """
    path = Path(path)
    try:
        with _temporary_beside(path) as temporary:
            _fill(temporary, (data,) if isinstance(data, bytes) else data, sync=sync)
            if sync:
                failpoint("rename")
            temporary.replace(path)
        if sync:
            sync_folder(path.parent)
            failpoint("renamed")
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(str(path), f"cannot be written: {error.strerror}") from error


def make_folder(folder: str | Path) -> None:
    """Create a folder and its parents durably; one that exists is left as it is.

    Raises
    ------
    StorageError
        Something else has that name, or the parent is not writable.
    """
    folder = Path(folder)
    if folder.is_dir():
        return
    try:
        missing = [folder, *itertools.takewhile(lambda parent: not parent.exists(), folder.parents)]
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
            sync_folder(each.parent)
    except OSError as error:
        raise StorageError(str(folder), f"cannot be created: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Make renames and new names in `folder` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder and say so; PostgreSQL passes over the same two.
        if error.errno not in (errno.EINVAL, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def is_temporary(name: str) -> bool:
    """Tell whether a file name is that of a write under way, or of one whose process died."""
    return name.endswith(TEMPORARY_SUFFIX)


def sweep(folder: str | Path) -> int:
    """Remove temporary files of dead processes anywhere below `folder`; return how many.

    Call it where no other machine writes: only this machine's processes can be seen.
    """
    removed = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            if is_temporary(name) and _is_abandoned(name):
                (Path(parent) / name).unlink(missing_ok=True)
                removed += 1
    return removed


def failpoint(name: str) -> None:
    """Mark a moment immediately before or after a durable operation.

    With ``AUTOLABEL_FAILPOINT=K`` the K-th call of the process ends it as a power cut would, with status 137.
    """
    if _switch.callback is not None:
        _switch.callback(name)
    if _fatal_call() and next(_switch.calls) == _fatal_call():
        os._exit(137)


@contextmanager
def failpoints(callback: Callable[[str], None]) -> Iterator[None]:
    """Call `callback` with the name of every failpoint in this process; it may count, or raise."""
    before, _switch.callback = _switch.callback, callback
    try:
        yield
    finally:
        _switch.callback = before


class _Switch:
    """What `failpoint` consults; one a process, because a kill is one a process."""

    def __init__(self) -> None:
        self.callback: Callable[[str], None] | None = None
        self.calls = itertools.count(1)


_switch = _Switch()


@functools.cache
def _fatal_call() -> int:
    text = os.environ.get(FAILPOINT, "")
    if text and not (text.isascii() and text.isdigit()):
        raise SettingsError(f"{FAILPOINT} is {text!r}; expected the number of a call")
    return int(text or 0)


@contextmanager
def _temporary_beside(path: Path) -> Iterator[Path]:
    """Reserve a name in the same folder; what is left under it at an error is removed."""
    token, number = _process_token(), next(_numbers)
    temporary = path.with_name(f".{os.getpid()}-{token}-{number}{TEMPORARY_SUFFIX}")
    try:
        yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _fill(temporary: Path, pieces: Iterable[bytes], *, sync: bool) -> None:
    with temporary.open("xb") as file:
        for piece in pieces:
            file.write(piece)
        if sync:
            file.flush()
            os.fsync(file.fileno())


_numbers = itertools.count()


@functools.cache
def _process_token() -> str:
    """Tell this process from a dead one of the same pid, as every process 1 of a container is."""
    return secrets.token_hex(4)


def _is_abandoned(name: str) -> bool:
    match = _TEMPORARY.fullmatch(name)
    if match is None:
        return False
    pid = int(match[1])
    if pid == os.getpid():
        return match[2] != _process_token()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False

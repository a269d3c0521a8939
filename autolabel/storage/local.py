"""Bytes in local files."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from autolabel.errors import ObjectNotFoundError, StorageError
from autolabel.storage.base import Stat
from autolabel.storage.durable import failpoint, is_temporary, make_folder, write_atomically
from autolabel.storage.uri import plain_path

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20


def open_regular(path: str, *, follow_links: bool) -> BinaryIO:
    """Open a regular file for reading; anything else is an `OSError`, at once: a FIFO cannot hang it."""
    links = 0 if follow_links else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | links)
    try:
        _require_regular(os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def open_source(path: Path) -> BinaryIO:
    """Open a file whose content is to be stored; `StorageError` names it when it cannot be."""
    try:
        return open_regular(str(path), follow_links=True)
    except OSError as error:
        raise _storage_error(str(path), error) from error


class LocalStore:
    """The `Store` of plain paths. Links are followed; only regular files are read."""

    def read(self, uri: str) -> bytes:
        """Return all bytes."""
        with self.open(uri) as file:
            try:
                return file.read()
            except OSError as error:
                raise _storage_error(uri, error) from error

    @contextmanager
    def open(self, uri: str) -> Iterator[BinaryIO]:
        """Open for streaming."""
        try:
            file = open_regular(plain_path(uri), follow_links=True)
        except OSError as error:
            raise _storage_error(uri, error) from error
        with file:
            yield file

    def write(self, uri: str, data: bytes | Path) -> None:
        """Store bytes or a file's content durably, creating the folders above it."""
        path = Path(plain_path(uri))
        if isinstance(data, Path):
            with open_source(data) as source:
                make_folder(path.parent)
                write_atomically(path, iter(partial(source.read, _CHUNK), b""))
        else:
            make_folder(path.parent)
            write_atomically(path, data)

    def list(self, prefix: str) -> Iterator[str]:
        """Yield every file below a folder in S3's order; links to folders are not entered."""
        return _walk(plain_path(prefix))

    def stat(self, uri: str) -> Stat:
        """Return size, date, and an ETag made of both and the inode."""
        try:
            found = Path(plain_path(uri)).stat()
            _require_regular(found)
        except OSError as error:
            raise _storage_error(uri, error) from error
        etag = f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"
        return Stat(found.st_size, etag, datetime.fromtimestamp(found.st_mtime, UTC))

    def delete(self, uri: str) -> None:
        """Remove a file."""
        path = Path(plain_path(uri))
        failpoint("delete")
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise _storage_error(uri, error) from error
        failpoint("deleted")


def _require_regular(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")


def _storage_error(uri: str, error: OSError) -> StorageError:
    if isinstance(error, StorageError):
        return error
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ObjectNotFoundError(uri, "no such file")
    return StorageError(uri, error.strerror or str(error))


def _walk(folder: str) -> Iterator[str]:
    """Depth first; a folder sorts as its name with a slash, as it does inside S3 keys."""
    try:
        with os.scandir(folder) as entries:
            found = [(os.fsencode(entry.name) + b"/" * entry.is_dir(follow_symlinks=False), entry) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _storage_error(folder, error) from error
    for key, entry in sorted(found, key=lambda pair: pair[0]):
        if key.endswith(b"/"):
            yield from _walk(entry.path)
        elif entry.is_file() and not is_temporary(entry.name):
            yield entry.path

"""Objects in local files below given folders."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from autolabel.errors import StorageError
from autolabel.storage.local import open_regular
from autolabel.storage.object_ref import MAX_OBJECT_BYTES, Problem, local_ref, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autolabel.errors import ObjectError

_OUR_FAULT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_DENIED = (errno.EACCES, errno.EPERM)


class LocalObjectReader:
    """An `ObjectReader` of files; thread-safe.

    Where a reference leads is decided after all links are resolved: it must be a regular file below one of
    the folders. A hard link cannot be told from the file itself, and is one.

    Parameters
    ----------
    root
        Relative references start here.
    extra_roots
        Other folders that references may lead into.
    max_bytes
        Larger objects are refused before they are read.
    """

    def __init__(
        self,
        root: str | Path,
        extra_roots: Iterable[str | Path] = (),
        *,
        max_bytes: int = MAX_OBJECT_BYTES,
    ) -> None:
        self._root = os.path.realpath(root)
        folders = (self._root, *map(os.path.realpath, extra_roots))
        self._inside = tuple(folder.rstrip("/") + "/" for folder in folders)
        self._max_bytes = max_bytes

    def get(self, ref: str) -> bytes:
        """Return a file's bytes.

        Raises
        ------
        ObjectError
            With one of the codes of `Problem`.
        StorageError
            This process has no file descriptors or memory left.
        """
        path = local_ref(ref)
        path = os.path.realpath(path if path.startswith("/") else f"{self._root}/{path}")
        if not path.startswith(self._inside):
            raise refuse(Problem.INVALID_REF, ref, "leads out of the folders that objects may come from")
        try:
            with open_regular(path, follow_links=False) as file:
                size = os.fstat(file.fileno()).st_size
                if size > self._max_bytes:
                    raise refuse(Problem.TOO_LARGE, ref, f"has {size} bytes; at most {self._max_bytes} are read")
                return file.read(size)
        except OSError as error:
            raise _judge(ref, error) from error


def _judge(ref: str, error: OSError) -> ObjectError | StorageError:
    if error.errno in _OUR_FAULT:
        return StorageError(ref, f"cannot be opened: {error.strerror}")
    if error.errno in _ABSENT:
        return refuse(Problem.NOT_FOUND, ref, "does not exist")
    if error.errno in _DENIED:
        return refuse(Problem.ACCESS_DENIED, ref, "may not be read by this user")
    return refuse(Problem.UNREADABLE, ref, f"cannot be read: {error.strerror}")

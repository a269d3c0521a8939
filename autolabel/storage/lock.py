"""One process a folder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from autolabel.errors import JobLockedError, StorageError

if TYPE_CHECKING:
    from types import TracebackType

LOCK_NAME = ".lock"


class FolderLock:
    """A context manager that lets one holder at a time into a folder.

    The kernel holds the lock (``flock``), so a dead process holds none; the file stays behind, with the pid
    of the last holder in it.

    Parameters
    ----------
    folder
        A folder that exists, on a file system that supports ``flock``.
    patience
        Seconds to wait for somebody who is in.

    Raises
    ------
    JobLockedError
        On entering, when somebody else is in and stays; the message names the process.
    StorageError
        On entering, when the folder is missing or cannot be locked.
    """

    def __init__(self, folder: str | Path, *, patience: float = 0.0) -> None:
        self.folder = Path(folder)
        self._patience = patience
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        path = self.folder / LOCK_NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise StorageError(str(path), f"cannot be opened: {error.strerror}") from error
        try:
            self._wait_for(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise JobLockedError(
                f"{self.folder} is open in process {holder or 'unknown'}; wait until it ends, or end it"
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise StorageError(str(path), f"cannot be locked: {error.strerror}") from error
        self._descriptor = descriptor
        return self

    def _wait_for(self, descriptor: int) -> None:
        until = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.01)
            else:
                return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            # Unlocking says it for forked children too, which share the descriptor and may live on.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = None

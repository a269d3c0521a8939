"""`Storage`: the store that everybody uses."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from autolabel.storage.base import StorageOptions
from autolabel.storage.local import LocalStore
from autolabel.storage.uri import is_s3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import BinaryIO

    from autolabel.storage.base import Stat, Store


class Storage:
    """The `Store` of plain paths and ``s3://`` URIs together; thread-safe.

    S3 is not touched, nor boto3 imported, before the first ``s3://`` URI.
    """

    def __init__(self, options: StorageOptions | None = None) -> None:
        self.options = options or StorageOptions()
        self._lock = threading.Lock()
        self._local = LocalStore()
        self._s3: Store | None = None

    def read(self, uri: str) -> bytes:
        """Return all bytes."""
        return self._store(uri).read(uri)

    def open(self, uri: str) -> AbstractContextManager[BinaryIO]:
        """Open for streaming."""
        return self._store(uri).open(uri)

    def write(self, uri: str, data: bytes | Path) -> None:
        """Store bytes or a file's content: readers see the old version or the new one, never a half."""
        self._store(uri).write(uri, data)

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the URI of everything below the folder `prefix`, in byte order."""
        return self._store(prefix).list(prefix)

    def stat(self, uri: str) -> Stat:
        """Return size, ETag and date."""
        return self._store(uri).stat(uri)

    def delete(self, uri: str) -> None:
        """Remove the bytes; what is not there is removed already."""
        self._store(uri).delete(uri)

    def _store(self, uri: str) -> Store:
        if not is_s3(uri):
            return self._local
        with self._lock:
            if self._s3 is None:
                from autolabel.storage.s3 import S3Store

                self._s3 = S3Store(self.options)
            return self._s3

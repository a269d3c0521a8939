"""Reading the objects of a data set: many, small, and named by a manifest that nobody has to trust."""

from __future__ import annotations

import importlib.util
import threading
from typing import TYPE_CHECKING, Protocol

from autolabel.errors import StorageError
from autolabel.storage.base import Addressing
from autolabel.storage.object_ref import MAX_OBJECT_BYTES, Problem, local_ref, refuse
from autolabel.storage.objects_local import LocalObjectReader
from autolabel.storage.uri import is_s3, join

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autolabel.storage.base import StorageOptions


class ObjectReader(Protocol):
    """Bytes of single objects; thread-safe."""

    def get(self, ref: str) -> bytes:
        """Return an object's bytes.

        Raises
        ------
        ObjectError
            This object cannot be read; the code is one of `Problem`.
        StorageError
            No object could be read: credentials, bucket, network, a server in trouble.
        """
        ...


def object_reader(
    options: StorageOptions,
    *,
    root: str | Path | None = None,
    extra_roots: Iterable[str | Path] = (),
    max_bytes: int = MAX_OBJECT_BYTES,
) -> ObjectReader:
    """Build a reader of ``s3://`` references and of paths below given folders.

    Parameters
    ----------
    options
        How S3 is reached; which buckets may be.
    root
        Where relative references start, a folder or an ``s3://`` prefix; ``None`` refuses plain paths.
    extra_roots
        Other folders that references may lead into.
    max_bytes
        Larger objects are refused before they are read.
    """
    return _Router(options, root, extra_roots, max_bytes)


class _Router:
    """Chooses by the reference; makes the reader of S3 when it is first needed."""

    def __init__(
        self,
        options: StorageOptions,
        root: str | Path | None,
        extra_roots: Iterable[str | Path],
        max_bytes: int,
    ) -> None:
        self._options = options
        self._max_bytes = max_bytes
        self._base = str(root) if root is not None and is_s3(str(root)) else None
        self._local: ObjectReader | None = None
        if root is not None and self._base is None:
            self._local = LocalObjectReader(root, extra_roots, max_bytes=max_bytes)
        self._lock = threading.Lock()
        self._s3: ObjectReader | None = None

    def get(self, ref: str) -> bytes:
        """Return an object's bytes."""
        if is_s3(ref):
            return self._remote().get(ref)
        if self._local is not None:
            return self._local.get(ref)
        below = self._below_base(local_ref(ref))
        return self._remote().get(below)

    def _below_base(self, path: str) -> str:
        if self._base is None:
            raise refuse(Problem.INVALID_REF, path, "is a plain path; expected s3://bucket/key")
        try:
            return join(self._base, path)
        except StorageError as error:
            raise refuse(Problem.INVALID_REF, path, f"leads out of {self._base}") from error

    def _remote(self) -> ObjectReader:
        with self._lock:
            if self._s3 is None:
                self._s3 = _s3_reader(self._options, self._max_bytes)
            return self._s3


def _s3_reader(options: StorageOptions, max_bytes: int) -> ObjectReader:
    # Where a server other than AWS's wants the bucket in the host name, only boto3 puts it there by itself.
    in_host = options.addressing is Addressing.VIRTUAL and options.endpoint_url is not None
    if in_host or importlib.util.find_spec("obstore") is None:
        from autolabel.storage.objects_s3 import Boto3ObjectReader

        return Boto3ObjectReader(options, max_bytes=max_bytes)
    from autolabel.storage.objects_obstore import ObstoreObjectReader

    return ObstoreObjectReader(options, max_bytes=max_bytes)

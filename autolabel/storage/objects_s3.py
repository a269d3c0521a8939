"""Objects in S3, read with boto3."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from autolabel.storage.object_ref import MAX_OBJECT_BYTES, Problem, refuse, s3_ref
from autolabel.storage.s3_client import S3Client, whole_length
from autolabel.storage.s3_faults import BadAnswerError, S3Failure, Scope

if TYPE_CHECKING:
    from autolabel.errors import ObjectError, StorageError
    from autolabel.storage.base import StorageOptions

_DENIED = frozenset({"AccessDenied", "Forbidden", "403"})


class Boto3ObjectReader:
    """An `ObjectReader` of ``s3://`` references; thread-safe.

    Parameters
    ----------
    options
        How S3 is reached.
    max_bytes
        Larger objects are refused before their body is read.
    """

    def __init__(self, options: StorageOptions, *, max_bytes: int = MAX_OBJECT_BYTES) -> None:
        self.client = S3Client(options)
        self._allowed = options.allowed_buckets
        self._max_bytes = max_bytes

    def get(self, ref: str) -> bytes:
        """Return an object's bytes.

        Raises
        ------
        ObjectError
            With one of the codes of `Problem`.
        StorageError
            No object could be read either: credentials, bucket, network, a server in trouble.
        """
        bucket, key = s3_ref(ref, self._allowed)

        def attempt(client: Any) -> bytes:
            answer = client.get_object(Bucket=bucket, Key=key)
            with closing(answer["Body"]) as body:
                size = whole_length(answer)
                require_size(ref, size, self._max_bytes)
                data: bytes = body.read()
            if len(data) != size:
                raise BadAnswerError(f"{size} bytes were promised and {len(data)} came")
            return data

        try:
            return self.client.call(attempt)
        except S3Failure as failure:
            raise _judge(ref, failure) from failure


def require_size(ref: str, size: int, most: int) -> None:
    """Refuse an object of more than `most` bytes with `ObjectError`."""
    if size > most:
        raise refuse(Problem.TOO_LARGE, ref, f"has {size} bytes; at most {most} are read")


def _judge(ref: str, failure: S3Failure) -> ObjectError | StorageError:
    fault = failure.fault
    if fault.scope is Scope.TRANSPORT:
        return failure.storage_error(ref)
    if fault.scope is Scope.MISSING:
        return refuse(Problem.NOT_FOUND, ref, "does not exist")
    problem = Problem.ACCESS_DENIED if fault.code in _DENIED else Problem.UNREADABLE
    return refuse(problem, ref, f"cannot be read: {failure}")

"""References to objects, as an untrusted manifest writes them in ``source-ref``."""

from __future__ import annotations

import re
from enum import StrEnum

from autolabel.errors import ObjectError, StorageError
from autolabel.storage.uri import S3, scheme, split_s3

MAX_OBJECT_BYTES = 40 << 20
"""Ground Truth's limit of 40 MB for an image, read generously."""
MAX_REF_CHARS = 4096

_ENCODED = re.compile(r"%(2e|2f|5c|00)", re.IGNORECASE)


class Problem(StrEnum):
    """Why one object cannot be read: the codes of the `ObjectError` that readers raise."""

    INVALID_REF = "INVALID_SOURCE_REF_FORMAT"
    BUCKET_NOT_ALLOWED = "BUCKET_NOT_ALLOWED"
    NOT_FOUND = "OBJECT_NOT_FOUND"
    ACCESS_DENIED = "OBJECT_ACCESS_DENIED"
    TOO_LARGE = "OBJECT_TOO_LARGE"
    UNREADABLE = "OBJECT_UNREADABLE"


def refuse(problem: Problem, ref: str, reason: str) -> ObjectError:
    """Build the error about `ref`; control characters are escaped and a long reference is cut."""
    return ObjectError(problem, f"{ref[:200]!r} {reason}")


def local_ref(ref: str) -> str:
    """Check a reference to a local file by its letters alone; where it leads is checked by the reader.

    Raises
    ------
    ObjectError
        A scheme, a backslash, a NUL, a leading ``~``, or a percent-encoded dot, slash or backslash: nothing
        here expands or decodes them, and each is how a reference climbs out elsewhere.
    """
    if found := scheme(ref):
        raise refuse(Problem.INVALID_REF, ref, f"has the scheme {found} expected a path or {S3}")
    _check_letters(ref)
    if "\\" in ref or ref.startswith("~") or _ENCODED.search(ref):
        raise refuse(Problem.INVALID_REF, ref, "has a backslash, a leading `~` or an encoded `.`, `/` or NUL")
    return ref


def s3_ref(ref: str, allowed_buckets: frozenset[str] | None) -> tuple[str, str]:
    """Split a reference to an S3 object into bucket and key.

    Raises
    ------
    ObjectError
        It is none, or the bucket is not one of `allowed_buckets`.
    """
    _check_letters(ref)
    try:
        bucket, key = split_s3(ref)
    except StorageError as error:
        raise refuse(Problem.INVALID_REF, ref, "is not s3://bucket/key without `.` and `..`") from error
    if not key or key.endswith("/"):
        raise refuse(Problem.INVALID_REF, ref, "names a folder; expected s3://bucket/key")
    if allowed_buckets is not None and bucket not in allowed_buckets:
        raise refuse(Problem.BUCKET_NOT_ALLOWED, ref, "is not in one of the allowed buckets")
    return bucket, key


def _check_letters(ref: str) -> None:
    if not ref or len(ref) > MAX_REF_CHARS:
        raise refuse(Problem.INVALID_REF, ref, f"has {len(ref)} characters; expected 1 to {MAX_REF_CHARS}")
    if "\0" in ref or not _is_unicode(ref):
        raise refuse(Problem.INVALID_REF, ref, "has a NUL or half a surrogate pair")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

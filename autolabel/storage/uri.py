"""URIs of bytes: plain paths and ``s3://bucket/key``. Every other scheme is refused.

As in RFC 3986 §4.2 a first segment with a colon is a scheme: write ``./a:b.png`` for a file of that name.
"""

from __future__ import annotations

import posixpath
import re

from autolabel.errors import StorageError

S3 = "s3://"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{2,254}")


def is_s3(uri: str) -> bool:
    """Tell whether `uri` names something in S3."""
    return uri.startswith(S3)


def scheme(uri: str) -> str:
    """Return the scheme with its colon, for example ``s3:``; empty for a plain path."""
    match = _SCHEME.match(uri)
    return match.group() if match else ""


def split_s3(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key; the key of a whole bucket is empty.

    Raises
    ------
    StorageError
        `uri` is no S3 URI, its bucket is no bucket name, or its key has a NUL or a ``.`` or ``..`` segment,
        which clients and servers resolve differently.
    """
    if not is_s3(uri):
        raise StorageError(uri, "expected s3://bucket/key")
    bucket, _, key = uri.removeprefix(S3).partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise StorageError(uri, f"{bucket!r} is not the name of a bucket")
    if "\0" in key or not {".", ".."}.isdisjoint(key.split("/")):
        raise StorageError(uri, "an S3 key here has no NUL and no `.` or `..` segments")
    return bucket, key


def plain_path(uri: str) -> str:
    """Check that `uri` is a plain path and return it.

    Raises
    ------
    StorageError
        It is empty, has a scheme or a NUL, or begins with ``~``, which nothing here expands.
    """
    if found := scheme(uri):
        raise StorageError(uri, f"{found} is not read or written here, only plain paths and {S3}")
    if not uri or "\0" in uri:
        raise StorageError(uri, "a path is not empty and has no NUL")
    if uri.startswith("~"):
        raise StorageError(uri, "`~` is not expanded; write the whole path, or ./~ for a file of that name")
    return uri


def join(base: str, *parts: str) -> str:
    """Join relative `parts` onto a folder; a last part that is empty makes the result end in ``/``.

    Raises
    ------
    StorageError
        `base` is neither a plain path nor S3, or a part is absolute or climbs with ``..``.
    """
    _check(base)
    for part in parts:
        if part.startswith("/") or ".." in part.split("/"):
            raise StorageError(base, f"cannot be joined with {part!r}, which leads out of it")
    return posixpath.join(base, *parts)


def parent(uri: str) -> str:
    """Return the folder of `uri`, without a trailing slash; a bucket is its own parent.

    Raises
    ------
    StorageError
        `uri` is neither a plain path nor S3.
    """
    _check(uri)
    if is_s3(uri):
        bucket, key = split_s3(uri)
        return posixpath.join(S3 + bucket, posixpath.dirname(key.rstrip("/"))).rstrip("/")
    trimmed = uri.rstrip("/")
    return posixpath.dirname(trimmed) or ("." if trimmed else "/")


def _check(uri: str) -> None:
    if is_s3(uri):
        split_s3(uri)
    else:
        plain_path(uri)

"""Bytes in S3 and in servers that speak its protocol."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from autolabel.errors import StorageError
from autolabel.storage.base import Stat
from autolabel.storage.durable import failpoint
from autolabel.storage.s3_client import S3Client, whole_length
from autolabel.storage.s3_download import CHUNK, S3Body
from autolabel.storage.s3_upload import Source, Upload
from autolabel.storage.uri import S3, split_s3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from autolabel.storage.base import StorageOptions


class S3Store:
    """The `Store` of ``s3://`` URIs; thread-safe.

    A write whose process is killed may leave parts of an upload, never an object: give the bucket a lifecycle
    rule for incomplete multipart uploads.
    """

    def __init__(self, options: StorageOptions) -> None:
        self._options = options
        self._client = S3Client(options)

    def read(self, uri: str) -> bytes:
        """Return all bytes."""
        with self.open(uri) as file:
            return file.read()

    @contextmanager
    def open(self, uri: str) -> Iterator[BinaryIO]:
        """Open for streaming; a connection that breaks is taken up where it broke."""
        bucket, key = self._object(uri)
        with io.BufferedReader(S3Body(self._client, uri, bucket, key), CHUNK) as file:
            yield file

    def write(self, uri: str, data: bytes | Path) -> None:
        """Store bytes or a file's content, large ones in parts, encrypted as the options say."""
        bucket, key = self._object(uri)
        with Source.of(data) as source:
            failpoint("put")
            Upload(self._client, uri, bucket, key, self._encryption(), source).run()
            failpoint("stored")

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the URI of every object below a folder, asking for 1,000 at a time."""
        bucket, key = self._bucket(prefix)
        folder = key if not key or key.endswith("/") else key + "/"
        for page in self._pages(prefix, bucket, folder):
            for entry in page.get("Contents", ()):
                # A key that ends in a slash is the marker that consoles make for a folder.
                if not entry["Key"].endswith("/"):
                    yield f"{S3}{bucket}/{entry['Key']}"

    def stat(self, uri: str) -> Stat:
        """Return size, ETag and date."""
        bucket, key = self._object(uri)

        def head(client: Any) -> Stat:
            answer = client.head_object(Bucket=bucket, Key=key)
            return Stat(whole_length(answer), answer["ETag"].strip('"'), answer["LastModified"])

        return self._client.call_for(uri, head)

    def delete(self, uri: str) -> None:
        """Remove an object."""
        bucket, key = self._object(uri)
        failpoint("delete")
        self._client.call_for(uri, lambda client: client.delete_object(Bucket=bucket, Key=key))
        failpoint("deleted")

    def _pages(self, uri: str, bucket: str, folder: str) -> Iterator[dict[str, Any]]:
        request = {"Bucket": bucket, "Prefix": folder}
        seen: set[str] = set()
        while True:
            page = self._client.call_for(uri, lambda client: client.list_objects_v2(**request))
            yield page
            if not page.get("IsTruncated"):
                return
            token = page.get("NextContinuationToken", "")
            if not token or token in seen:
                raise StorageError(uri, f"the server's list goes in circles after {len(seen) + 1} pages")
            seen.add(token)
            request["ContinuationToken"] = token

    def _encryption(self) -> dict[str, str]:
        if self._options.kms_key_id is None:
            return {}
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self._options.kms_key_id}

    def _bucket(self, uri: str) -> tuple[str, str]:
        bucket, key = split_s3(uri)
        allowed = self._options.allowed_buckets
        if allowed is not None and bucket not in allowed:
            raise StorageError(uri, f"bucket {bucket} is not one of the allowed buckets")
        return bucket, key

    def _object(self, uri: str) -> tuple[str, str]:
        bucket, key = self._bucket(uri)
        if not key:
            raise StorageError(uri, "names a bucket; expected s3://bucket/key")
        return bucket, key

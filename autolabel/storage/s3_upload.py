"""Writing an object: in one request, or in parts that become an object all at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autolabel.errors import StorageError
from autolabel.storage.local import open_source
from autolabel.storage.s3_faults import S3Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from autolabel.storage.s3_client import S3Client

PART = 8 << 20
"""Bytes of a part, and of the largest object that goes up whole. S3 allows 5 MiB to 5 GiB."""
MAX_PARTS = 10_000
UPLOADS = 4
"""Parts under way at once; each is held in memory."""


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes of known length that can be read anywhere, by several threads."""

    size: int
    at: Callable[[int, int], bytes]
    """``(offset, size)`` to bytes."""

    @classmethod
    @contextmanager
    def of(cls, data: bytes | Path) -> Iterator[Source]:
        """Wrap bytes, or open a regular file; `StorageError` when that cannot be read."""
        if isinstance(data, bytes):
            yield cls(len(data), lambda offset, size: data[offset : offset + size])
            return
        with open_source(data) as file:
            descriptor = file.fileno()
            yield cls(os.fstat(descriptor).st_size, lambda offset, size: os.pread(descriptor, size, offset))


@dataclass(frozen=True, slots=True)
class Upload:
    """One object to be written."""

    client: S3Client
    uri: str
    bucket: str
    key: str
    encryption: Mapping[str, str]
    source: Source

    def run(self) -> None:
        """Write the object; `StorageError` when that fails, and then the old object is untouched."""
        try:
            if self.source.size <= PART:
                self._whole()
                return
            try:
                self._in_parts()
            except S3Failure as failure:
                # The answer to a completion can get lost; the repeated one then finds no upload. Do it over.
                if failure.fault.code != "NoSuchUpload":
                    raise
                self._in_parts()
        except S3Failure as failure:
            raise failure.storage_error(self.uri) from failure

    def _whole(self) -> None:
        body = self._bytes(0, self.source.size)
        self.client.call(
            lambda client: client.put_object(Bucket=self.bucket, Key=self.key, Body=body, **self.encryption)
        )

    def _in_parts(self) -> None:
        target = {"Bucket": self.bucket, "Key": self.key}
        answer = self.client.call(lambda client: client.create_multipart_upload(**target, **self.encryption))
        target["UploadId"] = answer["UploadId"]
        try:
            parts = self._send_parts(target)
            self.client.call(
                lambda client: client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
            )
        except BaseException:
            with suppress(S3Failure):
                self.client.call(lambda client: client.abort_multipart_upload(**target))
            raise

    def _send_parts(self, target: Mapping[str, str]) -> list[dict[str, Any]]:
        size = max(PART, -(-self.source.size // MAX_PARTS))

        def send(offset: int) -> dict[str, Any]:
            number = offset // size + 1
            body = self._bytes(offset, min(size, self.source.size - offset))
            answer = self.client.call(lambda client: client.upload_part(**target, PartNumber=number, Body=body))
            return {"PartNumber": number, "ETag": answer["ETag"]}

        with ThreadPoolExecutor(UPLOADS, thread_name_prefix="upload") as pool:
            return list(pool.map(send, range(0, self.source.size, size)))

    def _bytes(self, offset: int, size: int) -> bytes:
        body = self.source.at(offset, size)
        if len(body) != size:
            raise StorageError(self.uri, "the file to upload became shorter meanwhile")
        return body

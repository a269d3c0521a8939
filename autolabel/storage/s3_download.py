"""Reading an object as a stream that survives broken connections."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from autolabel.errors import StorageError
from autolabel.storage.s3_client import whole_length
from autolabel.storage.s3_faults import CAUGHT, BadAnswerError

if TYPE_CHECKING:
    from autolabel.storage.s3_client import S3Client

CHUNK = 1 << 20
"""Bytes asked of the connection at once, and lost when it breaks."""


class S3Body(io.RawIOBase):
    """The bytes of one version of one object.

    A connection that breaks, stalls or ends early is replaced by a request for the rest, on condition that
    the ETag is still the same. Each `CHUNK` has its own bounded attempts.

    Raises
    ------
    StorageError
        On reading: the attempts are used up, or the object was replaced meanwhile.
    """

    def __init__(self, client: S3Client, uri: str, bucket: str, key: str) -> None:
        super().__init__()
        self._client = client
        self._uri = uri
        self._target = {"Bucket": bucket, "Key": key}
        self._etag = ""
        self._size = 0
        self._offset = 0
        self._body: Any = None
        client.call_for(uri, self._begin)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, or less at the end of the object."""
        piece = self._client.call_for(self._uri, lambda client: self._piece(client, len(buffer)))
        buffer[: len(piece)] = piece
        self._offset += len(piece)
        return len(piece)

    def readall(self) -> bytes:
        """Return the rest."""
        rest = bytearray()
        while piece := self.read(CHUNK):
            rest += piece
        return bytes(rest)

    def close(self) -> None:
        """Give the connection up."""
        self._drop()
        super().close()

    def _begin(self, client: Any) -> None:
        self._drop()
        answer = client.get_object(**self._target)
        self._body = answer["Body"]
        self._size = whole_length(answer)
        self._etag = answer["ETag"]

    def _resume(self, client: Any) -> None:
        wanted = {"IfMatch": self._etag}
        if self._offset:
            wanted["Range"] = f"bytes={self._offset}-"
        answer = client.get_object(**self._target, **wanted)
        self._body = answer["Body"]
        whole_length(answer)
        # Not every server heeds If-Match, nor Range.
        if answer["ETag"] != self._etag:
            raise StorageError(self._uri, "was replaced while it was read; read it again")
        if self._offset and not answer.get("ContentRange", "").startswith(f"bytes {self._offset}-"):
            raise BadAnswerError(f"asked for the bytes from {self._offset}, got others")

    def _piece(self, client: Any, most: int) -> bytes:
        """Read exactly `most` bytes, or what is left: a server that breaks off early makes no progress."""
        piece = bytearray()
        most = min(most, self._size - self._offset)
        try:
            while len(piece) < most:
                if self._body is None:
                    self._resume(client)
                more = self._body.read(most - len(piece))
                if not more:
                    raise BadAnswerError(f"{self._size} bytes were promised, the body ended before")
                piece += more
        except CAUGHT:
            self._drop()
            raise
        return bytes(piece)

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()

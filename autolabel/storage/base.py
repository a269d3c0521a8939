"""The `Store` protocol, what it says of stored bytes, and the options of reaching them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO, Protocol
from urllib.parse import urlsplit

from autolabel.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stat:
    """What is known of stored bytes without reading them."""

    size: int
    """Bytes."""
    etag: str
    """Changes when the bytes change; comparable within one store only."""
    modified: datetime
    """In UTC."""


class Store(Protocol):
    """Bytes by URI. Every method raises `StorageError`, `ObjectNotFoundError` when nothing is there."""

    def read(self, uri: str) -> bytes:
        """Return all bytes."""
        ...

    def open(self, uri: str) -> AbstractContextManager[BinaryIO]:
        """Open for streaming; what is read is one version, or an error."""
        ...

    def write(self, uri: str, data: bytes | Path) -> None:
        """Store bytes or a file's content: readers see the old version or the new one, never a half."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the URI of everything below the folder `prefix`, in byte order; nothing if it is not there.

        ``a/b`` lists ``a/b/c`` and not ``a/bc``.
        """
        ...

    def stat(self, uri: str) -> Stat:
        """Return size, ETag and date."""
        ...

    def delete(self, uri: str) -> None:
        """Remove the bytes; what is not there is removed already."""
        ...


class Addressing(StrEnum):
    """Where a bucket's name stands in the address of a request."""

    AUTO = "auto"
    """In the path for `StorageOptions.endpoint_url`, in the host name otherwise."""
    PATH = "path"
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """How S3 is reached. Credentials are not here: they come from boto3's chain.

    Raises
    ------
    SettingsError
        A value out of its range, or an endpoint that carries credentials.
    """

    endpoint_url: str | None = None
    """Another S3 server than AWS's, for example ``http://127.0.0.1:9000``."""
    region: str | None = None
    profile: str | None = None
    """A profile of the AWS configuration files."""
    kms_key_id: str | None = None
    """Everything written to S3 is encrypted with this key (SSE-KMS)."""
    max_attempts: int = 5
    """Requests for one thing, 1 to 100."""
    backoff: float = 0.2
    """Seconds: the first wait is uniform in [0, backoff], each further one in twice the range, up to 20 s."""
    connect_timeout: float = 10.0
    """Seconds."""
    read_timeout: float = 60.0
    """Seconds without a byte."""
    allowed_buckets: frozenset[str] | None = None
    """No other bucket is asked for anything; ``None`` allows all."""
    addressing: Addressing = Addressing.AUTO

    def __post_init__(self) -> None:
        if not 1 <= self.max_attempts <= 100:
            raise SettingsError(f"max_attempts is {self.max_attempts}; expected 1 to 100")
        if not self.backoff >= 0:
            raise SettingsError(f"backoff is {self.backoff}; expected 0 seconds or more")
        if not (self.connect_timeout > 0 and self.read_timeout > 0):
            raise SettingsError(
                f"connect_timeout is {self.connect_timeout} and read_timeout {self.read_timeout}; "
                "expected seconds above 0"
            )
        if self.endpoint_url is not None:
            _check_endpoint(self.endpoint_url)


def _check_endpoint(url: str) -> None:
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise SettingsError("endpoint_url carries credentials; leave them to the AWS configuration")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"endpoint_url is {url!r}; expected http://host or https://host")

"""botocore's S3 client, the one that boto3 wraps, with our retries.

Every request of this room goes through `S3Client.call`.
"""

from __future__ import annotations

import functools
import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from autolabel.storage.base import Addressing
from autolabel.storage.s3_faults import CAUGHT, EXPIRED, BadAnswerError, S3Failure, fault_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autolabel.storage.base import StorageOptions

T = TypeVar("T")

_REGION = "x-amz-bucket-region"
MAX_WAIT = 20.0
"""Seconds."""
CONNECTIONS = 64
"""Kept open for the next request; those of more threads than this are closed after use."""


class S3Client:
    """A thread-safe client that tries again, with full jitter, what may succeed the next time.

    botocore's own retries are off, so that reading a body is part of an attempt and the bound is exact.
    The waits follow "full jitter" of Brooker, Exponential Backoff and Jitter, AWS 2015.
    """

    def __init__(self, options: StorageOptions) -> None:
        self.options = options
        self._jitter = random.Random()
        self._lock = threading.Lock()
        self._session: Any = None
        self._client: Any = None

    def call(self, action: Callable[[Any], T]) -> T:
        """Return what `action` returns, given botocore's client; `S3Failure` when it fails for good."""
        attempt = 0
        while True:
            attempt += 1
            client: Any = None
            try:
                client = self.connect()
                return action(client)
            except CAUGHT as error:
                fault = fault_of(error)
                if not fault.transient or attempt >= self.options.max_attempts:
                    raise S3Failure(fault, attempt) from error
            if fault.code in EXPIRED:
                self._forget(client)
            most = min(MAX_WAIT, self.options.backoff * 2 ** (attempt - 1))
            time.sleep(self._jitter.uniform(0, most))

    def call_for(self, uri: str, action: Callable[[Any], T]) -> T:
        """Do the same; `StorageError` or `ObjectNotFoundError` about `uri` when it fails for good."""
        try:
            return self.call(action)
        except S3Failure as failure:
            raise failure.storage_error(uri) from failure

    def connect(self) -> Any:
        """Return botocore's client; one of `CAUGHT` when the AWS configuration does not allow any."""
        with self._lock:
            if self._client is None:
                self._session = botocore.session.Session(profile=self.options.profile)
                self._session.register_component("data_loader", _service_descriptions())
                self._client = self._new_client(self.options.region)
            return self._client

    @property
    def session(self) -> Any:
        """The session, whose credential chain other clients may use too."""
        self.connect()
        return self._session

    def address(self, bucket: str) -> tuple[str, str]:
        """Return endpoint URL and region of a bucket, as the AWS configuration and the server have them."""

        def ask(client: Any) -> str | None:
            try:
                answer = client.head_bucket(Bucket=bucket)
            except ClientError as error:
                # AWS names the region even to those who may not list the bucket.
                answer = error.response
                if _REGION not in answer["ResponseMetadata"]["HTTPHeaders"]:
                    raise
            region: str | None = answer["ResponseMetadata"]["HTTPHeaders"].get(_REGION)
            return region

        region = self.connect().meta.region_name
        with suppress(S3Failure):
            region = self.call(ask) or region
        # botocore knows the endpoints of other regions, partitions, FIPS and dual stack.
        return self._new_client(region).meta.endpoint_url, region

    def _new_client(self, region: str | None) -> Any:
        return self._session.create_client(
            "s3", region_name=region, endpoint_url=self.options.endpoint_url, config=_config(self.options)
        )

    def _forget(self, client: Any) -> None:
        """Read the credentials anew at the next call: files and environments of long jobs get refreshed."""
        with self._lock:
            if self._client is client:
                self._client = None


def whole_length(answer: Mapping[str, Any]) -> int:
    """Return the length that an answer to GetObject promises, in bytes.

    Raises
    ------
    BadAnswerError
        It has no ETag or no length, so it is no object: proxies send errors with status 200.
    """
    if not answer.get("ETag") or "ContentLength" not in answer:
        raise BadAnswerError("an answer with status 200 that is no object")
    return int(answer["ContentLength"])


@functools.cache
def _service_descriptions() -> Any:
    """Share what botocore reads from its files: nine tenths of the time of making a client."""
    return botocore.loaders.create_loader()


def _config(options: StorageOptions) -> Config:
    style = options.addressing
    if style is Addressing.AUTO and options.endpoint_url is not None:
        style = Addressing.PATH
    return Config(
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
        max_pool_connections=CONNECTIONS,
        retries={"total_max_attempts": 1, "mode": "standard"},
        s3={"addressing_style": style.value},
        # Servers other than AWS's send no checksums with ranges, and boto3 refuses such answers by default.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="autolabel",
    )

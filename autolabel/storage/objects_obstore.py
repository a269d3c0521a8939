"""Objects in S3, read with obstore at a fraction of boto3's processor time."""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import NoCredentialsError
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from autolabel.errors import ObjectError
from autolabel.storage.limit import AdaptiveLimit
from autolabel.storage.object_ref import MAX_OBJECT_BYTES, s3_ref
from autolabel.storage.objects_s3 import Boto3ObjectReader, require_size
from autolabel.storage.s3_faults import CAUGHT, BadAnswerError

if TYPE_CHECKING:
    from obstore.store import S3Credential

    from autolabel.storage.base import StorageOptions

_CREDENTIALS_FOR = timedelta(minutes=5)
"""boto3 renews temporary credentials ten minutes before they expire: asked this often, they never do."""


ATTEMPTS = 3
"""Requests with obstore, at a tenth of the cost of boto3's; nearly all refusals are over by then."""


class ObstoreObjectReader:
    """An `ObjectReader` of ``s3://`` references; thread-safe, and it releases the GIL.

    What a server in trouble refuses is asked for a few times more, after waits with jitter; whatever obstore does not
    deliver then is asked for with boto3, which retries further and names the failure, so both readers fail in the same
    words. How many requests are under way follows what the server can take. Make one in each process: its threads do
    not survive a fork.

    Parameters
    ----------
    options
        How S3 is reached. Credentials, region and endpoint are those of boto3's chain.
    max_bytes
        Larger objects are refused before their body is read.
    """

    def __init__(self, options: StorageOptions, *, max_bytes: int = MAX_OBJECT_BYTES) -> None:
        self._options = options
        self._max_bytes = max_bytes
        self._limit = AdaptiveLimit()
        self._boto3 = Boto3ObjectReader(options, max_bytes=max_bytes)
        self._jitter = random.Random()
        self._lock = threading.Lock()
        self._buckets: dict[str, S3Store] = {}

    def get(self, ref: str) -> bytes:
        """Return an object's bytes; raise what `Boto3ObjectReader` raises."""
        bucket, key = s3_ref(ref, self._options.allowed_buckets)
        with self._limit.slot() as slot:
            # obstore drops a leading slash and refuses an empty segment.
            attempts = 0 if key.startswith("/") or "//" in key else min(ATTEMPTS, self._options.max_attempts)
            for attempt in range(attempts):
                try:
                    return self._fast(ref, bucket, key)
                except ObjectError:
                    raise
                except (FileNotFoundError, PermissionDeniedError, UnauthenticatedError, ValueError):
                    break
                except (BaseError, *CAUGHT):
                    slot.congested = True
                if attempt < attempts - 1:
                    time.sleep(self._jitter.uniform(0, self._options.backoff * 2**attempt))
            return self._boto3.get(ref)

    def _fast(self, ref: str, bucket: str, key: str) -> bytes:
        answer = self._store(bucket).get(key)
        if not answer.meta["e_tag"]:
            raise BadAnswerError("an answer with status 200 that is no object")
        require_size(ref, answer.meta["size"], self._max_bytes)
        return bytes(answer.bytes())

    def _store(self, bucket: str) -> S3Store:
        with self._lock:
            if bucket not in self._buckets:
                endpoint, region = self._boto3.client.address(bucket)
                self._buckets[bucket] = S3Store(
                    bucket,
                    config={"endpoint": endpoint, "region": region},
                    client_options={
                        "allow_http": endpoint.startswith("http:"),
                        "connect_timeout": timedelta(seconds=self._options.connect_timeout),
                        "timeout": timedelta(seconds=self._options.read_timeout),
                    },
                    retry_config={"max_retries": 0},
                    credential_provider=self._credentials,
                )
            return self._buckets[bucket]

    def _credentials(self) -> S3Credential:
        found = self._boto3.client.session.get_credentials()
        if found is None:
            raise NoCredentialsError
        keys = found.get_frozen_credentials()
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": datetime.now(UTC) + _CREDENTIALS_FOR,
        }

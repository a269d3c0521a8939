"""What goes wrong between us and S3: whether it is worth another try, and whom it concerns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import urllib3.exceptions
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from autolabel.errors import ObjectNotFoundError, StorageError


class Scope(Enum):
    """Whom a fault concerns."""

    MISSING = auto()
    """Nothing is stored under this key."""
    OBJECT = auto()
    """This key only: access denied, archived, changed while read, never whole."""
    TRANSPORT = auto()
    """Any key: credentials, bucket, network, a server in trouble."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One failed attempt."""

    code: str
    """S3's error code, or the name of what happened on the way."""
    message: str
    scope: Scope
    transient: bool
    """Another attempt may succeed."""


class BadAnswerError(Exception):
    """An answer with status 200 that is not what S3 says: an error inside, a length that is not kept."""


class S3Failure(Exception):  # noqa: N818 - never leaves this room: StorageError or ObjectError follows
    """A request that failed for good."""

    def __init__(self, fault: Fault, attempts: int) -> None:
        self.fault = fault
        self.attempts = attempts
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        super().__init__(f"{fault.code}: {fault.message} ({tries})")

    def storage_error(self, uri: str) -> StorageError:
        """Say it of `uri`."""
        if self.fault.scope is Scope.MISSING:
            return ObjectNotFoundError(uri, str(self))
        return StorageError(uri, str(self))


CAUGHT = (BotoCoreError, ClientError, ResponseParserError, urllib3.exceptions.HTTPError, BadAnswerError)
"""Everything that a call of boto3's client, or reading a body, raises because of the world outside."""

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", "400"})
"""Codes after which credentials are fetched anew; an answer to HEAD has no body to say more than 400."""

_MISSING = frozenset({"NoSuchKey", "NotFound", "404"})
_TRANSIENT = EXPIRED | {
    "BadDigest",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_TRANSPORT = frozenset(
    {
        "AccountProblem",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "IllegalLocationConstraintException",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NoSuchBucket",
        "PermanentRedirect",
        "SignatureDoesNotMatch",
    }
)


def fault_of(error: Exception) -> Fault:
    """Judge one of `CAUGHT`."""
    if isinstance(error, ClientError):
        return _answered(error)
    code = type(error).__name__
    if isinstance(error, BadAnswerError | IncompleteReadError | ResponseStreamingError | ResponseParserError):
        return Fault(code, str(error), Scope.OBJECT, transient=True)
    if isinstance(error, HTTPClientError | BotoConnectionError | urllib3.exceptions.HTTPError):
        return Fault(code, str(error), Scope.TRANSPORT, transient=True)
    scope = Scope.OBJECT if isinstance(error, ParamValidationError) else Scope.TRANSPORT
    return Fault(code, str(error), scope, transient=False)


def _answered(error: ClientError) -> Fault:
    """Judge an error that the server itself sent."""
    code = str(error.response.get("Error", {}).get("Code", "Unknown"))
    message = str(error.response.get("Error", {}).get("Message", "no message"))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _MISSING:
        return Fault(code, message, Scope.MISSING, transient=False)
    if status >= 500 or status == 429 or code in _TRANSIENT:
        return Fault(code, message, Scope.TRANSPORT, transient=True)
    scope = Scope.TRANSPORT if code in _TRANSPORT else Scope.OBJECT
    return Fault(code, message, scope, transient=False)

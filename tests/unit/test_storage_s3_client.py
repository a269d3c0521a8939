"""Retries, expired credentials and endless lists, without a server."""

from __future__ import annotations

import random
import time

import botocore.exceptions as boto
import pytest
import urllib3.exceptions
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber

from autolabel.errors import StorageError
from autolabel.storage import Addressing, Storage, StorageOptions
from autolabel.storage.s3 import S3Store
from autolabel.storage.s3_client import MAX_WAIT, S3Client, whole_length
from autolabel.storage.s3_faults import BadAnswerError, S3Failure, Scope, fault_of


def answer(code: str, status: int = 400) -> boto.ClientError:
    """Build the error that a server's answer becomes."""
    response = {"Error": {"Code": code, "Message": "said"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, "GetObject")


@pytest.fixture
def waits(monkeypatch):
    """Record the waits instead of waiting."""
    seen = []
    monkeypatch.setattr(time, "sleep", seen.append)
    return seen


@pytest.mark.parametrize(
    ("error", "scope", "transient"),
    [
        (answer("NoSuchKey", 404), Scope.MISSING, False),
        (answer("404", 404), Scope.MISSING, False),
        (answer("NoSuchBucket", 404), Scope.TRANSPORT, False),
        (answer("InternalError", 500), Scope.TRANSPORT, True),
        (answer("SlowDown", 503), Scope.TRANSPORT, True),
        (answer("503", 503), Scope.TRANSPORT, True),
        (answer("TooManyRequests", 429), Scope.TRANSPORT, True),
        (answer("RequestTimeout", 400), Scope.TRANSPORT, True),
        (answer("RequestTimeTooSkewed", 403), Scope.TRANSPORT, True),
        (answer("ExpiredToken", 400), Scope.TRANSPORT, True),
        (answer("InvalidAccessKeyId", 403), Scope.TRANSPORT, False),
        (answer("SignatureDoesNotMatch", 403), Scope.TRANSPORT, False),
        (answer("PermanentRedirect", 301), Scope.TRANSPORT, False),
        (answer("AccessDenied", 403), Scope.OBJECT, False),
        (answer("InvalidObjectState", 403), Scope.OBJECT, False),
        (answer("PreconditionFailed", 412), Scope.OBJECT, False),
        (boto.EndpointConnectionError(endpoint_url="x"), Scope.TRANSPORT, True),
        (boto.ConnectTimeoutError(endpoint_url="x"), Scope.TRANSPORT, True),
        (boto.ReadTimeoutError(endpoint_url="x"), Scope.TRANSPORT, True),
        (boto.ConnectionClosedError(endpoint_url="x"), Scope.TRANSPORT, True),
        (boto.SSLError(endpoint_url="x", error="y"), Scope.TRANSPORT, True),
        (urllib3.exceptions.SSLError("x"), Scope.TRANSPORT, True),
        (boto.ResponseStreamingError(error="x"), Scope.OBJECT, True),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), Scope.OBJECT, True),
        (ResponseParserError("x"), Scope.OBJECT, True),
        (BadAnswerError("x"), Scope.OBJECT, True),
        (boto.NoCredentialsError(), Scope.TRANSPORT, False),
        (boto.ProfileNotFound(profile="x"), Scope.TRANSPORT, False),
        (boto.ParamValidationError(report="x"), Scope.OBJECT, False),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_fault_is_judged(error, scope, transient):
    fault = fault_of(error)
    assert (fault.scope, fault.transient) == (scope, transient)
    assert fault.code
    assert fault.message


def test_attempts_are_bounded_and_waits_have_full_jitter(waits):
    client = S3Client(StorageOptions(max_attempts=12, backoff=0.5))
    calls = []

    def action(_):
        calls.append(1)
        raise answer("SlowDown", 503)

    with pytest.raises(S3Failure, match=r"^SlowDown: said \(12 attempts\)$"):
        client.call(action)
    assert len(calls) == 12
    assert len(waits) == 11
    assert all(0 <= wait <= min(MAX_WAIT, 0.5 * 2**i) for i, wait in enumerate(waits))
    assert len(set(waits)) == 11


def test_waiting_does_not_touch_the_global_random_state(waits):
    before = random.getstate()
    with pytest.raises(S3Failure):
        S3Client(StorageOptions()).call(lambda _: (_ for _ in ()).throw(answer("SlowDown", 503)))
    assert random.getstate() == before


def test_an_error_of_our_own_is_not_retried(waits):
    with pytest.raises(ZeroDivisionError):
        S3Client(StorageOptions()).call(lambda _: 1 / 0)
    assert waits == []


def test_expired_credentials_are_fetched_anew(waits, monkeypatch):
    client = S3Client(StorageOptions())
    keys = []

    def action(boto3_client):
        keys.append(boto3_client._request_signer._credentials.access_key)
        if len(keys) == 1:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "RENEWED")
            raise answer("ExpiredToken")
        return "done"

    assert client.call(action) == "done"
    assert keys[1] == "RENEWED" != keys[0]
    assert len(waits) == 1


def test_one_client_serves_all_calls():
    client = S3Client(StorageOptions())
    assert client.call(id) == client.call(id)


@pytest.mark.parametrize(
    ("headers", "region"), [({"x-amz-bucket-region": "eu-west-3"}, "eu-west-3"), ({}, "us-east-1")]
)
def test_the_region_of_a_bucket_that_may_not_be_listed_is_known(headers, region):
    client = S3Client(StorageOptions())
    with Stubber(client.connect()) as stub:
        stub.add_client_error("head_bucket", "403", http_status_code=403, response_meta={"HTTPHeaders": headers})
        endpoint, found = client.address("bucket")
    assert found == region
    assert endpoint in (f"https://s3.{region}.amazonaws.com", "https://s3.amazonaws.com")


@pytest.mark.parametrize(
    ("page", "pages"),
    [
        ({"IsTruncated": True, "NextContinuationToken": "same"}, 2),
        ({"IsTruncated": True}, 1),
        ({"IsTruncated": True, "NextContinuationToken": ""}, 1),
    ],
)
def test_a_list_that_goes_in_circles_ends(monkeypatch, page, pages):
    asked = []

    class Server:
        def list_objects_v2(self, **request):
            asked.append(request.get("ContinuationToken"))
            return {"Contents": [{"Key": "folder/x"}], **page}

    monkeypatch.setattr(S3Client, "connect", lambda self: Server())
    with pytest.raises(StorageError, match=f"circles after {pages} pages"):
        list(S3Store(StorageOptions()).list("s3://bucket/folder"))
    assert asked == [None, "same"][:pages]


def test_markers_of_folders_are_not_listed(monkeypatch):
    class Server:
        def list_objects_v2(self, **request):
            return {"Contents": [{"Key": key} for key in ("a/", "a/b/", "a/b/c")]}

    monkeypatch.setattr(S3Client, "connect", lambda self: Server())
    assert list(S3Store(StorageOptions()).list("s3://bucket/a")) == ["s3://bucket/a/b/c"]


@pytest.mark.parametrize("given", [{}, {"ETag": '"x"'}, {"ContentLength": 1}, {"ETag": "", "ContentLength": 1}])
def test_an_answer_without_etag_or_length_is_no_object(given):
    with pytest.raises(BadAnswerError):
        whole_length(given)


def test_without_credentials_nothing_is_sent(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    options = StorageOptions(endpoint_url="http://127.0.0.1:1")
    with pytest.raises(StorageError, match=r"NoCredentialsError: .*\(1 attempt\)"):
        Storage(options).read("s3://bucket/x")


def test_an_unknown_profile_is_named():
    with pytest.raises(StorageError, match=r"ProfileNotFound: .*nobody"):
        Storage(StorageOptions(profile="nobody")).read("s3://bucket/x")


def test_credentials_are_shown_nowhere(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    store = S3Store(StorageOptions(endpoint_url="http://127.0.0.1:1", max_attempts=1))
    with pytest.raises(StorageError) as caught:
        store.read("s3://bucket/x")
    for text in (repr(store), repr(vars(store)), str(caught.value), repr(caught.value)):
        assert "very-secret" not in text
        assert "AKIDFORTESTS" not in text


@pytest.mark.parametrize("addressing", list(Addressing))
def test_the_bucket_stands_where_addressing_puts_it(addressing):
    options = StorageOptions(endpoint_url="http://s3.example.com", addressing=addressing)
    client = S3Client(options).connect()
    url = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "x"})
    in_host = addressing is Addressing.VIRTUAL
    assert url.startswith("http://bucket.s3.example.com/x?" if in_host else "http://s3.example.com/bucket/x?")

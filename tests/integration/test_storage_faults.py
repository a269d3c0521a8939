"""S3 behind a proxy that spoils answers: the data are right, or the error is, and requests are bounded."""

from __future__ import annotations

import hashlib

import pytest
from support.faultproxy import Fault, always, every, fault_proxy, once

from autolabel.errors import ObjectNotFoundError, StorageError
from autolabel.storage import Storage

DATA = hashlib.shake_256(b"faults").digest(3_500_000)
ATTEMPTS = 5


def through(server, proxy, **options):
    given = {"endpoint_url": proxy.endpoint, "max_attempts": ATTEMPTS, **options}
    return Storage(server.options(**given))


@pytest.fixture
def bucket(moto):
    return moto.bucket()


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in (Fault.STALL, Fault.DENIED)])
def test_a_job_of_reads_and_writes_survives_every_kth_request_failing(moto, bucket, fault, k):
    with fault_proxy(moto.endpoint, every(k, fault)) as proxy:
        storage = through(moto, proxy)
        folder = f"s3://{bucket}/folder"
        for name in ("a", "b"):
            storage.write(f"{folder}/{name}", DATA)
            assert storage.stat(f"{folder}/{name}").size == len(DATA)
            assert storage.read(f"{folder}/{name}") == DATA
        assert list(storage.list(folder)) == [f"{folder}/a", f"{folder}/b"]
        storage.delete(f"{folder}/a")
        assert list(storage.list(folder)) == [f"{folder}/b"]
        spoiled = len(proxy.requests) // k
    assert 9 <= len(proxy.requests) <= 9 + 2 * spoiled
    assert moto.client().get_object(Bucket=bucket, Key="folder/b")["Body"].read() == DATA


def test_a_server_that_stalls_is_given_up_and_asked_again(moto, bucket):
    with fault_proxy(moto.endpoint, every(2, Fault.STALL)) as proxy:
        storage = through(moto, proxy, read_timeout=1.0, max_attempts=10)
        storage.write(f"s3://{bucket}/x", DATA)
        assert storage.read(f"s3://{bucket}/x") == DATA
        assert proxy.count("GET") >= 2


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.INTERNAL_ERROR, "InternalError"),
        (Fault.SLOW_DOWN, "SlowDown"),
        (Fault.RESET, "ConnectionClosedError"),
        (Fault.HALF, "ResponseStreamingError|IncompleteRead|BadAnswerError"),
        (Fault.STALL, "ReadTimeoutError"),
        (Fault.ERROR_200, "BadAnswerError"),
    ],
)
def test_a_read_that_always_fails_ends_after_the_bound_with_code_and_attempts(moto, bucket, fault, code):
    moto.client().put_object(Bucket=bucket, Key="x", Body=b"0123456789")
    with fault_proxy(moto.endpoint, always(fault)) as proxy:
        patience = 0.2 if fault is Fault.STALL else 60.0
        storage = through(moto, proxy, read_timeout=patience, max_attempts=3)
        with pytest.raises(StorageError, match=rf"^s3://{bucket}/x: ({code}).*3 attempts") as caught:
            storage.read(f"s3://{bucket}/x")
    assert caught.value.uri == f"s3://{bucket}/x"
    assert not isinstance(caught.value, ObjectNotFoundError)
    assert len(proxy.requests) <= 4


def test_a_write_that_always_fails_leaves_the_old_object(moto, bucket):
    moto.client().put_object(Bucket=bucket, Key="x", Body=b"old")
    with fault_proxy(moto.endpoint, always(Fault.INTERNAL_ERROR)) as proxy:
        storage = through(moto, proxy)
        for data in (b"new", DATA * 6):
            with pytest.raises(StorageError, match="InternalError: injected"):
                storage.write(f"s3://{bucket}/x", data)
    assert moto.client().get_object(Bucket=bucket, Key="x")["Body"].read() == b"old"


def test_what_no_retry_can_mend_is_asked_once(moto, bucket):
    with fault_proxy(moto.endpoint) as proxy:
        storage = through(moto, proxy)
        with pytest.raises(ObjectNotFoundError, match=r"NoSuchKey: .*\(1 attempt\)"):
            storage.read(f"s3://{bucket}/missing")
        with pytest.raises(StorageError, match=r"NoSuchBucket: .*\(1 attempt\)"):
            storage.read("s3://no-such-bucket/x")
        assert len(proxy.requests) == 2


def test_nobody_listening_is_a_storage_error(moto):
    with fault_proxy(moto.endpoint) as proxy:
        endpoint = proxy.endpoint
    storage = Storage(moto.options(endpoint_url=endpoint, max_attempts=2))
    with pytest.raises(StorageError, match=r"EndpointConnectionError: .*2 attempts"):
        storage.read("s3://bucket/x")


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("fault", [Fault.INTERNAL_ERROR, Fault.RESET, Fault.LOST, Fault.ERROR_200])
def test_parts_survive_every_kth_request_failing(moto, bucket, fault, k):
    large = DATA * 6
    with fault_proxy(moto.endpoint, every(k, fault)) as proxy:
        through(moto, proxy, max_attempts=20).write(f"s3://{bucket}/x", large)
    assert moto.client().get_object(Bucket=bucket, Key="x")["Body"].read() == large
    assert "Uploads" not in moto.client().list_multipart_uploads(Bucket=bucket)


def test_a_lost_answer_to_the_completion_starts_the_upload_over(rclone):
    bucket = rclone.bucket()
    plan = once(Fault.LOST, method="POST", of="uploadId")
    with fault_proxy(rclone.endpoint, plan) as proxy:
        through(rclone, proxy).write(f"s3://{bucket}/x", DATA * 6)
        assert proxy.count("POST", "uploads") == 2
        assert proxy.count("PUT") == 6
    assert rclone.client().get_object(Bucket=bucket, Key="x")["Body"].read() == DATA * 6


def test_an_upload_that_fails_is_aborted(moto, bucket):
    with fault_proxy(moto.endpoint, always(Fault.SLOW_DOWN, of="partNumber=2")) as proxy:
        with pytest.raises(StorageError, match="SlowDown"):
            through(moto, proxy).write(f"s3://{bucket}/x", DATA * 6)
        assert proxy.count("DELETE", "uploadId") == 1
    assert "Uploads" not in moto.client().list_multipart_uploads(Bucket=bucket)
    assert "Contents" not in moto.client().list_objects_v2(Bucket=bucket)


def test_a_broken_stream_is_taken_up_where_it_broke(moto, bucket):
    moto.client().put_object(Bucket=bucket, Key="x", Body=DATA)
    with fault_proxy(moto.endpoint, once(Fault.HALF, method="GET")) as proxy:
        assert through(moto, proxy).read(f"s3://{bucket}/x") == DATA
        assert [request.headers.get("range") for request in proxy.requests] == [None, "bytes=1048576-"]


def test_an_object_replaced_while_it_is_read_is_an_error(moto, bucket):
    moto.client().put_object(Bucket=bucket, Key="x", Body=DATA)
    with (
        fault_proxy(moto.endpoint, once(Fault.HALF, method="GET")) as proxy,
        through(moto, proxy).open(f"s3://{bucket}/x") as file,
    ):
        file.read(10)
        moto.client().put_object(Bucket=bucket, Key="x", Body=DATA[::-1])
        with pytest.raises(StorageError, match=r"PreconditionFailed|was replaced"):
            file.read()

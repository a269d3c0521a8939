"""Objects in S3: both readers deliver the same bytes and fail in the same words."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from support.faultproxy import Fault, always, every, fault_proxy, never, once
from support.s3 import KEY, SECRET

from autolabel.errors import ObjectError, StorageError
from autolabel.storage import Addressing, StorageOptions, object_reader, objects, objects_obstore
from autolabel.storage.objects_obstore import ATTEMPTS, ObstoreObjectReader
from autolabel.storage.objects_s3 import Boto3ObjectReader

INVALID = "INVALID_SOURCE_REF_FORMAT"
READERS = [Boto3ObjectReader, ObstoreObjectReader]


@pytest.fixture(params=["moto", "rclone"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=READERS)
def kind(request):
    return request.param


@pytest.fixture(scope="module", params=[(name, kind) for name in ("moto", "rclone") for kind in READERS], ids=str)
def strict_reader(request):
    """A reader of one bucket and of at most 2,000 bytes."""
    name, kind = request.param
    server = request.getfixturevalue(name)
    bucket = filled(server, "a")
    server.client().put_object(Bucket=bucket, Key="large", Body=b"x" * 2001)
    return kind(server.options(allowed_buckets=frozenset({bucket})), max_bytes=2000), bucket


def filled(server, *names: str) -> str:
    """Make a bucket with objects that contain their names."""
    bucket = server.bucket()
    for name in names:
        server.client().put_object(Bucket=bucket, Key=name, Body=name.encode())
    return bucket


NAMES = ["a", "b c/ü 日本.png", "50%.png", "a%20b", "x#y?z&+=;,@'()!$", "~x", "back\\slash", "deep/er/x.y"]


def test_objects_are_read_whatever_their_name(server, kind):
    bucket = filled(server, *NAMES)
    reader = kind(server.options())
    for name in NAMES:
        assert reader.get(f"s3://{bucket}/{name}") == name.encode()


def test_a_name_that_obstore_would_change_is_never_mistaken(moto, kind):
    bucket = filled(moto, "a", "a/b")
    reader = kind(moto.options())
    for name in ("/a", "a//b", "a/\x01"):
        with pytest.raises(ObjectError):
            reader.get(f"s3://{bucket}/{name}")
        moto.client().put_object(Bucket=bucket, Key=name, Body=b"the right one")
        assert reader.get(f"s3://{bucket}/{name}") == b"the right one"


def test_an_empty_object_is_empty(server, kind):
    bucket = filled(server)
    server.client().put_object(Bucket=bucket, Key="x", Body=b"")
    assert kind(server.options()).get(f"s3://{bucket}/x") == b""


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("s3://{bucket}/missing", "OBJECT_NOT_FOUND"),
        ("s3://{bucket}/large", "OBJECT_TOO_LARGE"),
        ("s3://{bucket}", INVALID),
        ("s3://{bucket}/", INVALID),
        ("s3://{bucket}/folder/", INVALID),
        ("s3://{bucket}/../../etc/passwd", INVALID),
        ("s3://{bucket}/a\0b", INVALID),
        ("s3://{bucket}/\ud800", INVALID),
        ("s3://{bucket}/" + "x" * 100_000, INVALID),
        ("s3://b/x", INVALID),
        ("s3://key:secret@{bucket}/x", INVALID),
        ("s3://some-other-bucket/x", "BUCKET_NOT_ALLOWED"),
    ],
)
def test_what_concerns_one_object_fails_that_object(strict_reader, ref, code):
    reader, bucket = strict_reader
    with pytest.raises(ObjectError) as caught:
        reader.get(ref.format(bucket=bucket))
    assert caught.value.code == code
    assert len(str(caught.value)) < 500


def test_what_concerns_all_objects_is_a_storage_error(server, kind, monkeypatch):
    with pytest.raises(StorageError, match="NoSuchBucket"):
        kind(server.options()).get("s3://no-such-bucket/x")
    with pytest.raises(StorageError, match="EndpointConnectionError"):
        kind(server.options(endpoint_url="http://127.0.0.1:1", max_attempts=1)).get("s3://bucket/x")
    with pytest.raises(StorageError, match="ProfileNotFound"):
        kind(server.options(profile="nobody")).get("s3://bucket/x")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageError, match="NoCredentialsError"):
        kind(server.options()).get("s3://bucket/x")


def test_a_wrong_secret_is_a_storage_error(rclone, kind, monkeypatch):
    bucket = filled(rclone, "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    with pytest.raises(StorageError, match="SignatureDoesNotMatch") as caught:
        kind(rclone.options()).get(f"s3://{bucket}/a")
    assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in (Fault.STALL, Fault.DENIED)])
def test_data_survive_every_kth_request_failing(moto, kind, fault):
    names = [f"{i}" for i in range(6)]
    bucket = filled(moto, *names)
    data = hashlib.shake_256(b"x").digest(100_000)
    moto.client().put_object(Bucket=bucket, Key="100k", Body=data)
    with fault_proxy(moto.endpoint, every(2, fault)) as proxy:
        reader = kind(moto.options(endpoint_url=proxy.endpoint))
        for name in names:
            assert reader.get(f"s3://{bucket}/{name}") == name.encode()
        assert reader.get(f"s3://{bucket}/100k") == data
        assert len(proxy.requests) <= 4 * len(names)


def test_a_stall_is_given_up(moto, kind):
    bucket = filled(moto, "a", "b")
    with fault_proxy(moto.endpoint, every(3, Fault.STALL)) as proxy:
        reader = kind(moto.options(endpoint_url=proxy.endpoint, read_timeout=1.0, max_attempts=10))
        for name in ("a", "b") * 2:
            assert reader.get(f"s3://{bucket}/{name}") == name.encode()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.SLOW_DOWN, StorageError),
        (Fault.INTERNAL_ERROR, StorageError),
        (Fault.RESET, StorageError),
        (Fault.HALF, ObjectError),
        (Fault.ERROR_200, ObjectError),
    ],
)
def test_requests_are_bounded_when_it_never_works(moto, kind, fault, error):
    bucket = filled(moto, "0123456789")
    with fault_proxy(moto.endpoint, always(fault, of="0123456789")) as proxy:
        reader = kind(moto.options(endpoint_url=proxy.endpoint, max_attempts=3))
        with pytest.raises(error, match="3 attempts"):
            reader.get(f"s3://{bucket}/0123456789")
        assert proxy.count("GET") == (3 if kind is not ObstoreObjectReader else 3 + ATTEMPTS)


def test_an_answer_that_is_access_denied_fails_one_object(moto, kind, monkeypatch):
    bucket = filled(moto, "a", "b")
    with fault_proxy(moto.endpoint, always(Fault.DENIED, of="/a")) as proxy:
        reader = kind(moto.options(endpoint_url=proxy.endpoint))
        with pytest.raises(ObjectError) as caught:
            reader.get(f"s3://{bucket}/a")
        assert caught.value.code == "OBJECT_ACCESS_DENIED"
        assert reader.get(f"s3://{bucket}/b") == b"b"


def test_many_threads_may_read_through_a_server_that_asks_to_slow_down(moto, kind):
    names = [f"{i}" for i in range(20)]
    bucket = filled(moto, *names)
    with fault_proxy(moto.endpoint, every(4, Fault.SLOW_DOWN)) as proxy:
        reader = kind(moto.options(endpoint_url=proxy.endpoint, max_attempts=20))
        refs = [f"s3://{bucket}/{name}" for name in names] * 5
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(reader.get, refs)) == [name.encode() for name in names] * 5
    if kind is ObstoreObjectReader:
        assert reader._limit.size < 32


def test_obstore_needs_one_request_an_object(moto):
    bucket = filled(moto, "a", "b")
    with fault_proxy(moto.endpoint) as proxy:
        reader = ObstoreObjectReader(moto.options(endpoint_url=proxy.endpoint))
        for name in ("a", "b", "a"):
            reader.get(f"s3://{bucket}/{name}")
        assert (proxy.count("HEAD"), proxy.count("GET")) == (1, 3)
        assert not any("boto" in request.headers["user-agent"].lower() for request in proxy.requests[1:])


def test_temporary_credentials_of_boto3_s_chain_are_renewed(rclone, kind, monkeypatch, tmp_path):
    bucket = filled(rclone, "a")
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    given = {"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Expiration": soon}
    (tmp_path / "credentials.json").write_text(json.dumps(given))
    (tmp_path / "renew").write_text(f"#!/bin/sh\necho x >> {tmp_path}/log\ncat {tmp_path}/credentials.json\n")
    (tmp_path / "renew").chmod(0o755)
    (tmp_path / "config").write_text(f"[profile renewing]\ncredential_process = {tmp_path}/renew\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setattr(objects_obstore, "_CREDENTIALS_FOR", timedelta(0))
    reader = kind(rclone.options(profile="renewing"))
    assert reader.get(f"s3://{bucket}/a") == b"a"
    first = (tmp_path / "log").read_text()
    assert reader.get(f"s3://{bucket}/a") == b"a"
    assert len((tmp_path / "log").read_text()) > len(first) > 0


def test_credentials_that_were_replaced_serve_the_fast_way_too(rclone, monkeypatch):
    bucket = filled(rclone, "a")
    monkeypatch.setattr(objects_obstore, "_CREDENTIALS_FOR", timedelta(0))
    expired = once(Fault.EXPIRED, method="GET", of="/a")
    with fault_proxy(rclone.endpoint, expired) as proxy:
        reader = ObstoreObjectReader(rclone.options(endpoint_url=proxy.endpoint))
        first_session = reader._boto3.client.session
        for _ in range(3):
            assert reader.get(f"s3://{bucket}/a") == b"a"
        assert reader._boto3.client.session is first_session
        proxy.plan = every(1, Fault.EXPIRED)
        with pytest.raises(StorageError, match="ExpiredToken"):
            reader.get(f"s3://{bucket}/a")
        proxy.plan = never
        sent = len(proxy.requests)
        assert reader.get(f"s3://{bucket}/a") == b"a"
        assert reader._boto3.client.session is not first_session
        assert len(proxy.requests) == sent + 1


def test_the_address_of_a_bucket_follows_the_aws_configuration(moto, monkeypatch):
    bucket = moto.client()
    bucket.create_bucket(Bucket="in-paris", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    client = Boto3ObjectReader(moto.options()).client
    assert client.address("in-paris") == (moto.endpoint, "eu-west-3")
    assert client.address("not-there") == (moto.endpoint, "us-east-1")


def test_the_reader_of_both_chooses_by_the_reference(moto, tmp_path):
    bucket = filled(moto, "folder/a")
    (tmp_path / "a").write_bytes(b"local")
    reader = object_reader(moto.options(), root=tmp_path)
    assert reader.get("a") == b"local"
    assert reader.get(f"s3://{bucket}/folder/a") == b"folder/a"


def test_relative_references_may_start_in_s3(moto, tmp_path):
    bucket = filled(moto, "folder/a", "secret")
    reader = object_reader(moto.options(), root=f"s3://{bucket}/folder")
    assert reader.get("a") == b"folder/a"
    for ref in ("../secret", "/etc/passwd", str(tmp_path), "http://x/a"):
        with pytest.raises(ObjectError) as caught:
            reader.get(ref)
        assert caught.value.code == INVALID


@pytest.mark.parametrize(
    ("installed", "addressing", "expected"),
    [
        (True, Addressing.AUTO, ObstoreObjectReader),
        (False, Addressing.AUTO, Boto3ObjectReader),
        (True, Addressing.VIRTUAL, Boto3ObjectReader),
    ],
)
def test_obstore_is_chosen_when_it_can_serve(monkeypatch, installed, addressing, expected):
    if not installed:
        monkeypatch.setattr(objects.importlib.util, "find_spec", lambda name: None)
    options = StorageOptions(endpoint_url="http://127.0.0.1:1", addressing=addressing)
    assert type(objects._s3_reader(options, 1000)) is expected

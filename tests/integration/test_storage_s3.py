"""What only S3 has: encryption, allowed buckets, signatures, and the known differences of our two servers."""

from __future__ import annotations

import os

import pytest
from botocore.exceptions import ClientError
from support.faultproxy import fault_proxy

from autolabel.errors import StorageError
from autolabel.storage import Storage
from autolabel.storage.durable import failpoints


@pytest.fixture(params=["moto", "rclone"])
def server(request):
    return request.getfixturevalue(request.param)


KMS = "arn:aws:kms:us-east-1:123456789012:key/0c1d"


@pytest.mark.parametrize("size", [10, 20_000_000])
def test_every_write_names_the_kms_key(server, size):
    bucket = server.bucket()
    with fault_proxy(server.endpoint) as proxy:
        storage = Storage(server.options(endpoint_url=proxy.endpoint, kms_key_id=KMS))
        storage.write(f"s3://{bucket}/x", b"x" * size)
        assert storage.stat(f"s3://{bucket}/x").size == size
    begins = next(request for request in proxy.requests if request.method in ("PUT", "POST"))
    assert begins.headers["x-amz-server-side-encryption"] == "aws:kms"
    assert begins.headers["x-amz-server-side-encryption-aws-kms-key-id"] == KMS
    found = server.client().head_object(Bucket=bucket, Key="x")
    assert found["ServerSideEncryption"] == "aws:kms"
    assert found["SSEKMSKeyId"] == KMS


def test_without_a_key_no_encryption_is_asked_for(server):
    bucket = server.bucket()
    with fault_proxy(server.endpoint) as proxy:
        Storage(server.options(endpoint_url=proxy.endpoint)).write(f"s3://{bucket}/x", b"x")
    assert not [name for name in proxy.requests[0].headers if "encryption" in name]


def test_other_buckets_than_the_allowed_are_not_even_asked(moto):
    allowed, other = moto.bucket(), moto.bucket()
    with fault_proxy(moto.endpoint) as proxy:
        storage = Storage(moto.options(endpoint_url=proxy.endpoint, allowed_buckets=frozenset({allowed})))
        storage.write(f"s3://{allowed}/x", b"1")
        sent = len(proxy.requests)
        for verb in (
            lambda: storage.read(f"s3://{other}/x"),
            lambda: storage.write(f"s3://{other}/x", b"1"),
            lambda: storage.delete(f"s3://{other}/x"),
            lambda: storage.stat(f"s3://{other}/x"),
            lambda: list(storage.list(f"s3://{other}/")),
            lambda: storage.open(f"s3://{other}/x").__enter__(),
        ):
            with pytest.raises(StorageError, match="not one of the allowed buckets"):
                verb()
        assert len(proxy.requests) == sent


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/", "s3://bucket/../x"])
def test_a_bucket_or_a_climbing_key_is_no_object(moto, uri):
    with fault_proxy(moto.endpoint) as proxy:
        with pytest.raises(StorageError):
            Storage(moto.options(endpoint_url=proxy.endpoint)).read(uri)
        assert proxy.requests == []


def test_the_endpoint_may_come_from_the_environment(server, monkeypatch):
    bucket = server.bucket()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
    Storage().write(f"s3://{bucket}/x", b"1")
    assert server.client().get_object(Bucket=bucket, Key="x")["Body"].read() == b"1"


def test_no_region_needs_to_be_configured(server, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    bucket = server.bucket()
    storage = Storage(server.options())
    storage.write(f"s3://{bucket}/x", b"1")
    assert storage.read(f"s3://{bucket}/x") == b"1"


def test_writes_and_deletes_stand_between_failpoints(moto):
    storage, uri, seen = Storage(moto.options()), f"s3://{moto.bucket()}/x", []
    with failpoints(seen.append):
        storage.write(uri, b"1")
        storage.delete(uri)
    assert seen == ["put", "stored", "delete", "deleted"]


# What differs between the two servers, and from AWS: if one of these changes, tests above may say more.


@pytest.mark.parametrize(("name", "refuses"), [("moto", False), ("rclone", True)])
def test_difference_only_rclone_checks_signatures(request, monkeypatch, name, refuses):
    server = request.getfixturevalue(name)
    uri = f"s3://{server.bucket()}/x"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    storage = Storage(server.options())
    if refuses:
        with pytest.raises(StorageError, match=r"SignatureDoesNotMatch: .*\(1 attempt\)") as caught:
            storage.write(uri, b"1")
        assert "wrong-secret" not in str(caught.value)
    else:
        storage.write(uri, b"1")


@pytest.mark.parametrize(("name", "status"), [("moto", 412), ("rclone", 200)])
def test_difference_only_moto_heeds_conditions(request, name, status):
    server = request.getfixturevalue(name)
    bucket, client = server.bucket(), server.client()
    client.put_object(Bucket=bucket, Key="x", Body=b"1")
    try:
        answer = client.put_object(Bucket=bucket, Key="x", Body=b"2", IfNoneMatch="*")
    except ClientError as error:
        answer = error.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize(("name", "counts_parts"), [("moto", True), ("rclone", False)])
def test_difference_only_moto_counts_parts_in_the_etag(request, name, counts_parts):
    server = request.getfixturevalue(name)
    storage, uri = Storage(server.options()), f"s3://{server.bucket()}/x"
    storage.write(uri, b"x" * 20_000_000)
    assert storage.stat(uri).etag.endswith("-3") == counts_parts


@pytest.mark.parametrize(("name", "stores"), [("moto", True), ("rclone", False)])
def test_difference_only_moto_stores_climbing_keys(request, name, stores):
    server = request.getfixturevalue(name)
    bucket, client = server.bucket(), server.client()
    try:
        client.put_object(Bucket=bucket, Key="../../evil.txt", Body=b"1")
    except ClientError:
        assert not stores
    else:
        assert stores
    assert not os.path.lexists("evil.txt")

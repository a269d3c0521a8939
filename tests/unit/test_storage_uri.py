"""URIs: plain paths and s3://, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autolabel.errors import StorageError
from autolabel.storage import Storage
from autolabel.storage.uri import is_s3, join, parent, scheme, split_s3

SEGMENTS = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda segment: segment not in (".", "..")
)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://bucket/a/b.png", ("bucket", "a/b.png")),
        ("s3://bucket/a%20b?c#d", ("bucket", "a%20b?c#d")),
        ("s3://bucket//a", ("bucket", "/a")),
        ("s3://bucket/folder/", ("bucket", "folder/")),
        ("s3://bucket/", ("bucket", "")),
        ("s3://bucket", ("bucket", "")),
        ("s3://my.bucket-1/...", ("my.bucket-1", "...")),
    ],
)
def test_an_s3_uri_is_bucket_and_literal_key(uri, expected):
    assert is_s3(uri)
    assert split_s3(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "plain/path",
        "s3:/bucket/key",
        "s3://",
        "s3:///key",
        "s3://b/key",
        "s3://../../etc/passwd",
        "s3://user:secret@bucket/key",
        "s3://bucket/../../etc/passwd",
        "s3://bucket/a/./b",
        "s3://bucket/a\0b",
        "s3://buck\net/a",
    ],
)
def test_what_is_no_s3_uri_is_refused(uri):
    with pytest.raises(StorageError):
        split_s3(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/x",
        "https://bucket.s3.amazonaws.com/x",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "ftp://host/x",
        "gopher://host/x",
        "data:text/plain,x",
        "S3://bucket/key",
        "C:\\x",
        "~/x",
        "~root/x",
        "a\0b",
        "",
    ],
)
@pytest.mark.parametrize("verb", ["read", "stat", "list", "delete", "open", "write", "join", "parent"])
def test_every_verb_refuses_other_schemes_and_odd_paths(uri, verb):
    storage = Storage()
    verbs = {
        "open": lambda: storage.open(uri).__enter__(),
        "write": lambda: storage.write(uri, b""),
        "list": lambda: list(storage.list(uri)),
        "join": lambda: join(uri, "x"),
        "parent": lambda: parent(uri),
    }
    with pytest.raises(StorageError):
        verbs.get(verb, lambda: getattr(storage, verb)(uri))()


def test_a_colon_behind_a_slash_is_no_scheme():
    assert scheme("./a:b.png") == ""
    assert scheme("2026-11-23T12:00:00") == ""
    assert scheme("a:b.png") == "a:"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("s3://bucket", "a", "b/c"), "s3://bucket/a/b/c"),
        (("s3://bucket/", "a"), "s3://bucket/a"),
        (("s3://bucket/x/", "a", ""), "s3://bucket/x/a/"),
        (("/x", "a"), "/x/a"),
        (("/", "a"), "/a"),
        (("x/y", "a..b"), "x/y/a..b"),
        (("s3://bucket/x",), "s3://bucket/x"),
    ],
)
def test_join(parts, expected):
    assert join(*parts) == expected


@pytest.mark.parametrize("base", ["s3://bucket/x", "/x"])
@pytest.mark.parametrize("part", ["/etc", "..", "../y", "a/../../b"])
def test_join_does_not_lead_out(base, part):
    with pytest.raises(StorageError, match="leads out"):
        join(base, part)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://bucket/a/b", "s3://bucket/a"),
        ("s3://bucket/a/b/", "s3://bucket/a"),
        ("s3://bucket/a", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket", "s3://bucket"),
        ("/a/b", "/a"),
        ("/a", "/"),
        ("/", "/"),
        ("a/b/", "a"),
        ("a", "."),
    ],
)
def test_parent(uri, expected):
    assert parent(uri) == expected


@given(st.sampled_from(["s3://bucket", "s3://bucket/x", "/x/y"]), st.lists(SEGMENTS, min_size=1, max_size=4))
def test_parent_undoes_join(base, segments):
    joined = join(base, *segments)
    assert parent(joined) == join(base, *segments[:-1])
    assert is_s3(joined) == is_s3(base)

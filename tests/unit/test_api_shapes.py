from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from autolabel.api import shapes

MODEL = {
    "metadata": {"apiVersion": "2020-01-01", "protocol": "json", "serviceId": "made-up"},
    "operations": {},
    "shapes": {
        "Text": {"type": "string"},
        "Short": {"type": "string", "max": 2},
        "Flag": {"type": "boolean"},
        "Big": {"type": "long"},
        "Ratio": {"type": "double"},
        "When": {"type": "timestamp"},
        "Bytes": {"type": "blob"},
        "Named": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Short"}, "max": 2},
    },
}


def made_up(name: str) -> shapes.Shape:
    return ServiceModel(MODEL, "made-up").shape_for(name)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Flag", True, []),
        ("Flag", 1, ["Value '1' at 'x' failed to satisfy constraint: Member must be a boolean"]),
        ("Big", 2**63 - 1, []),
        ("Big", 2**63, [f"Member must have value less than or equal to {2**63 - 1}"]),
        ("Ratio", 1, []),
        ("Ratio", 0.5, []),
        ("Ratio", True, ["Value 'true' at 'x' failed to satisfy constraint: Member must be a number"]),
        ("When", datetime(2024, 1, 1, tzinfo=UTC), []),
        ("When", "2024", ["Member must be a time"]),
        ("Bytes", b"x", []),
        ("Bytes", "x", ["Member must be bytes"]),
        ("Named", {"a": "1", "b": "2"}, []),
        ("Named", {"a": "1", "b": "222"}, ["Value '222' at 'x.b' failed"]),
        ("Named", {"a": "1", "b": "2", "c": "3"}, ["Value '{...}' at 'x' failed"]),
        ("Named", [], ["Value '[]' at 'x' failed to satisfy constraint: Member must be an object"]),
    ],
)
def test_types_that_requests_do_not_use_yet_are_checked_too(name, value, expected):
    found = [str(violation) for violation in shapes.violations(value, made_up(name), ("X",))]
    assert len(found) == len(expected)
    assert all(part in sentence for part, sentence in zip(expected, found, strict=True))


def test_a_newer_model_in_the_users_home_does_not_change_what_is_valid(tmp_path, monkeypatch):
    folder = tmp_path / "sagemaker" / "2099-01-01"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text('{"metadata": {}, "operations": {}, "shapes": {}}', encoding="utf-8")
    monkeypatch.setattr(Loader, "CUSTOMER_DATA_PATH", str(tmp_path))
    model = shapes._service.__wrapped__()
    assert "CreateLabelingJob" in model.operation_names


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("manifest.jsonl", True),
        ("/a/b", True),
        ("./a:b", True),
        ("a:b", True),
        ("C:x", True),
        ("s3://b/k", False),
        ("S3://b/k", False),
        ("s3:/b", False),
        ("file:///etc", False),
        ("a\nb", False),
        ("", False),
    ],
)
def test_a_plain_path_is_told_from_a_uri(value, plain):
    assert shapes.is_plain_path(value) is plain

"""Options of reaching S3: ranges, and nothing secret."""

from __future__ import annotations

import subprocess
import sys

import pytest

from autolabel.errors import SettingsError
from autolabel.storage import StorageOptions


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_attempts", 0),
        ("max_attempts", 101),
        ("backoff", -1.0),
        ("backoff", float("nan")),
        ("connect_timeout", 0.0),
        ("read_timeout", -1.0),
        ("read_timeout", float("nan")),
        ("endpoint_url", "127.0.0.1:9000"),
        ("endpoint_url", "ftp://host"),
        ("endpoint_url", "http://"),
        ("endpoint_url", "http://key:secret@host"),
    ],
)
def test_a_value_out_of_range_is_refused(option, value):
    with pytest.raises(SettingsError, match=option) as caught:
        StorageOptions(**{option: value})
    assert "secret" not in str(caught.value)


def test_options_can_be_compared_and_hashed():
    assert StorageOptions(region="x") == StorageOptions(region="x")
    assert len({StorageOptions(), StorageOptions(), StorageOptions(kms_key_id="k")}) == 2


def test_local_work_imports_no_client(tmp_path):
    code = f"""
import sys
from autolabel.storage import Storage, StorageOptions, object_reader
Storage().write({str(tmp_path / "x")!r}, b"x")
object_reader(StorageOptions(), root={str(tmp_path)!r}).get("x")
heavy = {{"boto3", "botocore", "obstore", "torch", "numpy"}}
print(heavy & {{name.partition(".")[0] for name in sys.modules}})
"""
    process = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert process.stdout == "set()\n"

"""Safetensors bytes of strangers (catalogue K): what does not hold together is refused before it is believed."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from autolabel.errors import CheckpointError
from autolabel.inference.tensors import dump_tensors, load_tensors

BODY = np.arange(4, dtype=np.float32).tobytes()


def file_of(header, body=BODY):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def tensor(dtype="F32", shape=(4,), offsets=(0, 16)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


REFUSED = {
    "nothing": (b"", "not a safetensors file"),
    "a pickle": (pickle.dumps({"weight": 1}), "is a pickle, which can run any program"),
    "a torch file": (b"PK\x03\x04" + b"\x00" * 40, "is a pickle, which can run any program"),
    "a header over 100 MB": ((200_000_000).to_bytes(8, "little") + b" " * 50, "claims 200,000,000 bytes"),
    "a header longer than the file": ((500).to_bytes(8, "little") + b"{}", "claims 500 bytes"),
    "a header that is no JSON": (file_of(b"{nope}"), "its header is broken"),
    "a header that nests without end": (file_of(b"[" * 200_000), "its header is broken"),
    "a header that is a list": (file_of([]), "its header is not an object"),
    "a name twice": (file_of(b'{"a": 1, "a": 2}'), "a name occurs twice"),
    "an entry that is a number": (file_of({"a": 1}), "has not exactly dtype, shape and data_offsets"),
    "an unknown type": (file_of({"a": tensor("F8_E4M3")}), "has type 'F8_E4M3', expected one of"),
    "a type that is a list": (file_of({"a": tensor([])}), "expected one of"),
    "a shape of the wrong size": (file_of({"a": tensor(shape=(5,))}), "which is not 16 bytes"),
    "a negative side": (file_of({"a": tensor(shape=(-4,))}), "not lists of natural numbers"),
    "a side of 2^62": (file_of({"a": tensor(shape=(0, 2**62))}), "not lists of natural numbers"),
    "a side that is true": (file_of({"a": tensor(shape=(True,))}), "not lists of natural numbers"),
    "one offset": (file_of({"a": tensor(offsets=(0,))}), "1 data_offsets, expected 2"),
    "offsets beyond the file": (file_of({"a": tensor(shape=(8,), offsets=(0, 32))}), "the file is cut"),
    "overlapping tensors": (
        file_of({"a": tensor(), "b": tensor(shape=(2,), offsets=(8, 16))}),
        "'b' begins at byte 8 and overlaps",
    ),
    "a gap": (file_of({"a": tensor(shape=(2,), offsets=(8, 16))}), "'a' begins at byte 8 and leaves a gap"),
    "bytes left over": (file_of({"a": tensor(shape=(2,), offsets=(0, 8))}), "8 bytes belong to no tensor"),
    "NaN": (file_of({"a": tensor(shape=(1,), offsets=(0, 4))}, np.float32("nan").tobytes()), "NaN or infinite"),
    "infinity": (file_of({"a": tensor("F16", (1,), (0, 2))}, np.float16("inf").tobytes()), "NaN or infinite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_does_not_hold_together_is_refused(name):
    data, reason = REFUSED[name]
    with pytest.raises(CheckpointError) as caught:
        load_tensors(data, "weights")
    assert str(caught.value).startswith("weights")
    assert reason in str(caught.value)


def test_metadata_of_other_programs_is_ignored():
    found = load_tensors(file_of({"__metadata__": {"format": "pt"}, "a": tensor()}), "weights")
    np.testing.assert_array_equal(found["a"], np.arange(4, dtype=np.float32))


def test_equal_arrays_give_equal_bytes_whatever_their_order():
    one, two = np.ones(3, np.float32), np.arange(4)
    assert dump_tensors({"x": one, "y": two}) == dump_tensors({"y": two, "x": one[::1]})


@pytest.mark.parametrize(
    ("array", "reason"), [(np.asarray(["a"]), "has type <U1"), (np.asarray([np.nan]), "holds NaN or infinite")]
)
def test_what_could_not_be_read_back_is_not_written(array, reason):
    with pytest.raises(CheckpointError, match=reason):
        dump_tensors({"x": array})

"""Named arrays as safetensors bytes: written the same for the same content, read with suspicion."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MAX_HEADER = 100_000_000
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "|u1"}
"""Types of the format that are read and written here."""


def dump_tensors(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Write arrays of the types in `DTYPES`; the order of `arrays` does not matter."""
    from safetensors.numpy import save

    for name, array in arrays.items():
        if np.dtype(array.dtype).str not in DTYPES.values():
            raise CheckpointError(f"array {name!r} has type {array.dtype}, expected one of {', '.join(DTYPES)}")
        _require_finite(array, f"array {name!r}")
    return bytes(save({name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}))


def load_tensors(data: bytes, source: str) -> dict[str, NDArray[Any]]:
    """Read arrays; they are views of `data` and read-only.

    The header is checked here, before anything is allocated: its length, that every tensor has a known type and as
    many bytes as its shape says, and that together they fill the file without gap or overlap.

    Parameters
    ----------
    source
        What the bytes are, for messages.

    Raises
    ------
    CheckpointError
        Not a safetensors file, or one that does not hold together; floating-point values that are not finite.
    """
    header, body = _header(data, source)
    arrays = {}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: _offsets(item[1])):
        dtype, shape, begin, stop = _entry(entry, f"{source}: tensor {name!r}")
        if begin != end:
            relation = "overlaps" if begin < end else "leaves a gap after"
            raise CheckpointError(f"{source}: tensor {name!r} begins at byte {begin} and {relation} the one before")
        if stop > len(body):
            raise CheckpointError(f"{source}: tensor {name!r} ends at byte {stop} of {len(body)}; the file is cut")
        array = np.frombuffer(body[begin:stop], dtype=dtype).reshape(shape)
        _require_finite(array, f"{source}: tensor {name!r}")
        arrays[name] = array
        end = stop
    if end != len(body):
        raise CheckpointError(f"{source}: {len(body) - end} bytes belong to no tensor")
    return {name: arrays[name] for name in sorted(arrays)}


def _header(data: bytes, source: str) -> tuple[dict[str, Any], memoryview]:
    if looks_pickled(data):
        raise CheckpointError(f"{source} is a pickle, which can run any program; convert it to safetensors")
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > MAX_HEADER or 8 + length > len(data):
        raise CheckpointError(
            f"{source} is not a safetensors file: its header claims {length:,} bytes, the file has {len(data):,} and "
            f"at most {MAX_HEADER:,} are accepted"
        )
    try:
        header = json.loads(data[8 : 8 + length], object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{source} is not a safetensors file: its header is broken: {error}") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{source} is not a safetensors file: its header is not an object")
    header.pop("__metadata__", None)
    return header, memoryview(data)[8 + length :]


def _require_finite(array: NDArray[Any], where: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise CheckpointError(f"{where} holds NaN or infinite values; train the model again")


def looks_pickled(data: bytes) -> bool:
    """Whether bytes begin like a pickle or like the ZIP archive of pickles that torch.save writes."""
    return data.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04"))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _offsets(entry: Any) -> tuple[int, ...]:
    """Sort key: first and last byte, or nothing for an entry that `_entry` will refuse."""
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    return tuple(offsets) if isinstance(offsets, list) and all(type(each) is int for each in offsets) else ()


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**40


def _entry(entry: Any, where: str) -> tuple[str, tuple[int, ...], int, int]:
    """Read one header entry: type, shape, first byte and the byte after the last."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"{where} has not exactly dtype, shape and data_offsets")
    dtype = DTYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if dtype is None:
        raise CheckpointError(f"{where} has type {entry['dtype']!r}, expected one of {', '.join(DTYPES)}")
    numbers = [entry["shape"], entry["data_offsets"]]
    if not all(isinstance(each, list) and all(_is_size(n) for n in each) for each in numbers):
        raise CheckpointError(f"{where} has a shape or offsets that are not lists of natural numbers")
    if len(entry["data_offsets"]) != 2:
        raise CheckpointError(f"{where} has {len(entry['data_offsets'])} data_offsets, expected 2")
    begin, stop = entry["data_offsets"]
    count = 1
    for side in entry["shape"]:
        count *= side
    if stop - begin != count * np.dtype(dtype).itemsize:
        raise CheckpointError(
            f"{where} has shape {entry['shape']} and type {entry['dtype']}, which is not {stop - begin} bytes"
        )
    return dtype, tuple(entry["shape"]), begin, stop

"""The output manifest: the input's lines, in order, with what became of each object."""

from __future__ import annotations

import hashlib
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autolabel.manifest.carried import METADATA
from autolabel.manifest.fault import LineError
from autolabel.manifest.splice import Additions, Splice, augment
from autolabel.manifest.strict import parse_object
from autolabel.storage.durable import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from autolabel.manifest.lines import Manifest

__all__ = ["Additions", "Splice", "augment", "failed_fields", "iso_micro", "manifest_pieces", "write_manifest"]

_CHUNK: Final = 8192
"""Lines gathered before they are written."""

_CLOSE: Final = ord("}")


def iso_micro(moment: datetime) -> str:
    """Write a moment as Ground Truth does in manifests: UTC, microseconds, no ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def failed_fields(attribute: str, reason: str, retries: int) -> dict[str, Any]:
    """Build the one key of a failed object's line as Ground Truth writes it: ``"true"``, not ``"yes"``."""
    metadata = {"retry-count": retries, "failure-reason": reason, "human-annotated": "true"}
    return {attribute + METADATA: metadata}


def write_manifest(
    path: Path,
    manifest: Manifest,
    additions: Additions,
    *,
    rejected: Callable[[int, bytes], None] | None = None,
) -> str:
    """Write the input's objects, a line each and in order, with what became of them; return the file's sha256.

    An object without splice keeps its line but for the line ending, one with a splice every other byte of it. Where the
    line already had one of the attribute's keys, that key keeps its place; the label of an object that failed is taken
    out. A bad line without splice gets the failure that the index has for it. A line that is not even JSON cannot
    stand in a JSON Lines file: its object is written with its metadata alone.

    Parameters
    ----------
    path
        Written atomically, piece by piece.
    additions
        What to put into each object's line: a label with its metadata, or a failure's metadata.
    rejected
        Called with number and bytes of each line that could not be kept, at most 1 MiB of one that no block can hold.

    Raises
    ------
    ValueError
        A splice has another key than the attribute that the manifest was indexed for and its metadata.
    StorageError
        The file cannot be written; what was there is still there.
    """
    digest = hashlib.sha256()
    writer = _Writer(manifest, additions, rejected)

    def pieces() -> Iterator[bytes]:
        for piece in writer.pieces():
            digest.update(piece)
            yield piece

    write_atomically(path, pieces())
    return digest.hexdigest()


def manifest_pieces(manifest: Manifest, additions: Additions) -> Iterator[bytes]:
    """Yield the bytes that `write_manifest` writes, whole lines, some thousand at a time."""
    return _Writer(manifest, additions, None).pieces()


class _Writer:
    """Makes output lines."""

    def __init__(
        self,
        manifest: Manifest,
        additions: Additions,
        rejected: Callable[[int, bytes], None] | None,
    ) -> None:
        index = manifest.index
        self._manifest = manifest
        self._additions = additions
        self._rejected = rejected
        self._attribute = index.attribute
        metadata = index.attribute + METADATA
        self._failure = frozenset({metadata})
        for splice in additions.splices:
            if splice.keys not in (self._failure, {index.attribute, metadata}):
                raise ValueError(f"found the keys {sorted(splice.keys)}; expected those of {self._attribute!r}")
        self._bad = {bad.object: bad for bad in index.bad}
        # Lines that hold one of the attribute's keys, or may: a splice could repeat it.
        self._taken = np.zeros(len(index), np.bool_)
        for others in (index.prior, index.overwritten, np.array(list(self._bad), np.int64)):
            self._taken[others] = True
        self._ends = [b"}\n", *(b",%b}\n" % splice.tail for splice in additions.splices)]

    def pieces(self) -> Iterator[bytes]:
        """Yield the output, some thousand lines at a time."""
        ends = self._ends
        for first in range(0, len(self._manifest), _CHUNK):
            lines = self._manifest.block(first, _CHUNK)
            which = self._additions.which[first : first + _CHUNK].tolist()
            # All but the few special lines end with the brace that the splice goes in front of.
            parts = [part for line, place in zip(lines, which, strict=True) for part in (line[:-1], ends[place])]
            last = np.cumsum(self._manifest.index.lengths[first : first + _CHUNK], dtype=np.int64) - 1
            is_spaced = np.frombuffer(b"".join(lines), np.uint8)[last] != _CLOSE
            for place in np.flatnonzero(self._taken[first : first + _CHUNK] | is_spaced).tolist():
                number = first + place
                line = self._special(number, lines[place], self._additions.of(number))
                parts[2 * place : 2 * place + 2] = line, b"\n"
            yield b"".join(parts)

    def _special(self, number: int, line: bytes, splice: Splice | None) -> bytes:
        """Make the line of an object whose input line is bad, holds one of the keys or ends with a space."""
        bad = self._bad.get(number)
        if bad is not None and splice is None:
            splice = Splice(failed_fields(self._attribute, f"ClientError: {bad.code}: {bad.message}", 0))
        if splice is None:
            return line
        if bad is not None and not _is_json_object(line):
            if self._rejected is not None:
                self._rejected(number, line)
            return b"{%b}" % splice.tail
        return splice.onto(line, remove=(self._attribute,) if splice.keys == self._failure else ())


def _is_json_object(line: bytes) -> bool:
    try:
        parse_object(line)
    except LineError:
        return False
    return True

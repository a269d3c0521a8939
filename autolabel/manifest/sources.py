"""The value of a line's source key, and how many objects share one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from autolabel.manifest.members import members
from autolabel.manifest.words import BEHIND, Words, fingerprints

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def source_reader(key: str) -> Callable[[bytes], str]:
    """Build a function that reads the string under `key` of a good line, passing over everything else."""
    struct = msgspec.defstruct("Line", [("source", str)], rename={"source": key}, gc=False)
    decoder = msgspec.json.Decoder(struct)

    def read(line: bytes) -> str:
        source: str = decoder.decode(line).source  # type: ignore[attr-defined]  # a field named at run time
        return source

    return read


def written_source(line: bytes, key: str, source: str) -> bytes:
    """Return the source of a good line as it is written: without quotes, with its escapes."""
    if b"\\" not in line:
        return source.encode()
    text = line.decode()
    member = next(member for member in members(text) if member.key == key)
    return text[member.value + 1 : member.end - 1].encode()


class SourceCounter:
    """Counts objects whose source came before, at 16 bytes an object and almost no time.

    Sources are compared as they are written, so one that is written with other escapes counts as another one: by
    fingerprint first, and in full where two have the same.
    """

    def __init__(self) -> None:
        self._objects: list[NDArray[np.int64]] = []
        self._fingerprints: list[NDArray[np.uint64]] = []

    def add(self, objects: NDArray[np.int64], fingerprints: NDArray[np.uint64]) -> None:
        """Add objects whose sources were fingerprinted in a block."""
        self._objects.append(objects)
        self._fingerprints.append(fingerprints)

    def add_texts(self, sources: dict[int, bytes]) -> None:
        """Add objects whose sources were read one by one."""
        length = np.array([len(text) for text in sources.values()], np.int64)
        words = Words(b"".join(sources.values()) + bytes(BEHIND))
        self.add(np.fromiter(sources, np.int64, len(sources)), fingerprints(words, np.cumsum(length) - length, length))

    def repeats(self, source: Callable[[int], bytes]) -> list[tuple[int, int]]:
        """Return ``(object, earlier object with the same source)`` for each repeat, by object."""
        ordered = np.concatenate([np.empty(0, np.uint64), *self._fingerprints])
        ordered.sort()
        is_shared = ordered[1:] == ordered[:-1]
        if not is_shared.any():
            return []
        shared = ordered[1:][is_shared]
        suspects = [
            objects[np.isin(prints, shared)] for objects, prints in zip(self._objects, self._fingerprints, strict=True)
        ]
        first: dict[bytes, int] = {}
        repeats = []
        for number in np.sort(np.concatenate(suspects)).tolist():
            earlier = first.setdefault(source(number), number)
            if earlier != number:
                repeats.append((number, earlier))
        return repeats

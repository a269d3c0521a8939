"""The lines of an indexed manifest, memory-mapped."""

from __future__ import annotations

import json
import mmap
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from autolabel.errors import StorageError
from autolabel.manifest.sources import source_reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from autolabel.manifest.index import ManifestIndex

_CHUNK = 8192


class Manifest:
    """Lines by object number. Reading is safe from several threads; close it, or use it as a context manager.

    Attributes
    ----------
    path
        The file that was indexed, or a copy of it.
    index
        Where its objects stand.

    Raises
    ------
    StorageError
        The file is gone, or is not as long as its index says.
    """

    def __init__(self, path: Path, index: ManifestIndex) -> None:
        self.path = path
        self.index = index
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise StorageError(str(path), f"the manifest cannot be read: {error}") from error
        if (found := len(self._map)) != index.size:
            self.close()
            raise StorageError(str(path), f"found {found:,} bytes, its index expects {index.size:,}")
        self._read_source = source_reader(index.kind.source_key)
        self._bad = frozenset(bad.object for bad in index.bad)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.index)

    def close(self) -> None:
        """Let go of the file; nothing can be read any more."""
        self._map.close()

    def line(self, number: int) -> bytes:
        """Return an object's line as it is written, without its line ending."""
        start = int(self.index.offsets[number])
        return self._map[start : start + int(self.index.lengths[number])]

    def block(self, first: int, count: int) -> list[bytes]:
        """Return the lines of up to `count` objects from `first` on, faster than one by one."""
        starts = self.index.offsets[first : first + count].astype(np.int64)
        ends = starts + self.index.lengths[first : first + count]
        mapped = self._map
        return [mapped[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]

    def lines(self) -> Iterator[bytes]:
        """Yield every object's line in order."""
        for first in range(0, len(self), _CHUNK):
            yield from self.block(first, _CHUNK)

    def is_bad(self, number: int) -> bool:
        """Tell whether an object fails because of its line."""
        return number in self._bad

    def source(self, number: int) -> str:
        """Return an object's text or reference; empty for a bad line, which nobody is asked about."""
        return "" if number in self._bad else self._read_source(self.line(number))

    def record(self, number: int) -> dict[str, Any]:
        """Return an object's line, which is good, parsed."""
        record: dict[str, Any] = json.loads(self.line(number))
        return record

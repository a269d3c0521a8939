"""The index of a manifest: where every object's line stands, and what is known about the lines."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from autolabel.api.kinds import TaskKind  # noqa: TC001 - msgspec reads the annotations of _Facts
from autolabel.errors import JobCorruptError
from autolabel.manifest.fault import BadLine  # noqa: TC001 - likewise
from autolabel.storage.durable import make_folder, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LONGEST_KEPT: Final = 1 << 20
"""Of a line that no block can hold, and no limit allows, that many bytes are indexed."""

_FACTS = "index.json"
_ARRAYS = ("offsets", "lengths", "blank", "prior", "overwritten")


@dataclass(frozen=True)
class ManifestIndex:
    """Where the N objects of a manifest stand; 12 bytes an object.

    Attributes
    ----------
    offsets
        First byte of each object's line, ``uint64``, shape ``(N,)``.
    lengths
        Bytes of each line without its line ending, ``uint32``, shape ``(N,)``.
    blank
        0-based physical numbers of the lines that hold no object, ``int64``, sorted.
    prior
        Objects that came with a label for the attribute, ``int64``, sorted.
    overwritten
        Objects that came with something else under one of the attribute's two keys, ``int64``, sorted.
    bad
        Objects that fail because of their line, sorted.
    warnings
        Sentences about what is odd but allowed.
    duplicates
        Objects whose source is also that of an earlier object.
    kind, attribute
        What the lines were read for.
    size, sha256
        Of the whole file.
    """

    offsets: NDArray[np.uint64]
    lengths: NDArray[np.uint32]
    blank: NDArray[np.int64]
    prior: NDArray[np.int64]
    overwritten: NDArray[np.int64]
    bad: tuple[BadLine, ...]
    warnings: tuple[str, ...]
    duplicates: int
    kind: TaskKind
    attribute: str
    size: int
    sha256: str

    def __len__(self) -> int:
        return len(self.offsets)

    def line_number(self, number: int) -> int:
        """Return the 1-based physical line of an object."""
        objects_before = self.blank - np.arange(len(self.blank))
        return number + 1 + int(np.searchsorted(objects_before, number, side="right"))

    def save(self, folder: Path) -> None:
        """Write the index into a folder, which is made where it is missing.

        Raises
        ------
        StorageError
            The folder cannot be written.
        """
        make_folder(folder)
        for name in _ARRAYS:
            write_atomically(folder / f"{name}.npy", _npy(getattr(self, name)))
        facts = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in _ARRAYS}
        write_atomically(folder / _FACTS, msgspec.json.encode(facts))

    @classmethod
    def load(cls, folder: Path) -> ManifestIndex:
        """Read an index that `save` wrote; the arrays are memory-mapped, read-only.

        Raises
        ------
        JobCorruptError
            A file is missing or damaged, or the files do not belong together.
        """
        try:
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
            facts = msgspec.json.decode((folder / _FACTS).read_bytes(), type=_Facts)
        except (OSError, ValueError, EOFError) as error:
            raise JobCorruptError(f"{folder} is no manifest index: {error}; index the manifest again") from error
        index = cls(**arrays, **{name: getattr(facts, name) for name in facts.__struct_fields__})
        index._check(folder)
        return index

    def _check(self, folder: Path) -> None:
        count = len(self.offsets)
        end = int(self.offsets[-1]) + int(self.lengths[-1]) if count else 0
        objects = [number for number in (self.prior, self.overwritten) if len(number)]
        if len(self.lengths) != count or end > self.size or any(part[-1] >= count for part in objects):
            raise JobCorruptError(
                f"{folder}: found {count} offsets, {len(self.lengths)} lengths and a manifest of {self.size} bytes, "
                "which do not belong together; index the manifest again"
            )


class _Facts(msgspec.Struct):
    """What of an index is not an array, as JSON."""

    bad: tuple[BadLine, ...]
    warnings: tuple[str, ...]
    duplicates: int
    kind: TaskKind
    attribute: str
    size: int
    sha256: str


def _npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()

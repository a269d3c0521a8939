"""Shards on disk: runs of objects, their vectors, and the receipt that says that they are finished.

A folder holds ``objects.npy`` and, for each run of `SHARD` objects, ``shard-00000.npy`` with its receipt
``shard-00000.json``. The receipt is written last; a shard without one was never finished. It names everything that the
vectors depend on, so that a shard can be made by any process of any machine, twice or never, and the folder is the
same in the end.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from autolabel.errors import CheckpointError
from autolabel.storage.durable import make_folder, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SHARD = 8_192
"""Objects a shard: about a minute of a small network on two cores, half a second of a GPU, twenty megabytes."""
OBJECTS = "objects.npy"


class Origin(msgspec.Struct, frozen=True):
    """What vectors come from: equal origins give equal vectors, to the byte where `Encoder.route` promises it."""

    fingerprint: str
    """Of the encoder."""
    route: str
    """Decoder, runtime and precision; see `Encoder.route`."""
    content: str
    """What the object numbers mean; see `SourceReader.content`."""


class Receipt(msgspec.Struct, frozen=True):
    """Says that a shard is finished, and what it was made of."""

    origin: Origin
    rows_sha256: str
    """Of the object numbers."""
    sha256: str
    """Of the file of vectors."""
    failures: dict[str, str]
    """Objects without a vector, by number, and why; their rows are zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """A run of objects and where its vectors belong.

    Attributes
    ----------
    place
        Position among the shards of the pool; with the object numbers it is the shard's identity.
    objects
        Object numbers, ascending, shape ``(n,)``.
    """

    place: int
    objects: NDArray[np.int64]
    folder: Path

    @property
    def array(self) -> Path:
        """File of the vectors, shape ``(n, D)``, float16."""
        return self.folder / f"shard-{self.place:05d}.npy"

    @property
    def receipt(self) -> Path:
        """File of the receipt."""
        return self.folder / f"shard-{self.place:05d}.json"

    @property
    def rows_sha256(self) -> str:
        """Digest of the object numbers."""
        return hashlib.sha256(self.objects.tobytes()).hexdigest()

    def read_receipt(self) -> Receipt | None:
        """Return the receipt, if there is one that can be read and that is about these objects."""
        try:
            found = msgspec.json.decode(self.receipt.read_bytes(), type=Receipt)
        except (OSError, msgspec.DecodeError):
            return None
        return found if found.rows_sha256 == self.rows_sha256 else None

    def finished(self, origin: Origin) -> Receipt | None:
        """Return the receipt of vectors that are there, whole and of this origin. Reads the whole file."""
        found = self.read_receipt()
        if found is None or found.origin != origin:
            return None
        return found if digest_of_file(self.array) == found.sha256 else None

    def write(self, vectors: NDArray[np.float16], failures: dict[str, str], origin: Origin) -> Receipt:
        """Write the vectors, then the receipt; what was there before is replaced."""
        data = to_npy(vectors)
        write_atomically(self.array, data)
        receipt = Receipt(origin, self.rows_sha256, hashlib.sha256(data).hexdigest(), failures)
        write_atomically(self.receipt, msgspec.json.encode(receipt))
        return receipt

    def vectors(self) -> NDArray[np.float16]:
        """Map the file of vectors; the mapping ends with the last reference to it.

        It is a private one: nobody writes, but torch takes only what could be written.

        Raises
        ------
        CheckpointError
            It cannot be read, or has another number of rows.
        """
        try:
            array: NDArray[np.float16] = np.load(self.array, mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.array} cannot be read ({error}); embed the pool again") from error
        if len(array) != len(self.objects):
            raise CheckpointError(
                f"{self.array} has {len(array)} rows, expected {len(self.objects)}; embed the pool again"
            )
        return array


def lay_out(folder: Path, rows: NDArray[np.int64]) -> list[Shard]:
    """Cut a pool into shards and keep its object numbers beside them.

    Parameters
    ----------
    rows
        Object numbers, ascending, shape ``(n,)``.
    """
    make_folder(folder)
    objects = np.ascontiguousarray(rows, np.int64)
    data = to_npy(objects)
    if digest_of_file(folder / OBJECTS) != hashlib.sha256(data).hexdigest():
        write_atomically(folder / OBJECTS, data)
    return shards_of(folder, objects)


def read_layout(folder: Path) -> list[Shard]:
    """Return the shards of a folder that `lay_out` made; `CheckpointError` when it is none."""
    try:
        objects: NDArray[np.int64] = np.load(folder / OBJECTS, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: the embeddings cannot be read ({error}); embed the pool again") from error
    return shards_of(folder, objects)


def shards_of(folder: Path, objects: NDArray[np.int64]) -> list[Shard]:
    """Cut object numbers into runs of `SHARD`."""
    return [
        Shard(place, objects[begin : begin + SHARD], folder)
        for place, begin in enumerate(range(0, len(objects), SHARD))
    ]


def to_npy(array: NDArray[Any]) -> bytes:
    """Return an array as the bytes of an ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def digest_of_file(path: Path) -> str | None:
    """SHA-256 of a file; ``None`` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None

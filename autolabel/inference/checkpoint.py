"""A trained model in one form: ``model.json`` and ``weights.safetensors`` in a folder or a ``model.tar.gz``.

Nothing in it is executed. ``model.json`` says what the arrays are and carries the digest of the other file; a reader
that finds anything else than what it says refuses the model and gives the reason.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from autolabel.api.kinds import TaskKind  # noqa: TC001 - msgspec reads the annotations of _Description
from autolabel.api.strict_json import parse_json
from autolabel.errors import CheckpointError, InvalidRequestError
from autolabel.inference.archive import pack_members, read_members
from autolabel.inference.tensors import dump_tensors, load_tensors, looks_pickled
from autolabel.storage.durable import make_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

FORMAT = 1
DESCRIPTION = "model.json"
WEIGHTS = "weights.safetensors"
LIMITS = {DESCRIPTION: 16 << 20, WEIGHTS: 2 << 30}
"""The only two files, and the most bytes that are read of each."""


class _Description(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    format: int
    task_kind: TaskKind
    categories: tuple[str, ...]
    encoder: str
    encoder_fingerprint: str
    facts: dict[str, Any]
    shapes: dict[str, tuple[str, tuple[int, ...]]]
    """Type and shape of every array."""
    weights_sha256: str


@dataclass(frozen=True, eq=False, slots=True)
class Checkpoint:
    """A trained model.

    Attributes
    ----------
    task_kind, categories
        What it labels, in the order of its class ids.
    encoder, encoder_fingerprint
        What its features come from.
    arrays
        Head, feature map, error models, and the state of an encoder that was fitted on the pool; finite, of the types
        in `tensors.DTYPES`.
    facts
        JSON: where it comes from and what was measured.
    """

    task_kind: TaskKind
    categories: tuple[str, ...]
    encoder: str
    encoder_fingerprint: str
    arrays: dict[str, NDArray[Any]]
    facts: dict[str, Any] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Write a ``model.tar.gz``; equal models are equal bytes."""
        return pack_members(self._files())

    def save_folder(self, folder: str | Path) -> None:
        """Write both files; ``model.json`` comes last, so that a model is complete when it is there."""
        folder = Path(folder)
        make_folder(folder)
        files = self._files()
        for name in (WEIGHTS, DESCRIPTION):
            write_atomically(folder / name, files[name])

    def _files(self) -> dict[str, bytes]:
        weights = dump_tensors(self.arrays)
        description = _Description(
            format=FORMAT,
            task_kind=self.task_kind,
            categories=self.categories,
            encoder=self.encoder,
            encoder_fingerprint=self.encoder_fingerprint,
            facts=self.facts,
            shapes=_shapes(self.arrays),
            weights_sha256=hashlib.sha256(weights).hexdigest(),
        )
        text = msgspec.json.format(msgspec.json.encode(description, order="deterministic"), indent=1)
        return {DESCRIPTION: text, WEIGHTS: weights}

    @classmethod
    def load_folder(cls, folder: str | Path) -> Self:
        """Read a folder that `save_folder` wrote; `CheckpointError` says what is wrong with it."""
        folder = Path(folder)
        return cls._read({name: _read(folder / name, limit) for name, limit in LIMITS.items()}, str(folder))

    @classmethod
    def load_tar(cls, source: bytes | str | Path, *, name: str = "model.tar.gz") -> Self:
        """Read an archive that `pack` wrote, given as bytes or as a path; `CheckpointError` says what is wrong."""
        if isinstance(source, bytes):
            data = source
        else:
            data, name = _read(Path(source), sum(LIMITS.values())), str(source)
        if looks_pickled(data):
            raise CheckpointError(f"{name}: a pickle, or a ZIP of pickles, which can run any program; it is not read")
        return cls._read(read_members(data, LIMITS, name), name)

    @classmethod
    def _read(cls, files: dict[str, bytes], name: str) -> Self:
        found = _description(files[DESCRIPTION], f"{name}: {DESCRIPTION}")
        where = f"{name}: {WEIGHTS}"
        digest = hashlib.sha256(files[WEIGHTS]).hexdigest()
        if digest != found.weights_sha256:
            raise CheckpointError(
                f"{where} has SHA-256 {digest}, {DESCRIPTION} says {found.weights_sha256}; copy the model again"
            )
        arrays = load_tensors(files[WEIGHTS], where)
        shapes = _shapes(arrays)
        if shapes != found.shapes:
            odd = min(each for each in shapes.keys() | found.shapes if shapes.get(each) != found.shapes.get(each))
            raise CheckpointError(
                f"{where}: array {odd!r} is {shapes.get(odd)}, {DESCRIPTION} says {found.shapes.get(odd)}"
            )
        return cls(found.task_kind, found.categories, found.encoder, found.encoder_fingerprint, arrays, found.facts)


def check_compatible(checkpoint: Checkpoint, kind: TaskKind, categories: Sequence[str]) -> str | None:
    """Say why a job cannot start from a checkpoint; ``None`` when it can."""
    if checkpoint.task_kind is not kind:
        return f"it was trained for {checkpoint.task_kind}, this job is {kind}"
    if checkpoint.categories != tuple(categories):
        both = set(checkpoint.categories) & set(categories)
        return (
            f"it was trained for {len(checkpoint.categories)} categories, {len(both)} of which are among this job's "
            f"{len(categories)}; categories and their order must be equal"
        )
    return None


def _description(data: bytes, where: str) -> _Description:
    try:
        found = msgspec.convert(parse_json(data, name=where), _Description)
    except InvalidRequestError as error:
        raise CheckpointError("; ".join(error.violations)) from error
    except msgspec.ValidationError as error:
        raise CheckpointError(f"{where} does not describe a model: {error}") from error
    if found.format != FORMAT:
        raise CheckpointError(f"{where} has model format {found.format}; this autolabel reads {FORMAT}")
    if len(set(found.categories)) != len(found.categories) or not all(found.categories):
        raise CheckpointError(f"{where} has empty or repeated categories; each class needs a name of its own")
    return found


def _shapes(arrays: Mapping[str, NDArray[Any]]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (arrays[name].dtype.str, arrays[name].shape) for name in sorted(arrays)}


def _read(path: Path, limit: int) -> bytes:
    try:
        if not path.is_file():
            raise CheckpointError(
                f"{path} is not a file; a model is a folder with {DESCRIPTION} and {WEIGHTS}, or a model.tar.gz"
            )
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise CheckpointError(f"{path} has more than the {limit:,} bytes that are accepted")
    return data

"""A labeled sample, embedded once: what strategies are compared on."""

from __future__ import annotations

import json
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from autolabel.api.categories import LabelCategories
from autolabel.api.kinds import TaskKind
from autolabel.errors import SettingsError
from autolabel.inference.catalogue import encoder_for
from autolabel.job.models import DEFAULT_ENCODER
from autolabel.job.settings import Settings
from autolabel.job.sources import source_reader
from autolabel.learning.learner import ClassificationLearner
from autolabel.manifest.limits import Limits
from autolabel.manifest.lines import Manifest
from autolabel.manifest.reader import index_manifest
from autolabel.storage.base import StorageOptions
from autolabel.storage.durable import make_folder, write_atomically
from autolabel.tasks import task_for
from autolabel.workforce.truth import read_truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from autolabel.inference.embed import SourceReader
    from autolabel.learning.base import Learner
    from autolabel.manifest.index import ManifestIndex
    from autolabel.policy.replay import Tune
    from autolabel.tasks.base import Task

MANIFEST, TRUTH, CATEGORIES = "manifest.jsonl", "truth.jsonl", "labels.json"
PREPARED, FACTS = "prepared.safetensors", "prepared.json"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Objects with known labels and a learner that has embedded them.

    Attributes
    ----------
    name
        Of the folder.
    truth
        True class ids by object number, shape ``(N,)``.
    pool
        Objects that could be embedded, ascending.
    """

    name: str
    task: Task
    truth: NDArray[np.int64]
    pool: NDArray[np.int64]
    learner: ClassificationLearner
    counts: NDArray[np.int64] | None = None
    """What people really said, ``(N, C)``: ``human_counts`` of the truth's lines, where every line has them."""
    manifest: Path | None = None
    """Where objects are read from again when a network is trained."""

    @property
    def classes(self) -> int:
        """Number of classes, C."""
        return len(self.task.categories)

    @contextmanager
    def tuner(self) -> Iterator[Tune]:
        """Yield what trains the learner's network, for a replay; what it leaves on the disk goes when it ends."""
        if self.manifest is None:
            raise SettingsError(f"{self.name} has no manifest that objects could be read from again")
        with Manifest(self.manifest, _index(self.manifest)) as manifest, TemporaryDirectory() as scratch:
            sources = _sources(manifest, self.task.kind)

            def tune(learner: Learner, objects: NDArray[np.int64], labels: NDArray[np.int64]) -> Learner:
                folder = Path(scratch) / str(len(objects))
                found = learner.tune(sources, objects, labels.tolist(), folder, lambda _done, _all: None)
                return learner.tuned(folder, found.facts, found.arrays)

            yield tune

    @classmethod
    def open(
        cls,
        folder: Path,
        cache: Path,
        *,
        model: str = "auto",
        image_size: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Self:
        """Read a folder with ``manifest.jsonl``, ``truth.jsonl`` and ``labels.json``; embed it, unless `cache` has it.

        Raises
        ------
        SettingsError
            The folder is not of that form, or a line has no label.
        """
        for name in (MANIFEST, TRUTH, CATEGORIES):
            if not (folder / name).is_file():
                raise SettingsError(f"{folder} has no {name}; a labeled sample is {MANIFEST}, {TRUTH} and {CATEGORIES}")
        kind = kind_of(folder / MANIFEST)
        task = task_for(kind, LabelCategories.from_bytes((folder / CATEGORIES).read_bytes(), kind).names)
        index = _index(folder / MANIFEST)
        with Manifest(folder / MANIFEST, index) as manifest:
            sources = [manifest.source(number) for number in range(len(index))]
            truth = np.asarray(read_truth(folder / TRUTH, sources, task), np.int64)
            name = model if model != "auto" else DEFAULT_ENCODER[kind]
            own = cache / f"{folder.name}-{zlib.crc32(repr((index.sha256, name, image_size)).encode()):08x}"
            learner, failed = _prepared(
                own, manifest, kind, task, name, image_size, progress or (lambda _done, _all: None)
            )
        pool = np.setdiff1d(np.arange(len(index)), np.asarray(sorted(failed), np.int64))
        counts = _counts(folder / TRUTH, len(index), len(task.categories))
        return cls(folder.name, task, truth, pool, learner, counts, folder / MANIFEST)


def _index(manifest: Path) -> ManifestIndex:
    return index_manifest(manifest, kind=kind_of(manifest), attribute="label", limits=Limits(max_objects=1 << 40))


def _sources(manifest: Manifest, kind: TaskKind) -> SourceReader:
    return source_reader(manifest, StorageOptions(), Settings(root=str(manifest.path.parent.absolute())), kind)


def _counts(truth: Path, objects: int, classes: int) -> NDArray[np.int64] | None:
    """Read ``human_counts`` of a truth file whose lines are the manifest's."""
    lines = [
        (number, json.loads(line).get("human_counts"))
        for number, line in enumerate(truth.read_text(encoding="utf-8").splitlines(), 1)
        if line.strip()
    ]
    if len(lines) != objects or any(counts is None for _, counts in lines):
        return None
    for number, counts in lines:
        whole = isinstance(counts, list) and all(type(count) is int and count >= 0 for count in counts)
        if not whole or len(counts) != classes or not any(counts):
            raise SettingsError(
                f"{truth}:{number}: found human_counts {counts}; expected {classes} counts, some above 0"
            )
    return np.asarray([counts for _, counts in lines], np.int64)


def kind_of(manifest: Path) -> TaskKind:
    """Tell texts from pictures by the first line."""
    with manifest.open(encoding="utf-8") as lines:
        try:
            first = json.loads(next(lines, "{}"))
        except ValueError as error:
            raise SettingsError(f"{manifest}:1: {error}") from error
    return TaskKind.TEXT_CLASSIFICATION if "source" in first else TaskKind.IMAGE_CLASSIFICATION


def _prepared(
    folder: Path,
    manifest: Manifest,
    kind: TaskKind,
    task: Task,
    model: str,
    image_size: int | None,
    progress: Callable[[int, int], None],
) -> tuple[ClassificationLearner, set[int]]:
    """Embed into `folder`, or take up what an earlier run left there."""
    from safetensors.numpy import load, save

    encoder = encoder_for(model, size=image_size)
    learner = ClassificationLearner(encoder, kind=kind, categories=task.categories, seed=0)
    facts_file, arrays_file = folder / FACTS, folder / PREPARED
    if not facts_file.is_file():
        make_folder(folder)
        rows = np.setdiff1d(np.arange(len(manifest.index)), [line.object for line in manifest.index.bad])
        sources = _sources(manifest, kind)
        found = learner.prepare(sources, rows, folder / "embeddings", progress)
        if len(found.failures) == len(rows):
            why = next(iter(found.failures.values()), "the manifest has no usable line")
            raise SettingsError(f"{manifest.path}: no object could be embedded; the first: {why}")
        write_atomically(arrays_file, save({name: np.ascontiguousarray(each) for name, each in found.arrays.items()}))
        failed = sorted({*found.failures, *(line.object for line in manifest.index.bad)})
        write_atomically(facts_file, json.dumps({"facts": found.facts, "failed": failed}).encode())
    known: dict[str, Any] = json.loads(facts_file.read_text())
    learner.resume(folder / "embeddings", known["facts"], load(arrays_file.read_bytes()))
    return learner, set(known["failed"])

"""Batch scoring without a job: a manifest and a trained model in, shards and ``scores.jsonl`` out.

Any number of processes, on any machines that see the output folder, may each score a part of the shards. A run without
a part finds what they finished, does what is missing, and writes the scores file.
"""

from __future__ import annotations

import hashlib
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from autolabel.errors import CheckpointError, SettingsError
from autolabel.inference.catalogue import encoder_for
from autolabel.inference.runtimes.base import RuntimeKind
from autolabel.inference.runtimes.device import choose_device
from autolabel.inference.shards.layout import lay_out
from autolabel.inference.shards.scorer import ShardScorer
from autolabel.inference.shards.streaming import each_shard
from autolabel.job.models import find_checkpoint
from autolabel.job.reduced import decide
from autolabel.job.settings import Settings
from autolabel.job.sources import source_reader
from autolabel.learning.agreement import error_probability
from autolabel.learning.learner import encoder_state
from autolabel.learning.packed import classifier_of
from autolabel.learning.rescoring import head_on_embeddings
from autolabel.learning.score_shards import keep_head, label_shard, read_scores, score_shard
from autolabel.manifest.limits import Limits
from autolabel.manifest.lines import Manifest
from autolabel.manifest.reader import index_manifest
from autolabel.storage.base import StorageOptions
from autolabel.storage.durable import make_folder, write_atomically
from autolabel.storage.router import Storage
from autolabel.storage.uri import parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from autolabel.inference.checkpoint import Checkpoint
    from autolabel.inference.encoder import Encoder
    from autolabel.inference.shards.layout import Receipt, Shard
    from autolabel.job.reduced import Decision
    from autolabel.learning.confidence import ErrorModel
    from autolabel.learning.rescoring import CentredHead
    from autolabel.manifest.index import ManifestIndex
    from autolabel.report.progress import ProgressReporter

MANIFEST = "input.manifest"
EMBEDDINGS = "embeddings"
SCORES = "scores.jsonl"
LABELS = "labels.jsonl"
CHUNK = 8 << 20
"""Bytes of a manifest that are copied at a time."""


class ScoreRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be scored with what: plain values, so that any process can be handed it."""

    manifest: str
    """A path or ``s3://`` URI; a copy is kept in `output`."""
    model: str
    """A trained model: name, model ARN, folder or ``model.tar.gz``."""
    output: str
    """Folder of the shards and of the scores file."""
    root: str | None = None
    """Where relative references start; ``None``: at the manifest."""
    endpoint_url: str | None = None
    device: str = "auto"
    runtime: RuntimeKind = RuntimeKind.AUTO
    labels_only: bool = False
    """Want no confidence, only labels: objects whose label cannot have changed since the last scores are not read."""
    int8: bool = False
    """Compute networks in 8-bit integers if a sample of the objects gets the same labels that way."""
    threads: int = 0
    """Threads that read, decode and encode; 0: one a core."""
    max_objects: int = 10_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """One of several processes that share the work: the `number`-th, from 1, of `count`."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read ``3/8``; `SettingsError` for anything else."""
        number, slash, count = text.partition("/")
        if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
            return cls(int(number), int(count))
        raise SettingsError(f"found the part {text!r}; expected one like 3/8, from 1/8 to 8/8")

    def of(self, shards: Sequence[Shard]) -> Sequence[Shard]:
        """Return this part's run of shards; parts differ by one shard at most."""
        cut = [len(shards) * each // self.count for each in (self.number - 1, self.number)]
        return shards[cut[0] : cut[1]]


class Scoring:
    """A request that was opened: its shards, and what scores them.

    Attributes
    ----------
    precision
        What was decided about 8-bit integers; ``None`` when nobody asked for them.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        scorer: ShardScorer,
        head: CentredHead,
        errors: ErrorModel,
        precision: Decision | None,
    ) -> None:
        self.shards = shards
        self.precision = precision
        self._scorer = scorer
        self._head = head
        self._errors = errors

    @property
    def route(self) -> str:
        """How the vectors are computed; see `Encoder.route`."""
        return self._scorer.origin.route

    def score(
        self,
        shards: Sequence[Shard],
        progress: Callable[[int], None] = lambda _count: None,
        *,
        labels_only: bool = False,
    ) -> list[Receipt]:
        """Embed and score shards, or only embed them, except for what is finished; return their receipts in order.

        `progress` is called with the number of objects of each shard that was finished before.
        """
        for shard in self.shards[:1]:
            keep_head(shard.folder, self._head)
        receipts = {shard.place: shard.finished(self._scorer.origin) for shard in shards}
        missing = [shard for shard in shards if receipts[shard.place] is None]
        progress(sum(len(shard.objects) for shard in shards if receipts[shard.place] is not None))
        found = []
        with closing(self._scorer.map(missing)) as made:
            for shard in shards:
                receipt = receipts[shard.place] or next(made)
                if not labels_only:
                    score_shard(shard, receipt, self._head)
                found.append(receipt)
        return found

    def label_lines(self, receipts: Sequence[Receipt], threads: int) -> Iterator[tuple[bytes, int]]:
        """Lines of the labels file, a shard at a time, and how many vectors were read for them."""
        by_place = {shard.place: receipt for shard, receipt in zip(self.shards, receipts, strict=True)}

        def label(shard: Shard) -> tuple[bytes, int]:
            labels, read = label_shard(shard, by_place[shard.place], self._head)
            kept = _without_failures(shard, by_place[shard.place])
            pairs = zip(shard.objects[kept].tolist(), labels[kept].tolist(), strict=True)
            return "".join(f'{{"id":{number},"class_id":{label}}}\n' for number, label in pairs).encode(), read

        return each_shard(label, self.shards, threads=threads)

    def lines(self) -> Iterator[bytes]:
        """Lines of the scores file, a shard at a time, of every object that has a vector; all shards are scored."""
        for shard in self.shards:
            kept = _without_failures(shard, shard.read_receipt())
            scores = read_scores(shard)[kept]
            predicted, confidence = scores["predicted"], scores["confidence"]
            columns = (shard.objects[kept], predicted, confidence, error_probability(scores, self._errors))
            yield "".join(
                f'{{"id":{number},"class_id":{label},"confidence":{sure!r},"error_probability":{error!r}}}\n'
                for number, label, sure, error in zip(*(each.tolist() for each in columns), strict=True)
            ).encode()


def _without_failures(shard: Shard, receipt: Receipt | None) -> NDArray[np.bool_]:
    """Whether each object of a shard has a vector."""
    failed = [int(number) for number in receipt.failures] if receipt is not None else []
    return ~np.isin(shard.objects, np.asarray(failed, np.int64))


def score_manifest(request: ScoreRequest, *, part: Part | None, progress: ProgressReporter) -> dict[str, Any]:
    """Score every object of a manifest, or those of a part; what is in the output folder is not computed twice.

    Returns
    -------
    ``scored``, ``failed`` (with reasons by object) and ``scores``, the path of the scores file: a line an object with
    ``id``, ``class_id``, ``confidence`` and ``error_probability``, in manifest order; ``None`` for a part. Of labels
    only there are ``id`` and ``class_id``, and ``read`` is how many embeddings had to be read for them. ``route`` says
    how the vectors were computed, ``int8`` what was decided about 8-bit integers, if they were asked for.

    Raises
    ------
    CheckpointError
        The model has no head, because it is an encoder that has not been trained on labels; or its encoder is
        another here.
    SettingsError
        Another part was scored with another manifest.
    """
    done = total = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress.progress(done, total)

    with open_scoring(request, part=part, advance=advance) as (scoring, index):
        shards = (part or Part()).of(scoring.shards)
        total = sum(len(shard.objects) for shard in shards)
        progress.phase("embedding and scoring")
        receipts = scoring.score(shards, advance, labels_only=request.labels_only)
        path = Path(request.output) / (LABELS if request.labels_only else SCORES)
        read = 0

        def labels() -> Iterator[bytes]:
            nonlocal read
            for text, count in scoring.label_lines(receipts, request.threads):
                read += count
                yield text

        if part is None:
            progress.phase("writing")
            write_atomically(path, labels() if request.labels_only else scoring.lines())
    failures = {int(number): reason for each in receipts for number, reason in each.failures.items()}
    scored = total - len(failures)
    if part is None:
        failures |= {line.object: f"{line.code}: {line.message}" for line in index.bad}
    return {
        "scored": scored,
        "failed": len(failures),
        "failures": {str(number): failures[number] for number in sorted(failures)},
        "scores": str(path) if part is None else None,
        "read": read if request.labels_only and part is None else None,
        "route": scoring.route,
        "int8": None if scoring.precision is None else msgspec.to_builtins(scoring.precision),
    }


@contextmanager
def open_scoring(
    request: ScoreRequest, *, part: Part | None = None, advance: Callable[[int], None] = lambda _count: None
) -> Iterator[tuple[Scoring, ManifestIndex]]:
    """Open everything that a request names; the scoring ends with the context.

    Parameters
    ----------
    part
        Which processes share the output folder; the manifest must be the one that the others found then.
    advance
        Called with the number of objects embedded since the last call.
    """
    storage = Storage(StorageOptions(endpoint_url=request.endpoint_url))
    checkpoint = find_checkpoint(request.model, home=None, storage=storage)
    if checkpoint is None:
        raise CheckpointError(f"{request.model}: an encoder without a head cannot score; train one with a labeling job")
    path = _snapshot(request, storage, shared=part is not None)
    limits = Limits(max_objects=request.max_objects)
    index = index_manifest(path, kind=checkpoint.task_kind, attribute="label", limits=limits)
    settings = Settings(root=request.root or parent(request.manifest))
    with Manifest(path, index) as manifest:
        sources = source_reader(manifest, storage.options, settings, checkpoint.task_kind)
        bad = np.asarray([line.object for line in index.bad], np.int64)
        rows = np.setdiff1d(np.arange(len(index)), bad)
        shards = lay_out(Path(request.output) / EMBEDDINGS, rows)
        decision: Decision | None = None
        graphs: Mapping[str, bytes] = {}
        if request.int8:
            if choose_device(request.device).type != "cpu":
                raise SettingsError("8-bit integers are for processors; leave out int8, or set the device to cpu")
            decision, graphs = decide(checkpoint, sources, rows, Path(request.output), threads=request.threads)
        encoder = _encoder(request, checkpoint, graphs)
        scorer = ShardScorer(encoder, sources, threads=request.threads, progress=advance)
        head = head_on_embeddings(checkpoint.arrays)
        yield Scoring(shards, scorer, head, classifier_of(checkpoint.arrays).errors_alone, decision), index


def _encoder(request: ScoreRequest, checkpoint: Checkpoint, int8: Mapping[str, bytes]) -> Encoder:
    """Build the encoder that the model was trained on; `CheckpointError` when it is another one here."""
    encoder = encoder_for(
        checkpoint.encoder,
        device=request.device,
        state=encoder_state(checkpoint),
        runtime=request.runtime,
        trials=Path(request.output) / EMBEDDINGS,
        int8=int8,
    )
    if encoder.fingerprint != checkpoint.encoder_fingerprint:
        raise CheckpointError(
            f"{request.model}: trained on vectors of {checkpoint.encoder} ({checkpoint.encoder_fingerprint[:12]}), the "
            f"one here gives others ({encoder.fingerprint[:12]}); its scores would mean nothing"
        )
    return encoder


def _snapshot(request: ScoreRequest, storage: Storage, *, shared: bool) -> Path:
    """Keep a copy of the manifest: it may change while it is scored."""
    output = Path(request.output)
    make_folder(output)
    path = output / MANIFEST
    before = _sha256(path)
    digest = hashlib.sha256()
    with storage.open(request.manifest) as source:
        for block in iter(lambda: source.read(CHUNK), b""):
            digest.update(block)
    found = digest.hexdigest()
    if shared and before not in {None, found}:
        raise SettingsError(
            f"{path} is not {request.manifest}: another part was scored with another manifest; use another output"
        )
    if before != found:
        with storage.open(request.manifest) as source:
            write_atomically(path, iter(lambda: source.read(CHUNK), b""))
    return path


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None

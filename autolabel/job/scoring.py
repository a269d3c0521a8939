"""Batch scoring without a job: a manifest and a trained model in, ``scores.jsonl`` out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import CheckpointError
from autolabel.inference.catalogue import encoder_for
from autolabel.inference.embed import embed_pool
from autolabel.job.look import score_lines
from autolabel.job.models import find_checkpoint
from autolabel.job.settings import Settings
from autolabel.job.sources import source_reader
from autolabel.learning.learner import BLOCK, encoder_state, join, predict_with
from autolabel.manifest.limits import Limits
from autolabel.manifest.lines import Manifest
from autolabel.manifest.reader import index_manifest
from autolabel.storage.base import StorageOptions
from autolabel.storage.durable import make_folder, write_atomically
from autolabel.storage.router import Storage
from autolabel.storage.uri import parent

if TYPE_CHECKING:
    from pathlib import Path

    from autolabel.learning.base import Arrays
    from autolabel.report.progress import ProgressReporter


def score_manifest(
    manifest_uri: str,
    model: str,
    output: Path,
    *,
    root: str | None,
    endpoint_url: str | None,
    device: str,
    threads: int,
    max_objects: int,
    progress: ProgressReporter,
) -> dict[str, Any]:
    """Score every object of a manifest; embeddings stay in `output` and are not computed twice.

    Returns
    -------
    ``scored``, ``failed`` (with reasons by object) and ``scores``, the path of the scores file: a line an object with
    ``id``, ``class_id``, ``confidence`` and ``error_probability``, in manifest order.

    Raises
    ------
    CheckpointError
        The model has no head, because it is an encoder that has not been trained on labels; or its encoder is
        another here.
    """
    storage = Storage(StorageOptions(endpoint_url=endpoint_url))
    checkpoint = find_checkpoint(model, home=None, storage=storage)
    if checkpoint is None:
        raise CheckpointError(f"{model}: an encoder without a head cannot score; train one with a labeling job")
    make_folder(output)
    path = output / "input.manifest"
    with storage.open(manifest_uri) as source:
        write_atomically(path, iter(lambda: source.read(8 << 20), b""))
    kind = checkpoint.task_kind
    index = index_manifest(path, kind=kind, attribute="label", limits=Limits(max_objects=max_objects))
    settings = Settings(root=root or parent(manifest_uri))
    with Manifest(path, index) as manifest:
        sources = source_reader(manifest, storage.options, settings, kind)
        bad = np.asarray([line.object for line in index.bad], np.int64)
        rows = np.setdiff1d(np.arange(len(index)), bad)
        encoder = encoder_for(checkpoint.encoder, device=device, state=encoder_state(checkpoint))
        if encoder.fingerprint != checkpoint.encoder_fingerprint:
            raise CheckpointError(
                f"{model}: trained on vectors of {checkpoint.encoder} ({checkpoint.encoder_fingerprint[:12]}), the one "
                f"here gives others ({encoder.fingerprint[:12]}); its scores would mean nothing"
            )
        progress.phase("embedding")
        embeddings = embed_pool(
            encoder, sources, output / "embeddings", rows=rows, threads=threads, progress=progress.progress
        )
        rows = rows[~np.isin(rows, np.fromiter(embeddings.failures, np.int64, len(embeddings.failures)))]
        progress.phase("scoring")
        parts = [
            predict_with(checkpoint.arrays, embeddings.rows(rows[begin : begin + BLOCK]))
            for begin in range(0, len(rows), BLOCK)
        ]
    found = join(parts)
    arrays: Arrays = {
        "order": rows,
        "predicted": found.predicted,
        "confidence": found.confidence,
        "error_probability": found.error_probability,
    }
    write_atomically(output / "scores.jsonl", score_lines(arrays))
    failures = {line.object: f"{line.code}: {line.message}" for line in index.bad} | dict(embeddings.failures)
    return {
        "scored": len(rows),
        "failed": len(failures),
        "failures": {str(number): failures[number] for number in sorted(failures)},
        "scores": str(output / "scores.jsonl"),
    }

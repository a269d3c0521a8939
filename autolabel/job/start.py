"""The first steps: the snapshot's index, labels that came with it, and the embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.api.describe import JobStatus
from autolabel.errors import CheckpointError, JobFailedError, ObjectError
from autolabel.job.clock import iso
from autolabel.job.steps import StepOutput
from autolabel.job.store import to_json
from autolabel.manifest.output import iso_micro
from autolabel.manifest.prior import read_priors

if TYPE_CHECKING:
    import sqlite3

    from autolabel.job.run import Run


def start(run: Run) -> None:
    """Store bad lines as failed objects, and the labels that came with the manifest.

    Lines that already carry the label attribute are not asked again. Those that people labeled train the model and
    count as right; those that a machine labeled in an earlier job are kept, counted as machine labels, neither
    trained on nor covered by this job's certificate. Both count towards MaxPercentageOfInputDatasetLabeled, neither
    towards MaxHumanLabeledObjectCount.
    """
    run.progress.phase("reading the manifest")
    run.steps.run("start", lambda: _start(run))
    run.set_status(JobStatus.IN_PROGRESS)


def _start(run: Run) -> StepOutput:
    at = iso(run.clock.now())
    labels, failures = read_chained(run)
    failures = [(bad.object, f"ClientError: {bad.code}: {bad.message}") for bad in run.index.bad] + failures

    def rows(connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT INTO failure (object, reason, created) VALUES (?, ?, ?)",
            [(number, reason, at) for number, reason in failures],
        )
        connection.executemany(
            "INSERT INTO label (object, label, confidence, source, batch, created) VALUES (?, ?, ?, ?, 0, ?)",
            labels,
        )

    result = {
        "objects": run.objects,
        "manifest_sha256": run.index.sha256,
        "bad_lines": len(failures),
        "chained": len(labels),
        "warnings": list(run.index.warnings),
    }
    return StepOutput(result, rows=rows)


def read_chained(run: Run) -> tuple[list[tuple[int, str, float, str, str]], list[tuple[int, str]]]:
    """Read the labels that came with the manifest, and say which of them cannot be used.

    Returns
    -------
    ``(object, label as JSON, confidence, source, created)`` of each label, and ``(object, reason)`` of each failure.
    """
    created = iso_micro(run.clock.now())
    labels: list[tuple[int, str, float, str, str]] = []
    failures: list[tuple[int, str]] = []
    for prior in read_priors(run.manifest, run.request.label_attribute):
        try:
            label = run.task.label_from_record(prior.record, run.request.label_attribute)
        except ObjectError as error:
            failures.append((prior.object, f"ClientError: {error}"))
            continue
        if label is None:
            continue
        source = "chained-people" if prior.human else "chained-machine"
        labels.append((prior.object, to_json(label), prior.confidence, source, prior.created or created))
    return labels, failures


def embed(run: Run) -> None:
    """Embed every object that may be labeled; objects that cannot be read fail with a reason."""
    run.progress.phase("embedding")
    record = run.steps.run("embed", lambda: _embed(run))
    if record.result["embedded"]:
        run.model.resume(run.folder.embeddings, record.result["facts"], record.arrays())


def _embed(run: Run) -> StepOutput:
    states = run.states()
    from autolabel.job.pool import State

    objects = np.flatnonzero(~np.isin(states, (State.FAILED, State.CHAINED_MACHINE)))
    try:
        prepared = run.model.prepare(run.sources, objects, run.folder.embeddings, run.progress.progress)
    except CheckpointError as error:  # the job has begun: an encoder that learns nothing from this pool ends it
        raise JobFailedError(f"ClientError: {error}") from error
    at = iso(run.clock.now())
    unreadable = {number: reason for number, reason in prepared.failures.items() if states[number] == State.UNLABELED}

    def rows(connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT INTO failure (object, reason, created) VALUES (?, ?, ?)",
            [(number, f"ClientError: {unreadable[number]}", at) for number in sorted(unreadable)],
        )

    result = {
        "facts": prepared.facts,
        "embedded": len(objects) - len(prepared.failures),
        "failed": len(unreadable),
        "not_embedded": sorted(int(number) for number in prepared.failures),
    }
    if len(unreadable) == len(objects) and len(objects):
        first = min(unreadable)
        raise JobFailedError(f"none of {len(objects)} objects can be read; object {first}: {unreadable[first]}")
    return StepOutput(result, prepared.arrays, rows)

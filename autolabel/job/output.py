"""The output tree, written from the tables: AWS's files in AWS's places, and ours beside them.

Every file here can be written again from the job's state, so none but the manifest is synced to disk one by one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from autolabel.job.clock import parse
from autolabel.job.cost import ledger_lines
from autolabel.job.people import answers_of
from autolabel.job.steps import StepOutput
from autolabel.manifest.output import Splice, failed_fields, iso_micro, write_manifest
from autolabel.storage.durable import write_atomically
from autolabel.workforce.responses import (
    Annotated,
    consolidation_request,
    consolidation_response,
    worker_response,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from autolabel.job.look import Look
    from autolabel.job.run import Run

LINES_PER_WRITE = 10_000


def write_batch_files(run: Run, batch: int) -> StepOutput:
    """Write one human batch: worker responses, consolidation request and response, and its labels as JSON Lines."""
    answers = answers_of(run.store, batch)
    rows = run.store.rows("SELECT * FROM label WHERE batch = ? AND source = 'people' ORDER BY object", batch)
    fields = {row["object"]: _people_fields(run, row) for row in rows}
    closed = run.store.one("SELECT closed FROM task WHERE batch = ? LIMIT 1", batch)
    if closed is None:
        msg = f"batch {batch} was never asked"
        raise RuntimeError(msg)
    stamp = parse(closed["closed"]).strftime("%Y-%m-%d_%H:%M:%S")
    for number, given in answers.items():
        _write(run.folder.worker_response(batch, number, stamp), msgspec.json.encode(worker_response(given)))
    annotated = [
        Annotated(number, run.manifest.source(number), tuple(answers.get(number, ()))) for number in sorted(fields)
    ]
    request = consolidation_request(annotated, kind=run.task.kind)
    _write(run.folder.consolidation("request", batch, stamp), msgspec.json.encode(request))
    response = consolidation_response(fields)
    _write(run.folder.consolidation("response", batch, stamp), msgspec.json.encode(response))
    lines = b"".join(
        msgspec.json.encode({"datasetObjectId": str(number), **fields[number]}) + b"\n" for number in sorted(fields)
    )
    _write(run.folder.intermediate(batch), lines)
    return StepOutput({"labels": len(fields), "responses": len(answers)})


def write_output(run: Run, look: Look | None) -> StepOutput:
    """Rewrite the output manifest, the machine's annotations, the ledger and the event log."""
    result: dict[str, Any] = {"sha256": write_output_manifest(run, look)}
    if look is not None:
        path = run.folder.auto_annotations
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _auto_annotations(run, look), sync=False)
    machine = _machine_objects(look)
    write_atomically(run.folder.ledger, ledger_lines(run.store, run.prices, machine), sync=False)
    write_atomically(run.folder.events, _event_lines(run), sync=False)
    return StepOutput(result)


def write_output_manifest(run: Run, look: Look | None) -> str:
    """Write the output manifest whole and return its sha256: line by line, what is known of each object so far."""
    path = run.folder.output_manifest
    path.parent.mkdir(parents=True, exist_ok=True)
    found: str = write_manifest(path, run.manifest, _Additions(run, look))
    return found


class _Additions:
    """What is spliced into each output line; machine labels of one class and confidence share one splice."""

    def __init__(self, run: Run, look: Look | None) -> None:
        attribute = run.request.label_attribute
        self._splices = {
            row["object"]: Splice(failed_fields(attribute, row["reason"], row["retries"]))
            for row in run.store.stream("SELECT object, reason, retries FROM failure")
        }
        for row in run.store.stream("SELECT * FROM label WHERE source = 'people'"):
            self._splices[row["object"]] = Splice(_people_fields(run, row))
        if look is not None:
            self._splices.update(machine_splices(run, look))

    def __call__(self, number: int) -> Splice | None:
        """Return the splice of object `number`; ``None`` leaves its line as it was."""
        return self._splices.get(number)


def _people_fields(run: Run, row: sqlite3.Row) -> dict[str, Any]:
    return run.task.manifest_fields(
        run.request.label_attribute,
        json.loads(row["label"]),
        confidence=row["confidence"],
        human=True,
        job_name=run.request.name,
        created=row["created"],
    )


def machine_splices(run: Run, look: Look) -> Iterator[tuple[int, Splice]]:
    """Fields of every machine-labeled object, ascending; confidence is the estimated probability of being right."""
    finished = run.store.one("SELECT finished FROM step WHERE name = 'look.walk'")
    if finished is None:
        msg = "machine labels were asked for before the walk"
        raise RuntimeError(msg)
    created = iso_micro(parse(finished["finished"]))
    cache: dict[tuple[int, float], Splice] = {}
    for number, key, error in zip(*(array.tolist() for array in look.machine_labels()), strict=True):
        confidence = round(1.0 - error, 2)
        splice = cache.get((key, confidence))
        if splice is None:
            splice = cache[key, confidence] = Splice(
                run.task.manifest_fields(
                    run.request.label_attribute,
                    run.predicted_label(key),
                    confidence=confidence,
                    human=False,
                    job_name=run.request.name,
                    created=created,
                )
            )
        yield number, splice


def _auto_annotations(run: Run, look: Look) -> Iterator[bytes]:
    """AWS's auto_annotator_output.txt: an id, a space, the label as JSON."""
    lines: list[bytes] = []
    for number, splice in machine_splices(run, look):
        lines.append(b"%d {%s}\n" % (number, splice.tail))
        if len(lines) == LINES_PER_WRITE:
            yield b"".join(lines)
            lines.clear()
    yield b"".join(lines)


def _event_lines(run: Run) -> Iterator[bytes]:
    for row in run.store.stream("SELECT * FROM event ORDER BY id"):
        event = {"id": row["id"], "at": row["at"], "kind": row["kind"], **json.loads(row["detail"])}
        yield msgspec.json.encode(event) + b"\n"


def _machine_objects(look: Look | None) -> Any:
    from autolabel.job.look import machine_labels_of

    return machine_labels_of(look)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data, sync=False)

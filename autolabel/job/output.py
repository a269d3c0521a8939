"""The output tree, written from the tables: AWS's files in AWS's places, and ours beside them.

Every file here can be written again from the job's state, so none but the manifest is synced to disk one by one.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from autolabel.job.clock import parse
from autolabel.job.cost import ledger_lines
from autolabel.job.labels import answers_of
from autolabel.job.steps import StepOutput
from autolabel.manifest.output import Additions, Splice, failed_fields, iso_micro, write_manifest
from autolabel.storage.durable import write_atomically
from autolabel.workforce.responses import (
    Annotated,
    consolidation_request,
    consolidation_response,
    worker_response,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from autolabel.job.look import Look
    from autolabel.job.run import Run

LINES_PER_WRITE = 10_000


def write_batch_files(run: Run, batch: int) -> StepOutput:
    """Write one human batch: worker responses, consolidation request and response, and its labels as JSON Lines."""
    answers = answers_of(run.store, batch)
    rows = run.store.rows("SELECT * FROM label WHERE batch = ? AND source = 'people' ORDER BY object", batch)
    fields = {row["object"]: _people_fields(run, row) for row in rows}
    frozen = run.store.one("SELECT frozen FROM task WHERE batch = ? OR again = ? LIMIT 1", batch, batch)
    if frozen is None:
        msg = f"batch {batch} was never asked"
        raise RuntimeError(msg)
    stamp = parse(frozen["frozen"]).strftime("%Y-%m-%d_%H:%M:%S")
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
        write_atomically(path, auto_annotations(run, look), sync=False)
    machine = _machine_objects(look)
    write_atomically(run.folder.ledger, ledger_lines(run.store, run.prices, machine), sync=False)
    write_atomically(run.folder.events, _event_lines(run), sync=False)
    return StepOutput(result)


def write_output_manifest(run: Run, look: Look | None) -> str:
    """Write the output manifest whole and return its sha256: line by line, what is known of each object so far."""
    path = run.folder.output_manifest
    path.parent.mkdir(parents=True, exist_ok=True)
    found: str = write_manifest(path, run.manifest, additions_of(run, look))
    return found


def additions_of(run: Run, look: Look | None) -> Additions:
    """Gather what is spliced into each output line; equal labels share a splice, so memory is a few bytes an object."""
    additions = Additions(run.objects)
    attribute = run.request.label_attribute
    place_of: dict[tuple[Any, ...], int] = {}

    def put(number: int, key: tuple[Any, ...], fields: Callable[[], dict[str, Any]]) -> None:
        place = place_of.get(key)
        if place is None:
            place = place_of[key] = additions.add(Splice(fields()))
        additions.which[number] = place

    for row in run.store.stream("SELECT object, reason, retries FROM failure"):
        reason, retries = row["reason"], row["retries"]
        put(row["object"], (reason, retries), partial(failed_fields, attribute, reason, retries))
    for row in run.store.stream("SELECT * FROM label WHERE source = 'people'"):
        put(row["object"], (row["label"], row["confidence"], row["created"]), partial(_people_fields, run, row))
    if look is not None:
        _add_machine_labels(additions, run, look)
    return additions


def _people_fields(run: Run, row: sqlite3.Row) -> dict[str, Any]:
    return run.task.manifest_fields(
        run.request.label_attribute,
        json.loads(row["label"]),
        confidence=row["confidence"],
        human=True,
        job_name=run.request.name,
        created=row["created"],
    )


def _add_machine_labels(additions: Additions, run: Run, look: Look) -> None:
    """Add the label of every machine-labeled object; its confidence is the estimated probability of being right."""
    finished = run.store.one("SELECT finished FROM step WHERE name = 'look.walk'")
    if finished is None:
        msg = "machine labels were asked for before the walk"
        raise RuntimeError(msg)
    created = iso_micro(parse(finished["finished"]))
    objects, keys, errors = look.machine_labels()
    hundredths = np.rint(100.0 * (1.0 - errors.astype(np.float64))).astype(np.int64)
    kinds, kind = np.unique(keys * np.int64(101) + hundredths, return_inverse=True)
    places = [
        additions.add(
            Splice(
                run.task.manifest_fields(
                    run.request.label_attribute,
                    run.predicted_label(each // 101),
                    confidence=each % 101 / 100,
                    human=False,
                    job_name=run.request.name,
                    created=created,
                )
            )
        )
        for each in kinds.tolist()
    ]
    additions.which[objects] = np.asarray(places, np.int32)[kind]


def auto_annotations(run: Run, look: Look) -> Iterator[bytes]:
    """AWS's auto_annotator_output.txt: an id, a space, the label as JSON."""
    additions = Additions(run.objects)
    _add_machine_labels(additions, run, look)
    ends = [b"", *(b" {%b}\n" % splice.tail for splice in additions.splices)]
    objects = np.flatnonzero(additions.which)
    for first in range(0, len(objects), LINES_PER_WRITE):
        numbers = objects[first : first + LINES_PER_WRITE]
        pairs = zip(numbers.tolist(), additions.which[numbers].tolist(), strict=True)
        yield b"".join(b"%d%b" % (number, ends[place]) for number, place in pairs)


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

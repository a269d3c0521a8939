"""Labels of people: a batch's answers consolidated once, with or without the model's vote, or by a Lambda function."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autolabel.job.belief import belief_arrays, belief_of, tipped_labels
from autolabel.job.clock import iso
from autolabel.job.functions import consolidate as consolidate_by_function
from autolabel.job.steps import StepOutput
from autolabel.job.store import add_event, to_json
from autolabel.job.window import freeze
from autolabel.manifest.output import iso_micro
from autolabel.report.data import Purpose
from autolabel.tasks.base import CrowdTask
from autolabel.workforce.base import Answer

if TYPE_CHECKING:
    import sqlite3

    import numpy as np
    from numpy.typing import NDArray

    from autolabel.job.run import Run
    from autolabel.job.store import JobStore
    from autolabel.tasks.base import Consolidated

EXPIRED = (
    "ClientError: Annotation tasks expired.  Probable Reasons are 1) TaskAvailabilityLifetimeInSeconds parameter is "
    "too small.  2) Reward is too low for workers to work on the task.  3) If you use a custom html template, your "
    "template may be broken.  4) Data (image/video/text) sent for annotation is broken or too big, preventing "
    "completion.  5) All workers declined the tasks."
)
"""Ground Truth's own failure reason: clients match it, so it is kept to the letter."""

INFORMED = frozenset({Purpose.TRAIN})
"""What a label may be asked for if the model has a vote in it: never an audit."""


def label_batch(run: Run, batch: int, *, name: str = "", stopped: bool = False) -> StepOutput:
    """Turn a batch's answers into labels; objects without any answer fail as Ground Truth says it, unless `stopped`.

    Where the model has a vote, the batch's labels are made with it, and what people alone would have said is kept
    beside those that it changed.
    """
    asked = [row["object"] for row in run.store.rows("SELECT object FROM task WHERE batch = ? ORDER BY object", batch)]
    by_function = run.request.consolidation_lambda is not None
    answers = [] if by_function else answers_so_far(run.store, run, batch)
    alone, reasons = _by_people_alone(run, batch, answers, asked)
    labeled = [number for number in asked if number in alone]
    reasons |= {} if stopped else {number: EXPIRED for number in asked if number not in alone | reasons}
    failed = sorted(reasons)
    belief = {} if by_function else belief_of(run, name, labeled)
    consolidated = alone | with_vote(run, batch, answers, belief)
    tipped = {
        str(number): alone[number].label for number in labeled if alone[number].label != consolidated[number].label
    }
    now = run.clock.now()
    at, created = iso(now), iso_micro(now)

    def rows(connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT INTO label (object, label, confidence, source, batch, created) VALUES (?, ?, ?, 'people', ?, ?)",
            [
                (number, to_json(consolidated[number].label), consolidated[number].confidence, batch, created)
                for number in labeled
            ],
        )
        connection.executemany(
            "INSERT INTO failure (object, reason, retries, created) VALUES (?, ?, 1, ?)",
            [(number, reasons[number], at) for number in failed],
        )
        connection.executemany(
            "INSERT INTO ledger (object, worker, kind, quantity, micro_usd) VALUES (?, '', 'human-object', 1, ?)",
            [(number, run.prices.human_object) for number in labeled],
        )
        connection.execute("UPDATE task SET closed = ? WHERE batch = ?", (at, batch))
        add_event(connection, at, "batch-labeled", batch=batch, labeled=len(labeled), failed=len(failed))

    labels = {str(number): consolidated[number].label for number in labeled}
    result = {"batch": batch, "labeled": labeled, "failed": failed, "labels": labels, "tipped": tipped}
    return StepOutput(result, belief_arrays(belief), rows)


def consolidate_batch(
    run: Run, batch: int, answers: list[tuple[int, str, Any]], objects: list[int], settled: dict[int, Any]
) -> dict[int, Consolidated]:
    """Consolidate a batch's answers: an audit's object by object, any other's with all answers together.

    `settled` are the labels by people of earlier batches.
    """
    if not objects:
        return {}
    if purpose_of(run, batch) is Purpose.AUDIT:
        return run.task.consolidate_audit(answers, objects=objects, settled=settled)
    return run.task.consolidate(answers, objects=objects)


def _by_people_alone(
    run: Run, batch: int, answers: list[tuple[int, str, Any]], asked: list[int]
) -> tuple[dict[int, Consolidated], dict[int, str]]:
    """Make labels of a batch's answers, by the task or by a Lambda function; beside them, why others have none."""
    if run.request.consolidation_lambda is not None:
        given = {
            number: [answer for answer in given if answer.content is not None]
            for number, given in answers_of(run.store, batch).items()
        }
        given = {number: each for number, each in given.items() if each}
        return consolidate_by_function(run, batch, given) if given else ({}, {})
    answered = {number for number, _, _ in answers}
    objects = [number for number in asked if number in answered]
    return consolidate_batch(run, batch, answers, objects, settled_labels(run, batch)), {}


def with_vote(
    run: Run, batch: int, answers: list[tuple[int, str, Any]], belief: dict[int, NDArray[np.float32]]
) -> dict[int, Consolidated]:
    """Consolidate with the model's vote those objects of a batch in which it has one."""
    if not belief or purpose_of(run, batch) not in INFORMED or not isinstance(run.task, CrowdTask):
        return {}
    return run.task.consolidate_with(answers, objects=list(belief), belief=belief)


def purpose_of(run: Run, batch: int) -> Purpose | None:
    """Say what a batch was asked for; ``None`` for a batch of second panels, or none at all."""
    row = run.store.one("SELECT purpose FROM task WHERE batch = ? LIMIT 1", batch)
    return None if row is None else Purpose(row["purpose"])


def settled_labels(run: Run, batch: int) -> dict[int, Any]:
    """Labels that people alone gave before a batch, by object."""
    labels = {
        row["object"]: json.loads(row["label"])
        for row in run.store.stream("SELECT object, label FROM label WHERE source = 'people' AND batch < ?", batch)
    }
    alone = tipped_labels(run)
    return {number: alone.get(number, label) for number, label in labels.items()}


def answers_so_far(store: JobStore, run: Run, batch: int) -> list[tuple[int, str, Any]]:
    """Every answer that is not a decline up to a batch, as ``(object, worker, label)``, in a fixed order.

    Answers of second panels are not among them: they measure labels and make none.
    """
    return [
        (row["object"], row["worker"], run.task.label_from_answer(json.loads(row["content"])))
        for row in store.stream(
            "SELECT object, worker, content FROM answer WHERE content IS NOT NULL AND panel = 1"
            " AND object IN (SELECT object FROM task WHERE batch <= ?) ORDER BY object, worker",
            batch,
        )
    ]


def answers_of(store: JobStore, batch: int) -> dict[int, list[Answer]]:
    """Return a batch's answers by object, declines included."""
    found: dict[int, list[Answer]] = {}
    for row in store.stream(
        "SELECT answer.* FROM answer JOIN task USING (object) WHERE IIF(panel = 1, batch, again) = ?"
        " ORDER BY object, submitted, worker",
        batch,
    ):
        content = None if row["content"] is None else json.loads(row["content"])
        found.setdefault(row["object"], []).append(
            Answer(
                row["object"],
                row["worker"],
                content,
                row["submitted"],
                row["seconds"],
                json.loads(row["extra"]),
            )
        )
    return found


def withdraw_open_tasks(run: Run) -> StepOutput:
    """Close the open batches because the job stops: objects with answers get labels, the others stay as they were.

    Open second panels are closed without a word: what they would have measured is not measured.
    """
    out = run.store.rows("SELECT DISTINCT batch, again FROM task WHERE closed IS NULL")
    batches = sorted({row["batch"] for row in out if row["again"] is None})
    panels = sorted({row["again"] for row in out if row["again"] is not None})
    now = run.clock.now()
    with run.store.transaction() as connection:
        for batch in batches + panels:
            freeze(connection, run.rules, now, batch, withdraw=True)
    outputs = [label_batch(run, batch, stopped=True) for batch in batches]

    def rows(connection: sqlite3.Connection) -> None:
        for output in outputs:
            if output.rows is not None:
                output.rows(connection)
        for batch in panels:
            close_again(connection, batch, iso(now))

    return StepOutput(
        {
            "labeled": [number for output in outputs for number in output.result["labeled"]],
            "failed": [number for output in outputs for number in output.result["failed"]],
            "labels": {number: label for output in outputs for number, label in output.result["labels"].items()},
        },
        rows=rows,
    )


def close_again(connection: sqlite3.Connection, batch: int, at: str) -> None:
    """Close the second panels of a batch."""
    connection.execute("UPDATE task SET closed = ? WHERE again = ?", (at, batch))

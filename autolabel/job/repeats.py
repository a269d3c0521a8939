"""Repeats: a second panel of other people answers some objects again, to measure how often people's labels are wrong.

What the second panel says makes no label; it is compared with the label that the first one made. Repeats come last,
when every label by people is there, and are drawn uniformly from all of them. Where the machine labeled too, they are
drawn from the labels that were made before its predictions were frozen, and from the audit, which stands for everything
after.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.job.clock import iso
from autolabel.job.finish import publish_batch
from autolabel.job.labels import close_again
from autolabel.job.people import first_slots, settle
from autolabel.job.reference import BEFORE_THE_FREEZE
from autolabel.job.steps import StepOutput
from autolabel.job.store import add_event
from autolabel.job.window import reopen
from autolabel.report.data import Purpose

if TYPE_CHECKING:
    import sqlite3

    from autolabel.job.look import Look
    from autolabel.job.run import Run


def repeat_some(run: Run, look: Look | None) -> None:
    """Ask second panels about a share of the objects that people labeled, as many at once as may be asked."""
    if not run.settings.repeats:
        return
    publish_batch(run, look)
    chosen = run.steps.run("repeats", lambda: _choose(run, look))
    objects: list[int] = chosen.result["order"]
    size = run.request.max_concurrent_tasks
    for first in range(0, len(objects), size):
        name = f"repeat-{first // size + 1:03d}"
        run.check_stop()
        run.steps.run(f"{name}.ask", partial(_reopen, run, objects[first : first + size]))
        run.batches += 1
        batch = run.batches
        settle(run, name, batch, partial(_answers, run, batch), partial(_second_labels, run, batch))
        publish_batch(run, look)


def _choose(run: Run, look: Look | None) -> StepOutput:
    """Draw the objects of each part uniformly; their order is random too, so that a stop leaves a uniform sample."""
    purposes: dict[str, list[int]] = {}
    for row in run.store.rows(
        "SELECT object, purpose FROM label JOIN task USING (object) WHERE source = 'people' ORDER BY object"
    ):
        purposes.setdefault(row["purpose"], []).append(row["object"])
    before = sorted(number for purpose in BEFORE_THE_FREEZE for number in purposes.get(purpose, []))
    audit = purposes.get(Purpose.AUDIT.value, [])
    if look is None or not len(look.machine_objects()):
        parts = {"all": sorted(number for numbers in purposes.values() for number in numbers)}
    else:
        parts = {"before": before, "audit": audit}
    rng = run.rng("repeats")
    chosen = {
        name: rng.choice(numbers, size=int(run.settings.repeats * len(numbers)), replace=False).tolist()
        for name, numbers in parts.items()
    }
    order = rng.permutation([number for numbers in chosen.values() for number in numbers]).astype(np.int64).tolist()
    return StepOutput({"parts": chosen, "order": order})


def _reopen(run: Run, objects: list[int]) -> StepOutput:
    batch, now = run.batches + 1, run.clock.now()

    def rows(connection: sqlite3.Connection) -> None:
        reopen(connection, run.rules, now, objects, batch=batch, slots=first_slots(run))
        add_event(connection, iso(now), "tasks-repeated", batch=batch, objects=len(objects))

    return StepOutput({"objects": objects}, rows=rows)


def _answers(run: Run, batch: int) -> list[tuple[int, str, Any]]:
    """Answers of second panels up to a batch under their objects' numbers, and everybody else's under other numbers.

    So that a second panel is judged by its own answers, and its people by all that is known of them.
    """
    found = []
    for row in run.store.stream(
        "SELECT object, worker, panel, content FROM answer JOIN task USING (object)"
        " WHERE content IS NOT NULL AND (panel = 1 OR again <= ?) ORDER BY object, worker",
        batch,
    ):
        number = row["object"] if row["panel"] == 2 else row["object"] + run.objects
        found.append((number, row["worker"], run.task.label_from_answer(json.loads(row["content"]))))
    return found


def second_labels(run: Run, batch: int) -> dict[str, Any]:
    """Labels by the second panels of a batch, by object; those that nobody answered are not in it."""
    asked = {row["object"] for row in run.store.rows("SELECT object FROM task WHERE again = ?", batch)}
    answers = _answers(run, batch)
    answered = sorted({number for number, _, _ in answers} & asked)
    consolidated = run.task.consolidate(answers, objects=answered) if answered else {}
    return {str(number): consolidated[number].label for number in answered}


def _second_labels(run: Run, batch: int) -> StepOutput:
    labels = second_labels(run, batch)
    at = iso(run.clock.now())

    def rows(connection: sqlite3.Connection) -> None:
        close_again(connection, batch, at)
        add_event(connection, at, "batch-repeated", batch=batch, labeled=len(labels))

    return StepOutput({"batch": batch, "labels": labels}, rows=rows)

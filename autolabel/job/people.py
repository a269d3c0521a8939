"""Asking people: batches go out, answers come in, labels are consolidated. Nobody is asked or paid twice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from autolabel.consolidation.redundancy import first_answers
from autolabel.errors import AnswerError
from autolabel.job.belief import belief_arrays, belief_of, tipped_labels
from autolabel.job.clock import iso, parse
from autolabel.job.settings import MICRO
from autolabel.job.steps import StepOutput
from autolabel.job.store import add_event, to_json
from autolabel.manifest.output import iso_micro
from autolabel.report.data import Purpose
from autolabel.tasks.base import CrowdTask
from autolabel.workforce.base import Answer, HumanTask

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from autolabel.job.run import Run
    from autolabel.job.steps import StepRecord
    from autolabel.job.store import JobStore
    from autolabel.selection.batch import Batch
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


class WaitingForPeople(Exception):  # noqa: N818 - a signal to the caller, not an error
    """The walk cannot go on before people answer."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of submitted answers."""

    accepted: int
    repeated: int
    """The same answer was there already; harmless."""
    refused: tuple[tuple[Answer, str], ...]
    """Answers that cannot be taken, and why."""


def ask(run: Run, name: str, purpose: Purpose, choose: Callable[[], Batch]) -> list[int]:
    """Have people label the objects that `choose` names; return those that got a label.

    Two steps: publishing the batch, and consolidating it once everybody answered; with adaptive redundancy steps
    between them that ask more people about some objects. Where people have to answer first the walk ends with
    `WaitingForPeople`. An empty choice asks nobody.
    """
    run.check_stop()
    published = run.steps.run(f"{name}.ask", lambda: _publish(run, purpose, choose()))
    objects: list[int] = published.result["objects"]
    if not objects:
        return []
    run.batches += 1
    batch = run.batches
    labeled = collect(
        run, name, batch, lambda: answers_so_far(run.store, run, batch), lambda: _consolidate(run, batch, name=name)
    )
    found: list[int] = labeled.result["labeled"]
    return found


def collect(
    run: Run,
    name: str,
    batch: int,
    answers: Callable[[], Sequence[tuple[int, str, Any]]],
    consolidate: Callable[[], StepOutput],
) -> StepRecord:
    """Have a published batch answered, by more people where redundancy is adaptive, and consolidate it.

    `answers` gives what is known so far, the batch's own answers under its objects' numbers.
    """
    for turn in range(1, run.request.workers_per_object - first_slots(run) + 1):
        asked = _after_answers(run, batch, f"{name}.more-{turn}", lambda: _ask_more(run, name, batch, answers()))
        if not asked.result["objects"]:
            break
    return _after_answers(run, batch, f"{name}.labels", consolidate)


def _after_answers(run: Run, batch: int, step: str, work: Callable[[], StepOutput]) -> StepRecord:
    """Do a step that needs every answer of a batch that was asked for."""
    if not run.steps.known(step) and not _is_complete(run, batch):
        raise WaitingForPeople
    return run.steps.run(step, work)


def first_slots(run: Run) -> int:
    """Answers that each object is first asked for."""
    return first_answers(run.request.workers_per_object, run.settings.redundancy)


def _publish(run: Run, purpose: Purpose, chosen: Batch) -> StepOutput:
    numbers = chosen.objects.tolist()
    slots = first_slots(run)
    batch = run.batches + 1
    at = iso(run.clock.now())

    def rows(connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT INTO task (object, batch, purpose, slots, free, published) VALUES (?, ?, ?, ?, ?, ?)",
            [(number, batch, purpose.value, slots, slots, at) for number in numbers],
        )
        add_event(connection, at, "tasks-published", batch=batch, objects=len(numbers))

    result = {"objects": numbers, "explored": chosen.explored.tolist(), "purpose": purpose.value}
    return StepOutput(result, rows=rows if numbers else None)


def _ask_more(run: Run, name: str, batch: int, answers: Sequence[tuple[int, str, Any]]) -> StepOutput:
    """Ask one more person about the objects whose label is not sure enough for the price of an answer.

    An object that nobody has answered yet is always worth another answer; none gets more than
    NumberOfHumanWorkersPerDataObject, and none is asked again once its availability time is over.
    """
    if not isinstance(run.task, CrowdTask):
        msg = f"{run.task.kind} cannot say which objects are worth another answer"
        raise TypeError(msg)
    most = run.request.workers_per_object
    left = {
        row["object"]: most - row["asked"]
        for row in run.store.rows(
            "SELECT object, IIF(again IS NULL, slots, again_slots) AS asked FROM task"
            " WHERE COALESCE(again, batch) = ? AND asked < ?",
            batch,
            most,
        )
    }
    answered = {number for number, _, _ in answers}
    price, error_value = run.settings.answer_and_error(run.prices.answer / MICRO)
    undecided = {number: left[number] for number in sorted(left.keys() & answered)}
    belief = belief_of(run, name, list(undecided)) if purpose_of(run, batch) in INFORMED else {}
    settled = settled_labels(run, batch) if purpose_of(run, batch) is Purpose.AUDIT else None
    chosen = sorted(left.keys() - answered) + run.task.worth_asking(
        answers, left=undecided, price=price, error_value=error_value, belief=belief, settled=settled
    )
    if _is_over(run, batch):
        chosen = []
    at = iso(run.clock.now())

    def rows(connection: sqlite3.Connection) -> None:
        connection.executemany(
            "UPDATE task SET slots = slots + 1, free = free + 1, again_slots = again_slots + (again IS NOT NULL)"
            " WHERE object = ?",
            [(number,) for number in chosen],
        )
        add_event(connection, at, "answers-wanted", batch=batch, objects=len(chosen))

    return StepOutput({"objects": sorted(chosen)}, rows=rows if chosen else None)


def _is_complete(run: Run, batch: int) -> bool:
    """Every slot of the batch is answered or declined, or its availability time is over."""
    row = run.store.one("SELECT SUM(free) AS free FROM task WHERE COALESCE(again, batch) = ?", batch)
    return row is None or not row["free"] or _is_over(run, batch)


def _is_over(run: Run, batch: int) -> bool:
    """The batch's availability time is over."""
    row = run.store.one("SELECT MIN(published) AS published FROM task WHERE COALESCE(again, batch) = ?", batch)
    if row is None or row["published"] is None:
        return True
    lifetime = timedelta(seconds=run.request.task_availability_seconds)
    return run.clock.now() >= parse(row["published"]) + lifetime


def open_tasks(run: Run) -> list[HumanTask]:
    """Tasks that still want answers, by object number."""
    answered: dict[int, list[str]] = {}
    for row in run.store.stream(
        "SELECT object, worker FROM answer WHERE object IN (SELECT object FROM task WHERE closed IS NULL)"
    ):
        answered.setdefault(row["object"], []).append(row["worker"])
    return [
        HumanTask(
            object=row["object"],
            batch=row["again"] or row["batch"],
            input=run.task.task_input(run.manifest.source(row["object"])),
            workers=len(answered.get(row["object"], ())) + row["free"],
            answered_by=tuple(sorted(answered.get(row["object"], ()))),
        )
        for row in run.store.rows("SELECT * FROM task WHERE closed IS NULL AND free > 0 ORDER BY object")
    ]


def submit(run: Run, answers: Iterable[Answer]) -> Submitted:
    """Store answers: answer, slot, ledger and event in one transaction."""
    accepted = repeated = 0
    refused: list[tuple[Answer, str]] = []
    at = iso(run.clock.now())
    with run.store.transaction() as connection:
        for answer in answers:
            try:
                stored = _store_answer(run, connection, answer, at)
            except AnswerError as error:
                refused.append((answer, str(error)))
                continue
            accepted += stored
            repeated += not stored
        if accepted:
            add_event(connection, at, "answers", count=accepted)
    return Submitted(accepted, repeated, tuple(refused))


def _store_answer(run: Run, connection: sqlite3.Connection, answer: Answer, at: str) -> bool:
    """Store one answer; ``False`` when it was there; `AnswerError` when it cannot be taken."""
    content = None if answer.content is None else to_json(answer.content)
    there = connection.execute(
        "SELECT content FROM answer WHERE object = ? AND worker = ?", (answer.object, answer.worker)
    ).fetchone()
    if there is not None:
        if there["content"] == content:
            return False
        raise AnswerError(f"object {answer.object}: {answer.worker} has answered it already, otherwise")
    task = connection.execute("SELECT * FROM task WHERE object = ?", (answer.object,)).fetchone()
    if task is None:
        raise AnswerError(f"object {answer.object}: nobody was asked about it")
    if task["closed"] is not None or task["free"] == 0:
        raise AnswerError(f"object {answer.object}: all {task['slots']} answers are in")
    if answer.content is not None:
        run.task.label_from_answer(answer.content)  # raises AnswerError
    connection.execute(
        "INSERT INTO answer (object, worker, panel, content, submitted, seconds, extra) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            answer.object,
            answer.worker,
            1 if task["again"] is None else 2,
            content,
            answer.submitted or at,
            answer.seconds,
            to_json(answer.extra),
        ),
    )
    connection.execute("UPDATE task SET free = free - 1 WHERE object = ? AND free > 0", (answer.object,))
    if answer.content is not None:  # a declined task is not paid
        connection.execute(
            "INSERT INTO ledger (object, worker, kind, quantity, micro_usd) VALUES (?, ?, 'answer', 1, ?)",
            (answer.object, answer.worker, run.prices.answer),
        )
    return True


def _consolidate(run: Run, batch: int, *, name: str = "", stopped: bool = False) -> StepOutput:
    """Turn a batch's answers into labels; objects without any answer fail as Ground Truth says it, unless `stopped`.

    Where the model has a vote, the batch's labels are made with it, and what people alone would have said is kept
    beside those that it changed.
    """
    asked = [row["object"] for row in run.store.rows("SELECT object FROM task WHERE batch = ? ORDER BY object", batch)]
    answers = answers_so_far(run.store, run, batch)
    answered = {number for number, _, _ in answers}
    labeled = [number for number in asked if number in answered]
    failed = [number for number in asked if number not in answered and not stopped]
    alone = consolidate_batch(run, batch, answers, labeled, settled_labels(run, batch))
    belief = belief_of(run, name, labeled)
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
            [(number, EXPIRED, at) for number in failed],
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
    """Close the open batch because the job stops: objects with answers get labels, the others stay as they were.

    An open second panel is closed without a word: what it would have measured is not measured.
    """
    nothing: dict[str, Any] = {"labeled": [], "failed": [], "labels": {}}
    row = run.store.one("SELECT MAX(batch) AS batch, MAX(again) AS again FROM task WHERE closed IS NULL")
    if row is None or row["batch"] is None:
        return StepOutput(nothing)
    if row["again"] is None:
        return _consolidate(run, row["batch"], stopped=True)
    at = iso(run.clock.now())
    return StepOutput(nothing, rows=lambda connection: close_again(connection, row["again"], at))


def close_again(connection: sqlite3.Connection, batch: int, at: str) -> None:
    """Close the second panels of a batch."""
    connection.execute("UPDATE task SET closed = ? WHERE again = ?", (at, batch))

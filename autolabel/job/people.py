"""Asking people: batches go out, answers come in, labels are consolidated. Nobody is asked or paid twice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autolabel.errors import AnswerError
from autolabel.job.answers import record_answer
from autolabel.job.clock import iso
from autolabel.job.functions import NOT_REQUIRED, prepare
from autolabel.job.functions import consolidate as consolidate_by_function
from autolabel.job.guesses import guesses_for, store_guesses
from autolabel.job.steps import StepOutput
from autolabel.job.store import add_event, to_json
from autolabel.job.window import QUEUED, freeze, is_settled, open_more, publish_tasks
from autolabel.manifest.output import iso_micro
from autolabel.report.data import Purpose
from autolabel.workforce.base import Answer, HumanTask

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from autolabel.job.run import Run
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

    Two steps: publishing the batch, and consolidating it once everybody answered. Between them the walk ends with
    `WaitingForPeople`. An empty choice asks nobody.
    """
    batch = publish(run, name, purpose, choose)
    return [] if batch is None else collect(run, name, batch)


def publish(run: Run, name: str, purpose: Purpose, choose: Callable[[], Batch]) -> int | None:
    """Ask people about the objects that `choose` names; return the batch's number, ``None`` for an empty choice."""
    run.check_stop()
    published = run.steps.run(f"{name}.ask", lambda: _publish(run, purpose, choose()))
    if not published.result["objects"]:
        return None
    run.batches += 1
    return run.batches


def collect(run: Run, name: str, batch: int) -> list[int]:
    """Consolidate a batch that everybody answered, or end the walk with `WaitingForPeople`; return what got a label."""
    label_step = f"{name}.labels"
    if not run.steps.known(label_step):
        _freeze(run, batch)
    labeled = run.steps.run(label_step, lambda: _consolidate(run, batch))
    run.collected = batch
    found: list[int] = labeled.result["labeled"]
    return found


def _publish(run: Run, purpose: Purpose, chosen: Batch) -> StepOutput:
    prepared = prepare(run, chosen.objects.tolist())
    numbers = chosen.objects.tolist() if prepared is None else sorted(prepared.inputs)
    slots = run.request.workers_per_object
    batch = run.batches + 1
    now = run.clock.now()
    at = iso(now)
    guesses = guesses_for(run, batch, purpose, chosen)

    def rows(connection: sqlite3.Connection) -> None:
        publish_tasks(connection, run.rules, now, numbers, batch=batch, purpose=purpose, slots=slots)
        store_guesses(connection, guesses)
        if prepared is not None:
            connection.executemany(
                "UPDATE task SET input = ? WHERE object = ?", [(text, each) for each, text in prepared.inputs.items()]
            )
            connection.executemany(
                "INSERT INTO failure (object, reason, created) VALUES (?, ?, ?)",
                [(each, NOT_REQUIRED, at) for each in prepared.spared],
            )
        add_event(connection, at, "tasks-published", batch=batch, objects=len(numbers))

    result = {"objects": numbers, "explored": chosen.explored.tolist(), "purpose": purpose.value}
    if prepared is not None:
        result["spared"] = list(prepared.spared)
    return StepOutput(result, rows=rows if numbers or result.get("spared") else None)


def _freeze(run: Run, batch: int) -> None:
    """Take no more answers to a batch once everybody answered or its time is over; else raise `WaitingForPeople`.

    Answers are read for consolidation after that, so that nobody can change one between reading and storing.
    """
    now = run.clock.now()
    if not is_settled(run.store.one, run.rules, now, batch):
        raise WaitingForPeople
    with run.store.transaction() as connection:
        frozen = freeze(connection, run.rules, now, batch)
    if not frozen:  # somebody took a place between the two looks
        raise WaitingForPeople


def open_tasks(run: Run) -> list[HumanTask]:
    """Tasks that still want answers, by object number; at most MaxConcurrentTaskCount of them are open at a time."""
    if run.store.one(f"SELECT 1 FROM task WHERE {QUEUED} LIMIT 1"):  # noqa: S608 - no values
        with run.store.transaction() as connection:
            open_more(connection, run.rules, run.clock.now())
    answered: dict[int, list[str]] = {}
    for row in run.store.stream(
        "SELECT object, worker FROM answer WHERE object IN (SELECT object FROM task WHERE closed IS NULL)"
    ):
        answered.setdefault(row["object"], []).append(row["worker"])
    return [
        HumanTask(
            object=row["object"],
            batch=row["batch"],
            input=task_input(run, row),
            workers=row["slots"],
            answered_by=tuple(sorted(answered.get(row["object"], ()))),
        )
        for row in run.store.rows(
            "SELECT * FROM task WHERE opened IS NOT NULL AND frozen IS NULL AND free > 0 ORDER BY object"
        )
    ]


def task_input(run: Run, row: sqlite3.Row) -> dict[str, Any]:
    """Build what a worker's page sees of a task, a row of its table: a Lambda function's work, or the built-in form."""
    if row["input"] is None:
        return run.task.task_input(run.manifest.source(row["object"]))
    prepared: dict[str, Any] = json.loads(row["input"])
    return prepared


def submit(run: Run, answers: Iterable[Answer]) -> Submitted:
    """Store answers: answer, slot, ledger and event in one transaction."""
    accepted = repeated = 0
    refused: list[tuple[Answer, str]] = []
    now = run.clock.now()
    at = iso(now)
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
            open_more(connection, run.rules, now)
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
    if task["frozen"] is not None or task["free"] == 0:
        raise AnswerError(f"object {answer.object}: all {task['slots']} answers are in")
    if answer.content is not None:
        run.task.label_from_answer(answer.content)  # raises AnswerError
    record_answer(connection, answer, at=at, price=run.prices.answer)
    return True


def _consolidate(run: Run, batch: int, *, stopped: bool = False) -> StepOutput:
    """Turn a batch's answers into labels; objects without any answer fail as Ground Truth says it, unless `stopped`."""
    asked = [row["object"] for row in run.store.rows("SELECT object FROM task WHERE batch = ? ORDER BY object", batch)]
    consolidated, reasons = _labels_of_people(run, batch, asked)
    labeled = [number for number in asked if number in consolidated]
    reasons |= {} if stopped else {number: EXPIRED for number in asked if number not in consolidated | reasons}
    failed = sorted(reasons)
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
    return StepOutput({"labeled": labeled, "failed": failed, "labels": labels}, rows=rows)


def consolidate_batch(
    run: Run, batch: int, answers: list[tuple[int, str, Any]], objects: list[int], settled: dict[int, Any]
) -> dict[int, Consolidated]:
    """Consolidate a batch's answers: an audit's object by object, any other's with all answers together.

    `settled` are the labels by people of earlier batches.
    """
    if not objects:
        return {}
    row = run.store.one("SELECT purpose FROM task WHERE batch = ? LIMIT 1", batch)
    if row is not None and row["purpose"] == Purpose.AUDIT:
        return run.task.consolidate_audit(answers, objects=objects, settled=settled)
    return run.task.consolidate(answers, objects=objects)


def _labels_of_people(run: Run, batch: int, asked: list[int]) -> tuple[dict[int, Consolidated], dict[int, str]]:
    """Make labels of a batch's answers, by the task or by a Lambda function; beside them, why others have none."""
    if run.request.consolidation_lambda is not None:
        given = {
            number: [answer for answer in answers if answer.content is not None]
            for number, answers in answers_of(run.store, batch).items()
        }
        given = {number: answers for number, answers in given.items() if answers}
        return consolidate_by_function(run, batch, given) if given else ({}, {})
    answers = answers_so_far(run.store, run, batch)
    answered = {number for number, _, _ in answers}
    settled = {
        row["object"]: json.loads(row["label"])
        for row in run.store.stream("SELECT object, label FROM label WHERE source = 'people' AND batch < ?", batch)
    }
    objects = [number for number in asked if number in answered]
    return consolidate_batch(run, batch, answers, objects, settled), {}


def answers_so_far(store: JobStore, run: Run, batch: int) -> list[tuple[int, str, Any]]:
    """Every answer that is not a decline up to a batch, as ``(object, worker, label)``, in a fixed order."""
    return [
        (row["object"], row["worker"], run.task.label_from_answer(json.loads(row["content"])))
        for row in store.stream(
            "SELECT object, worker, content FROM answer WHERE content IS NOT NULL"
            " AND object IN (SELECT object FROM task WHERE batch <= ?) ORDER BY object, worker",
            batch,
        )
    ]


def answers_of(store: JobStore, batch: int) -> dict[int, list[Answer]]:
    """Return a batch's answers by object, declines included."""
    found: dict[int, list[Answer]] = {}
    for row in store.stream(
        "SELECT answer.* FROM answer JOIN task USING (object) WHERE batch = ? ORDER BY object, submitted, worker",
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
    """Close the open batches because the job stops: objects with answers get labels, the others stay as they were."""
    open_batches = [row["batch"] for row in run.store.rows("SELECT DISTINCT batch FROM task WHERE closed IS NULL")]
    with run.store.transaction() as connection:
        for batch in open_batches:
            freeze(connection, run.rules, run.clock.now(), batch, withdraw=True)
    outputs = [_consolidate(run, batch, stopped=True) for batch in sorted(open_batches)]

    def rows(connection: sqlite3.Connection) -> None:
        for output in outputs:
            if output.rows is not None:
                output.rows(connection)

    return StepOutput(
        {
            "labeled": [number for output in outputs for number in output.result["labeled"]],
            "failed": [number for output in outputs for number in output.result["failed"]],
            "labels": {number: label for output in outputs for number, label in output.result["labels"].items()},
        },
        rows=rows,
    )

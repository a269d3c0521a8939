"""Asking people: batches go out and answers come in. Nobody is asked or paid twice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autolabel.consolidation.redundancy import first_answers
from autolabel.errors import AnswerError
from autolabel.job.answers import record_answer
from autolabel.job.belief import belief_of
from autolabel.job.clock import iso
from autolabel.job.functions import NOT_REQUIRED, prepare
from autolabel.job.guesses import guesses_for, store_guesses
from autolabel.job.labels import INFORMED, answers_so_far, label_batch, purpose_of, settled_labels
from autolabel.job.settings import MICRO
from autolabel.job.steps import StepOutput
from autolabel.job.store import add_event, to_json
from autolabel.job.window import BATCH, QUEUE, cutoff, freeze, is_settled, open_more, publish_tasks, want_more
from autolabel.report.data import Purpose
from autolabel.tasks.base import CrowdTask
from autolabel.workforce.base import Answer, HumanTask

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from autolabel.job.run import Run
    from autolabel.job.steps import StepRecord
    from autolabel.selection.batch import Batch


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
    labeled = settle(
        run, name, batch, lambda: answers_so_far(run.store, run, batch), lambda: label_batch(run, batch, name=name)
    )
    found: list[int] = labeled.result["labeled"]
    return found


def settle(
    run: Run,
    name: str,
    batch: int,
    answers: Callable[[], Sequence[tuple[int, str, Any]]],
    consolidate: Callable[[], StepOutput],
) -> StepRecord:
    """Have a published batch answered, by more people where redundancy is adaptive, and consolidate it.

    `answers` gives what is known so far, the batch's own answers under its objects' numbers. The batch is frozen before
    it is consolidated, so that nobody can change an answer between reading and storing.
    """
    for turn in range(1, run.request.workers_per_object - first_slots(run) + 1):
        step = f"{name}.more-{turn}"
        if not run.steps.known(step) and not is_settled(run.store.one, run.rules, run.clock.now(), batch):
            raise WaitingForPeople
        asked = run.steps.run(step, lambda: _ask_more(run, name, batch, answers()))
        if not asked.result["objects"]:
            break
    label_step = f"{name}.labels"
    if not run.steps.known(label_step):
        _freeze(run, batch)
    settled = run.steps.run(label_step, consolidate)
    run.collected = batch
    return settled


def first_slots(run: Run) -> int:
    """Answers that each object is first asked for; all of them where a Lambda function consolidates them."""
    if run.request.consolidation_lambda is not None:
        return run.request.workers_per_object
    return first_answers(run.request.workers_per_object, run.settings.redundancy)


def _publish(run: Run, purpose: Purpose, chosen: Batch) -> StepOutput:
    prepared = prepare(run, chosen.objects.tolist())
    numbers = chosen.objects.tolist() if prepared is None else sorted(prepared.inputs)
    slots = first_slots(run)
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


def _ask_more(run: Run, name: str, batch: int, answers: Sequence[tuple[int, str, Any]]) -> StepOutput:
    """Ask one more person about the objects whose label is not sure enough for the price of an answer.

    An object that nobody has answered yet is always worth another answer; none gets more than
    NumberOfHumanWorkersPerDataObject, and none is asked again whose time before people ran out.
    """
    if not isinstance(run.task, CrowdTask):
        msg = f"{run.task.kind} cannot say which objects are worth another answer"
        raise TypeError(msg)
    most = run.request.workers_per_object
    now = run.clock.now()
    left = {
        row["object"]: most - row["asked"]
        for row in run.store.rows(
            "SELECT object, IIF(again IS NULL, slots, again_slots) AS asked FROM task"  # noqa: S608 - no values
            f" WHERE {BATCH} = ? AND asked < ? AND opened > ?",
            batch,
            most,
            cutoff(run.rules, now),
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

    def rows(connection: sqlite3.Connection) -> None:
        want_more(connection, run.rules, now, chosen)
        add_event(connection, iso(now), "answers-wanted", batch=batch, objects=len(chosen))

    return StepOutput({"objects": sorted(chosen)}, rows=rows if chosen else None)


def _freeze(run: Run, batch: int) -> None:
    """Take no more answers to a batch once everybody answered or its time is over; else raise `WaitingForPeople`."""
    now = run.clock.now()
    if not is_settled(run.store.one, run.rules, now, batch):
        raise WaitingForPeople
    with run.store.transaction() as connection:
        frozen = freeze(connection, run.rules, now, batch)
    if not frozen:  # somebody took a place between the two looks
        raise WaitingForPeople


def open_tasks(run: Run) -> list[HumanTask]:
    """Tasks that still want answers, by object number; at most MaxConcurrentTaskCount of them are open at a time."""
    if run.store.one(f"SELECT 1 FROM {QUEUE} LIMIT 1"):  # noqa: S608 - no values
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
            batch=row["again"] or row["batch"],
            input=task_input(run, row),
            workers=len(answered.get(row["object"], ())) + row["free"],
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

"""How often people's labels are wrong, as far as gold and repeats of this job tell."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.job.belief import tipped_labels
from autolabel.job.gold import gold_of
from autolabel.job.labels import answers_so_far, settled_labels
from autolabel.job.pool import State
from autolabel.quality.reference import Measured, MeasuredReference, Method, measure_gold, measure_repeats
from autolabel.report.data import Purpose

BEFORE_THE_FREEZE = (Purpose.TRAIN.value, Purpose.GOLD.value)
"""What people are asked for before predictions are frozen."""

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from autolabel.job.run import Run


def reference_facts(run: Run, states: NDArray[np.uint8], machine_wrong_at_most: int) -> dict[str, Any] | None:
    """Return what ``certificate.json`` says of people's own errors; ``None`` where nothing was measured.

    Gold is the better measure and is what the members say where there are both; ``repeats`` then stands beside it.

    Parameters
    ----------
    states
        Final states of all objects, machine labels included.
    machine_wrong_at_most
        The certificate's bound.
    """
    found = [
        MeasuredReference(
            method=method,
            labels=sum(part.population for part in parts),
            parts=tuple(parts),
            confidence=run.settings.confidence,
            machine_wrong_at_most=machine_wrong_at_most,
            tipped=len(tipped_labels(run)),
        )
        for method, parts in ((Method.GOLD, _gold(run, states)), (Method.REPEATS, _repeats(run, states)))
        if sum(part.measured for part in parts)
    ]
    if not found:
        return None
    first, *more = (each.to_json() for each in found)
    return {**first, **{str(each["method"]): each for each in more}}


def _gold(run: Run, states: NDArray[np.uint8]) -> list[Measured]:
    """Compare people's labels of the gold sample with the truth, batch by batch as far as all of it was asked.

    An object counts as wrong if its label is, or if it would have been wrong as a reference in the audit.
    """
    sample = run.steps.stored("gold")
    if sample is None:
        return []
    labels = _labels_by_people(run)
    truth = gold_of(run.folder)
    open_batches = {row["object"] for row in run.store.rows("SELECT object FROM task WHERE purpose = 'gold'")}
    chunk = 1
    while (asked := run.steps.stored(f"gold-{chunk:03d}.ask")) and run.steps.known(f"gold-{chunk:03d}.labels"):
        open_batches -= set(asked.result["objects"])
        chunk += 1
    # Objects of a batch that a stop cut short are left out: who had answered by then is no uniform choice.
    numbers = [number for number in sample.result["sample"] if number in labels and number not in open_batches]
    audited = _as_audited(run, numbers) if numbers else {}
    wrong = sum(
        _differing(run, [labels[number]], [truth[number]]) or _differing(run, [audited[number]], [truth[number]])
        for number in numbers
    )
    return [measure_gold(_count(states), len(numbers), wrong, run.settings.quality.delta)]


def _as_audited(run: Run, numbers: list[int]) -> dict[int, Any]:
    """Labels that gold objects would have got as audited ones: each by its own answers and by settled labels.

    Machine labels are held against references that are made in this way, so it is these that have to be right.
    """
    row = run.store.one("SELECT MAX(batch) AS batch FROM task WHERE purpose = 'audit'")
    batch = row["batch"] if row and row["batch"] else 1 << 62
    settled = settled_labels(run, batch)
    answers = answers_so_far(run.store, run, batch)
    before = {number: label for number, label in settled.items() if number not in set(numbers)}
    found = run.task.consolidate_audit(answers, objects=numbers, settled=before)
    return {number: each.label for number, each in found.items()}


def _repeats(run: Run, states: NDArray[np.uint8]) -> list[Measured]:
    """Compare labels with those of second panels, in each part that repeats were drawn from."""
    chosen = run.steps.stored("repeats")
    if chosen is None:
        return []
    labels, again = _labels_by_people(run), _second_labels(run)
    parts: dict[str, list[int]] = chosen.result["parts"]
    measured = []
    for name, drawn in parts.items():
        numbers = [number for number in drawn if str(number) in again and number in labels]
        differ = _differing(run, [labels[number] for number in numbers], [again[str(number)] for number in numbers])
        population = _population(run, states, name)
        delta = run.settings.quality.delta / len(parts)
        measured.append(measure_repeats(population, len(numbers), differ, delta))
    return measured


def _population(run: Run, states: NDArray[np.uint8], part: str) -> int:
    """Labels that a part of the repeats stands for."""
    if part == "all":
        return _count(states)
    row = run.store.one(
        "SELECT COUNT(*) AS n FROM label JOIN task USING (object) WHERE source = 'people' AND purpose IN (?, ?)",
        *BEFORE_THE_FREEZE,
    )
    before = row["n"] if row else 0
    return before if part == "before" else _count(states) - before


def _count(states: NDArray[np.uint8]) -> int:
    """Labels this job made."""
    return int(np.isin(states, (State.PEOPLE, State.MACHINE)).sum())


def _labels_by_people(run: Run) -> dict[int, Any]:
    """Labels as people alone gave them."""
    labels = {
        row["object"]: json.loads(row["label"])
        for row in run.store.stream("SELECT object, label FROM label WHERE source = 'people'")
    }
    return labels | tipped_labels(run)


def _second_labels(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in run.store.rows("SELECT result FROM step WHERE name LIKE 'repeat-%.labels' ORDER BY position"):
        found |= json.loads(row["result"])["labels"]
    return found


def _differing(run: Run, labels: list[Any], references: list[Any]) -> int:
    return int((run.task.loss(labels, references) > 0).sum()) if labels else 0


def gold_findings(run: Run) -> list[str]:
    """Say whether the gold that lies in the folder is not what the job began with."""
    sample = run.steps.stored("gold")
    if sample is None:
        return []
    if not run.folder.gold.is_file():
        return [f"{run.folder.gold}: missing"]
    if hashlib.sha256(run.folder.gold.read_bytes()).hexdigest() != sample.result["sha256"]:
        return [f"{run.folder.gold}: not the gold that the job asked people about"]
    return []


def repeat_findings(run: Run, second_labels: Callable[[Run, int], dict[str, Any]]) -> list[str]:
    """Say where the labels of second panels do not follow from their answers."""
    findings = []
    for row in run.store.rows("SELECT result FROM step WHERE name LIKE 'repeat-%.labels' ORDER BY position"):
        stored = json.loads(row["result"])
        derived = second_labels(run, stored["batch"])
        findings += [
            f"object {number}: the second panel's label is {stored['labels'].get(number)!r}, its answers give "
            f"{derived.get(number)!r}"
            for number in sorted(stored["labels"].keys() | derived.keys(), key=int)
            if stored["labels"].get(number) != derived.get(number)
        ]
    return findings

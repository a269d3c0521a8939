"""What a certificate rests on, derived again: labels from answers, the look from scores and seed, money from labels."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.job.belief import belief_from
from autolabel.job.functions import functions_labels
from autolabel.job.labels import EXPIRED, answers_so_far, consolidate_batch, purpose_of, with_vote
from autolabel.job.look import draw, model_sha256, room_after_audit, stored_look, walked
from autolabel.job.rounds import Round, round_name
from autolabel.job.start import read_chained
from autolabel.quality.design import Frozen
from autolabel.quality.prospect import Decision
from autolabel.report.data import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autolabel.job.look import Look
    from autolabel.job.run import Run
    from autolabel.quality.design import Design
    from autolabel.tasks.base import Consolidated


class Answers:
    """Labels as the workers' answers give them, batch by batch; consolidated once and only when asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @cached_property
    def labels(self) -> dict[int, Consolidated]:
        """What every answered object of a closed batch is labeled, the model's vote included where it has one."""
        run = self._run
        found = dict(self.alone)
        for name, batch in label_steps(run).items():
            step = run.steps.stored(name)
            if step is not None and step.arrays_sha256:
                answers = answers_so_far(run.store, run, batch)
                found |= with_vote(run, batch, answers, belief_from(step.arrays()))
        return found

    @cached_property
    def alone(self) -> dict[int, Consolidated]:
        """What people alone label every answered object of a closed batch."""
        run = self._run
        if run.request.consolidation_lambda is not None:
            return functions_labels(run)
        found: dict[int, Consolidated] = {}
        for row in run.store.rows("SELECT DISTINCT batch FROM task WHERE closed IS NOT NULL ORDER BY batch"):
            answers = answers_so_far(run.store, run, row["batch"])
            asked = {task["object"] for task in run.store.rows("SELECT object FROM task WHERE batch = ?", row["batch"])}
            objects = sorted(asked & {number for number, _, _ in answers})
            settled = {number: consolidated.label for number, consolidated in found.items()}
            found |= consolidate_batch(run, row["batch"], answers, objects, settled)
        return found


def label_steps(run: Run) -> dict[str, int]:
    """Batch of every step that made labels, by its name."""
    rows = run.store.rows("SELECT name, result FROM step WHERE name LIKE '%.labels' AND name NOT LIKE 'repeat-%'")
    return {row["name"]: json.loads(row["result"])["batch"] for row in rows}


def votes(run: Run, answers: Answers) -> Iterator[str]:
    """Say where the model had a vote that it may not have, and where what it changed is not what was stored."""
    for name, batch in label_steps(run).items():
        step = run.steps.stored(name)
        if step is None:
            continue
        if step.arrays_sha256 and purpose_of(run, batch) is not Purpose.TRAIN:
            yield f"step {name!r}: the model had a vote in labels that people are asked to give alone"
        tipped = {
            str(number): answers.alone[number].label
            for number in step.result["labeled"]
            if number in answers.alone and answers.alone[number].label != answers.labels[number].label
        }
        if tipped != step.result["tipped"]:
            said = _short(step.result["tipped"])
            yield f"step {name!r}: says that the model's vote changed {said}, it changed {_short(tipped)}"


def labels_by_people(run: Run, answers: Answers) -> Iterator[str]:
    """Compare every stored label by people with the answers, and every silence with a failure."""
    stored = {
        row["object"]: row for row in run.store.rows("SELECT * FROM label WHERE source = 'people' ORDER BY object")
    }
    for number, row in stored.items():
        derived = answers.labels.get(number)
        if derived is None:
            yield f"object {number}: has a label by people, but no answer"
        elif derived.label != json.loads(row["label"]):
            yield f"object {number}: the stored label is {row['label']}, the answers give {derived.label!r}"
        elif derived.confidence != row["confidence"]:
            found, right = row["confidence"], derived.confidence
            yield f"object {number}: the label's confidence is {found}, the answers give {right}"
    for number in sorted(answers.labels.keys() - stored.keys()):
        yield f"object {number}: people answered, but it has no label"
    silent = {row["object"] for row in run.store.rows("SELECT object FROM failure WHERE reason = ?", EXPIRED)}
    for number in sorted(silent & answers.labels.keys()):
        yield f"object {number}: is said to have expired, but people answered"


def chained_labels(run: Run) -> Iterator[str]:
    """Compare the labels that came with the manifest with the manifest."""
    labels, _ = read_chained(run)
    given = {number: (label, confidence, source) for number, label, confidence, source, _ in labels}
    stored = {
        row["object"]: (row["label"], row["confidence"], row["source"])
        for row in run.store.stream("SELECT * FROM label WHERE source != 'people'")
    }
    for number in sorted(given.keys() | stored.keys()):
        if given.get(number) != stored.get(number):
            yield f"object {number}: the input manifest gives {given.get(number)}, the job holds {stored.get(number)}"


def the_look(run: Run, answers: Answers) -> Iterator[str]:
    """Freeze, draw and walk again."""
    look = stored_look(run)
    if look is None:
        return
    frozen, design = look.frozen(), look.design
    yield from _design(run, look, design, frozen)
    yield from _freeze(run, look, frozen)
    facts = look.freeze.result
    ranks = draw(run, design, frozen, facts["scores_sha256"])
    if ranks.tolist() != facts["audit_ranks"] or frozen.objects[ranks].tolist() != facts["audit"]:
        yield "the audit is not the one that the seed draws"
    asked = [row["object"] for row in run.store.rows("SELECT object FROM task WHERE purpose = 'audit' ORDER BY object")]
    if asked != sorted(facts["audit"]):
        yield f"people were asked about {len(asked):,} objects as an audit, which are not those that were drawn"
    yield from _walk(run, look, answers)


def _design(run: Run, look: Look, design: Design, frozen: Frozen) -> Iterator[str]:
    quality = run.settings.quality
    if design.contract != quality.contract:
        yield f"the design is of the contract {design.contract}, the settings say {quality.contract}"
        return
    again = design.again(frozen, error=quality.error, delta=quality.delta)
    if again != design:
        yield f"the audit design is {_short(design)}, the rule gives {_short(again)}"
    if look.freeze.result["remainder"] != len(frozen):
        yield f"the look says {look.freeze.result['remainder']:,} objects remained, its order has {len(frozen):,}"


def _freeze(run: Run, look: Look, frozen: Frozen) -> Iterator[str]:
    """Compare what was frozen with the predictions of the round it came from, which the audit had no part in."""
    stored = run.steps.stored(f"{round_name(look.round_number)}.learn")
    if stored is None:
        yield f"round {look.round_number}, whose predictions were frozen, is not there"
        return
    last = Round(look.round_number, Decision.LOOK, stored)
    predictions = last.predictions()
    again = Frozen.of(last.remainder(), predictions.predicted, predictions.error_probability)
    if not np.array_equal(again.objects, frozen.objects):
        yield "the frozen order is not the order of the error probabilities"
    elif not (
        np.array_equal(again.predicted, frozen.predicted)
        and np.array_equal(again.error_probability, frozen.error_probability)
    ):
        yield f"the frozen predictions are not those of round {look.round_number}"
    if stored.result["look"]["design"] != look.freeze.result["design"]:
        yield f"the frozen design is not the one that round {look.round_number} planned"
    if model_sha256(last) != look.freeze.result["model_sha256"]:
        yield f"the frozen model is not the one of round {look.round_number}"
    leaked = np.intersect1d(stored.arrays()["trained.objects"], look.freeze.result["audit"])
    if len(leaked):
        yield f"object {leaked[0]} was audited, but the model had been trained on it"


def _walk(run: Run, look: Look, answers: Answers) -> Iterator[str]:
    """Walk again with reference labels consolidated from the answers themselves."""
    references = {
        number: answers.labels[number].label for number in look.freeze.result["audit"] if number in answers.labels
    }
    again = walked(run, look.freeze, references, room_after_audit(run))
    result = json.loads(json.dumps(again.result))
    for name in sorted(result.keys() | look.walk.result.keys()):
        said, right = look.walk.result.get(name), result.get(name)
        if said != right:
            yield f"the walk says {name} = {_short(said)}, the answers give {_short(right)}"
    if not np.array_equal(again.arrays["machine_ranks"], look.machine_ranks()):
        yield "the machine labeled objects other than those the walk allows"


def ledger_rows(run: Run) -> Iterator[str]:
    """Compare the stored ledger with answers and labels: a price each, once."""
    owed: dict[tuple[int, str, str], int] = {
        (row["object"], row["worker"], "answer"): run.prices.answer
        for row in run.store.stream("SELECT object, worker FROM answer WHERE content IS NOT NULL")
    }
    owed |= {
        (row["object"], "", "human-object"): run.prices.human_object
        for row in run.store.stream("SELECT object FROM label WHERE source = 'people'")
    }
    paid = {
        (row["object"], row["worker"], row["kind"]): row["micro_usd"] if row["quantity"] == 1 else -1
        for row in run.store.stream("SELECT * FROM ledger")
    }
    for key in sorted(owed.keys() | paid.keys()):
        if owed.get(key) != paid.get(key):
            number, worker, kind = key
            whose = f"the answer of {worker}" if kind == "answer" else "its label"
            due, given = owed.get(key, 0), paid.get(key, 0)
            yield f"object {number}: the ledger pays {given} millionths of a dollar for {whose}, owed are {due}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else text[:197] + "..."

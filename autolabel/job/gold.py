"""Gold: objects whose truth the operator knows, asked like all others, to measure how often people are wrong."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.job.people import ask
from autolabel.job.pool import State
from autolabel.job.steps import StepOutput
from autolabel.report.data import Purpose
from autolabel.selection.batch import Batch

if TYPE_CHECKING:
    from autolabel.job.folder import JobFolder
    from autolabel.job.run import Run

MOST_OF_BUDGET = 5
"""Gold gets at most one in this many of the objects that the stopping conditions leave."""


def gold_of(folder: JobFolder) -> dict[int, Any]:
    """Truth of the gold objects by their number, as it was when the job was created; empty when there is none."""
    if not folder.gold.is_file():
        return {}
    return {int(number): label for number, label in json.loads(folder.gold.read_bytes()).items()}


def ask_gold(run: Run) -> None:
    """Have people label the gold objects, as many at once as may be asked, before anything depends on who is asked."""
    if not run.folder.gold.is_file():
        return
    sample = run.steps.run("gold", lambda: _sample(run)).result["sample"]
    chunk = 1
    while ask(run, f"gold-{chunk:03d}", Purpose.GOLD, partial(_next, run, sample)):
        chunk += 1


def _sample(run: Run) -> StepOutput:
    """Take all gold objects that people may be asked about, or a uniform part of them that fits the budget."""
    truth = gold_of(run.folder)
    states = run.states()
    askable = [number for number in sorted(truth) if states[number] in (State.UNLABELED, State.PEOPLE)]
    left = run.budget().people
    size = min(len(askable), max(0, left // MOST_OF_BUDGET))
    sample = run.rng("gold").choice(np.asarray(askable, np.int64), size=size, replace=False).tolist()
    digest = hashlib.sha256(run.folder.gold.read_bytes()).hexdigest()
    return StepOutput({"sample": sample, "given": len(truth), "sha256": digest})


def _next(run: Run, sample: list[int]) -> Batch:
    """Choose the next of the sample, in its random order, that nobody was asked about."""
    states = run.states()
    left = [number for number in sample if states[number] == State.UNLABELED]
    chosen = np.sort(np.asarray(left[: run.request.max_concurrent_tasks], np.int64))
    return Batch(chosen, np.empty(0, np.int64))

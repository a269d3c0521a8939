"""Training the network: a step between two rounds, after which objects are seen with other eyes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from autolabel.errors import CheckpointError
from autolabel.job.rounds import round_name, training_set
from autolabel.job.steps import StepOutput

if TYPE_CHECKING:
    from pathlib import Path

    from autolabel.job.rounds import Round
    from autolabel.job.run import Run


SKIPPED = "skipped"
"""Member of a step's result where the network could not be trained: why."""


def tune(run: Run, after: Round) -> None:
    """Train the network on everything people labeled for training; from here on the run's model has what it learned.

    A killed job has lost one copy of the network at most, and one shard of the pool.
    """
    run.check_stop()
    name = f"{round_name(after.number)}.tune"
    folder = run.folder.tuned(after.number)
    if not run.steps.known(name):
        run.progress.phase("fine-tuning", round_number=after.number)
    record = run.steps.run(name, lambda: _tune(run, folder))
    if SKIPPED not in record.result:
        run.learner = run.model.tuned(folder, record.result, record.arrays())


def _tune(run: Run, folder: Path) -> StepOutput:
    objects, labels = training_set(run)
    try:
        prepared = run.model.tune(run.sources, objects, labels, folder, run.progress.progress)
    except CheckpointError as error:  # the frozen features are still good
        return StepOutput({SKIPPED: str(error)})
    return StepOutput(prepared.facts, prepared.arrays)


def skipped(run: Run) -> list[str]:
    """Say why the network was not trained, where it should have been."""
    rows = run.store.rows("SELECT result FROM step WHERE name LIKE 'round-%.tune' ORDER BY position")
    found = (json.loads(row["result"]).get(SKIPPED) for row in rows)
    return [f"the network was not trained: {reason}" for reason in found if reason is not None]

"""Training the network: a step between two rounds, after which objects are seen with other eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autolabel.job.rounds import round_name, training_set
from autolabel.job.steps import StepOutput

if TYPE_CHECKING:
    from pathlib import Path

    from autolabel.job.rounds import Round
    from autolabel.job.run import Run


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
    run.learner = run.model.tuned(folder, record.result, record.arrays())


def _tune(run: Run, folder: Path) -> StepOutput:
    objects, labels = training_set(run)
    prepared = run.model.tune(run.sources, objects, labels, folder, run.progress.progress)
    return StepOutput(prepared.facts, prepared.arrays)

"""One walk through a job: what every part of the loop shares."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.job.clock import iso
from autolabel.job.people import WaitingForPeople
from autolabel.job.pool import State, read_states
from autolabel.job.queue import rules_of
from autolabel.job.steps import Steps
from autolabel.job.store import add_event, set_fact
from autolabel.quality.planner import Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from autolabel.api.describe import JobStatus
    from autolabel.api.request import LabelingJobRequest
    from autolabel.inference.embed import SourceReader
    from autolabel.job.clock import Clock
    from autolabel.job.folder import JobFolder
    from autolabel.job.settings import PriceList, Settings
    from autolabel.job.store import JobStore
    from autolabel.learning.base import Learner
    from autolabel.manifest.index import ManifestIndex
    from autolabel.manifest.lines import Manifest
    from autolabel.report.progress import ProgressReporter
    from autolabel.tasks.base import Task
    from autolabel.workforce.leases import QueueRules

__all__ = ["Run", "StopRequested", "WaitingForPeople"]

PEOPLE_STATES = (State.PEOPLE, State.CHAINED_PEOPLE)


class StopRequested(Exception):  # noqa: N818 - a signal to the caller, not an error
    """Somebody asked the job to stop; raised between two steps."""


@dataclass
class Run:
    """One walk through the loop, from the start or from where the stored steps end.

    Attributes
    ----------
    batches
        Human batches asked so far in this walk: AWS's iterations.
    collected
        Batches of this walk whose answers are consolidated; one more may be before people.
    published
        Batches of this walk whose files are written.
    mirror
        Copies the output tree to where the request wants it; does nothing when that is the job folder.
    """

    folder: JobFolder
    store: JobStore
    request: LabelingJobRequest
    settings: Settings
    prices: PriceList
    task: Task
    clock: Clock
    progress: ProgressReporter
    manifest: Manifest
    sources: SourceReader
    learner: Learner | None
    mirror: Callable[[], None]
    batches: int = 0
    collected: int = 0
    published: int = 0
    steps: Steps = field(init=False)

    def __post_init__(self) -> None:
        """Begin at the first step."""
        self.steps = Steps(self.store, self.folder, self.clock)

    @property
    def rules(self) -> QueueRules:
        """How tasks are lent to people."""
        return rules_of(self.request, sets=self.settings.sets)

    @property
    def index(self) -> ManifestIndex:
        """The snapshot's index."""
        return self.manifest.index

    @property
    def objects(self) -> int:
        """N, every object of the manifest."""
        return len(self.manifest.index)

    @property
    def model(self) -> Learner:
        """The learner of a job with automated labeling."""
        if self.learner is None:
            msg = "the job has no automated labeling, hence no learner"
            raise RuntimeError(msg)
        return self.learner

    def predicted_label(self, key: int) -> Any:
        """Return the label behind an element of `Predictions.predicted`: a class id is its own label.

        A task type whose labels are not ids keeps them beside the predictions, and looks them up here.
        """
        return int(key)

    def rng(self, name: str, *digests: str) -> np.random.Generator:
        """Return the generator of one step: from the job's seed, its manifest, the step's name and hexadecimal digests.

        Without the manifest, jobs of one seed on different data would audit the same places of their orders, and their
        lucky and unlucky audits would come together.
        """
        hashes = [int(digest[:16], 16) for digest in (self.manifest.index.sha256, *digests)]
        return np.random.default_rng(
            np.random.SeedSequence([self.settings.seed, hashes[0], zlib.crc32(name.encode()), *hashes[1:]])
        )

    def states(self) -> NDArray[np.uint8]:
        """States by the tables; machine labels, which the look holds, are not in it. Only inside a step."""
        return read_states(self.store, self.objects)

    def unlabeled(self) -> NDArray[np.int64]:
        """Objects without label or failure, ascending. Only inside a step."""
        return np.flatnonzero(self.states() == State.UNLABELED)

    def labels_by_people(self) -> tuple[NDArray[np.int64], list[Any]]:
        """Objects with labels by people, ascending, and their labels. Only inside a step."""
        import msgspec

        rows = self.store.rows("SELECT object, label FROM label WHERE source != 'chained-machine' ORDER BY object")
        return np.asarray([row["object"] for row in rows], np.int64), [
            msgspec.json.decode(row["label"]) for row in rows
        ]

    def budget(self, batch: int | None = None) -> Budget:
        """Say what the stopping conditions leave, now or after human batch `batch`. Only inside a step.

        MaxHumanLabeledObjectCount counts the objects that people are asked about in this job, even those that
        failed: it is a limit on spending. What is repeated counts again, and is reserved from the start.
        MaxPercentageOfInputDatasetLabeled counts every labeled object, those that came labeled in the manifest
        included; the percentage is rounded down.
        """
        until = 1 << 62 if batch is None else batch
        human_left: int | None = None
        if self.request.max_human_labeled is not None:
            row = self.store.one("SELECT COUNT(*) AS n FROM task WHERE batch <= ?", until)
            most = int(round(self.request.max_human_labeled / (1 + self.settings.repeats), 9))
            human_left = max(0, most - (row["n"] if row else 0))
        labels_left: int | None = None
        if self.request.max_percentage_labeled < 100:
            row = self.store.one("SELECT COUNT(*) AS n FROM label WHERE batch <= ?", until)
            most = self.objects * self.request.max_percentage_labeled // 100
            labels_left = max(0, most - (row["n"] if row else 0))
        return Budget(human_left, labels_left)

    def set_status(self, status: JobStatus, **facts: Any) -> None:
        """Move the job to `status` in one transaction with its event; staying where it is is no change."""
        from autolabel.api.describe import JobStatus

        current = JobStatus(self.store.fact("status"))
        if current is status:
            return
        if not current.may_become(status):
            msg = f"a job that is {current} cannot become {status}"
            raise RuntimeError(msg)
        at = iso(self.clock.now())
        with self.store.transaction() as connection:
            set_fact(connection, "status", status.value)
            set_fact(connection, "modified", at)
            for name, value in facts.items():
                set_fact(connection, name, value)
            add_event(connection, at, "status", status=status.value, **facts)

    def check_stop(self) -> None:
        """Raise `StopRequested` when the stop flag lies in the folder."""
        if self.folder.stop_flag.exists():
            raise StopRequested

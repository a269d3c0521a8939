"""`LabelingJob`: create, advance, submit. A state machine that waits, not a loop that sleeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import msgspec

from autolabel.api.describe import JobStatus
from autolabel.errors import JobFailedError
from autolabel.job.clock import Clock, SystemClock
from autolabel.job.create import create_folder
from autolabel.job.finish import finish_stopped
from autolabel.job.folder import JobFolder
from autolabel.job.loop import label_dataset
from autolabel.job.models import learner_for
from autolabel.job.people import Submitted, WaitingForPeople, open_tasks, submit
from autolabel.job.reader import JobReader
from autolabel.job.run import Run, StopRequested
from autolabel.job.settings import Settings
from autolabel.job.sources import Sources
from autolabel.job.store import JobStore
from autolabel.storage.durable import sweep, write_atomically
from autolabel.storage.lock import FolderLock
from autolabel.workforce.files import FilesWorkforce
from autolabel.workforce.spec import workforce_from_spec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autolabel.api.request import LabelingJobRequest
    from autolabel.learning.base import Learner
    from autolabel.quality.contract import Quality
    from autolabel.report.progress import ProgressReporter
    from autolabel.workforce.base import Answer, HumanTask, Workforce


@dataclass(frozen=True, slots=True)
class Waiting:
    """The job cannot go on before people answer `tasks`."""

    tasks: tuple[HumanTask, ...]
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """The job has ended: ``Completed``, ``Stopped`` or ``Failed``."""

    status: JobStatus
    certificate: dict[str, Any] | None
    """The members of ``certificate.json``; ``None`` for a failed job."""
    failure_reason: str = ""
    tasks: tuple[HumanTask, ...] = ()
    finished: bool = True


class LabelingJob(JobReader):
    """One labeling job, open in this process alone. Use it as a context manager, or `close` it.

    ``advance`` does everything that can be done without people and says what they are asked; ``submit`` takes their
    answers. Both may be called in different processes, days apart: the job's folder holds everything.

    Raises
    ------
    JobLockedError
        Another process has the job open.
    """

    def __init__(
        self, folder: str | Path, *, clock: Clock | None = None, progress: ProgressReporter | None = None
    ) -> None:
        from pathlib import Path as LocalPath

        state = JobFolder(LocalPath(folder).absolute()).state
        if not state.is_dir():
            JobStore(state / "job.db")  # raises JobNotFoundError in its own words
        self._lock = FolderLock(state)
        self._lock.__enter__()
        try:
            sweep(state)
            super().__init__(folder, clock=clock, progress=progress, check=True)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        self._learner: Learner | None = None

    @classmethod
    def create(
        cls,
        request: LabelingJobRequest,
        home: str | Path | None = None,
        *,
        quality: Quality | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
        progress: ProgressReporter | None = None,
    ) -> Self:
        """Check everything, snapshot the input, and create the job's folder ``home/NAME`` whole or not at all.

        Parameters
        ----------
        request
            The CreateLabelingJob document.
        home
            Folder that jobs live in; by default the document's S3OutputPath when that is a plain path, else
            ``jobs``.
        quality
            The promise; overrides the settings' own.
        settings
            Everything the document has no field for.

        Raises
        ------
        InvalidRequestError, SettingsError, ManifestError, CheckpointError, StorageError, JobExistsError
            Nothing was started, and no folder is left behind.
        """
        settings = settings or Settings()
        if quality is not None:
            settings = msgspec.structs.replace(
                settings, error=quality.error, confidence=quality.confidence, contract=quality.contract
            )
        folder = create_folder(request, home, settings, clock or SystemClock())
        return cls(folder.root, clock=clock, progress=progress)

    @classmethod
    def open(cls, folder: str | Path, *, clock: Clock | None = None, progress: ProgressReporter | None = None) -> Self:
        """Open the job that lives in `folder`, to go on with it."""
        return cls(folder, clock=clock, progress=progress)

    def close(self) -> None:
        """Let go of the folder; another process may open it."""
        super().close()
        self._lock.__exit__(None, None, None)

    def advance(self) -> Waiting | Finished:
        """Do everything that can be done without people.

        Raises
        ------
        StorageError
            Bytes cannot be read or written now: the job stays as it is and can be advanced again.
        """
        if not self.status.is_final:
            run = self.walk(self._open_learner())
            try:
                if self.status is JobStatus.STOPPING:
                    finish_stopped(run)
                else:
                    label_dataset(run)
            except WaitingForPeople:
                return Waiting(tuple(open_tasks(run)))
            except StopRequested:
                finish_stopped(self.walk(self._learner))
            except JobFailedError as error:
                run.set_status(JobStatus.FAILED, failure_reason=str(error)[:1024])
            self._publish_report()
        return self._finished()

    def submit(self, answers: Iterable[Answer]) -> Submitted:
        """Store people's answers durably; the same answer twice is harmless, and none is paid twice."""
        return submit(self.walk(), answers)

    def run(self, workforce: Workforce | None = None) -> Waiting | Finished:
        """Go on until the job ends or people have not answered: the loop over `advance` and `submit`.

        `workforce` defaults to the one in the job's settings.
        """
        people = workforce
        said: set[str] = set()
        while not (step := self.advance()).finished:
            people = people or self.workforce()
            people.publish(step.tasks)
            taken = self.submit(people.collect())
            odd = [f"answer refused: object {answer.object} by {answer.worker}: {why}" for answer, why in taken.refused]
            if isinstance(people, FilesWorkforce):
                odd += [f"answer not used: {problem}" for problem in people.problems]
                odd += [f"answer not complete yet, left for the next time: {path}" for path in people.incomplete]
            for text in odd:
                if text not in said:
                    self.progress.event(text)
            said.update(odd)
            if not taken.accepted:
                return step
        return step

    def stop(self) -> Finished:
        """Stop the job: open tasks are withdrawn, everything so far is written. It cannot be restarted."""
        if not self.status.is_final:
            write_atomically(self.folder.stop_flag, b"")
            finish_stopped(self.walk(self._open_learner()))
            self._publish_report()
        return self._finished()

    def workforce(self, spec: str | None = None) -> Workforce:
        """Build the workforce of `spec`, by default the job's own, by default files in the job's folder."""
        chosen = spec or self.settings.workforce or f"files:{self.folder.root / 'answers'}"
        return workforce_from_spec(chosen, task=self.task, sources=Sources(self.manifest))

    def _open_learner(self) -> Learner | None:
        if self._learner is None and self.request.automated:
            self._learner = learner_for(self.folder, self.settings, self.task)
        return self._learner

    def _finished(self) -> Finished:
        run: Run = self.walk()
        if not self.folder.report.is_file():  # the process died after the last step
            self._publish_report()
        certificate = run.steps.stored("certificate")
        return Finished(
            self.status, certificate.result if certificate else None, self._store.fact("failure_reason") or ""
        )

    def _publish_report(self) -> None:
        self.write_report()
        self._mirror.update()

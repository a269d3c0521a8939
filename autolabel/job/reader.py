"""`JobReader`: looking at a job without opening it, also while another process runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from autolabel.api.describe import JobStatus, LabelCounters, describe
from autolabel.api.request import LabelingJobRequest
from autolabel.errors import InvalidRequestError, JobCorruptError, SettingsError
from autolabel.job.clock import Clock, SystemClock, parse
from autolabel.job.finish import final_states
from autolabel.job.folder import JobFolder
from autolabel.job.look import stored_look
from autolabel.job.pool import count
from autolabel.job.publish import Mirror
from autolabel.job.run import Run
from autolabel.job.settings import PriceList, Settings
from autolabel.job.sources import source_reader, storage_options
from autolabel.job.store import JobStore
from autolabel.job.task import task_of
from autolabel.job.verify import Verified, verify
from autolabel.job.view import plan, report_data, summary
from autolabel.manifest.index import ManifestIndex
from autolabel.manifest.lines import Manifest
from autolabel.report.progress import ProgressReporter
from autolabel.storage.durable import write_atomically

if TYPE_CHECKING:
    from autolabel.learning.base import Learner
    from autolabel.report.data import ReportData


class JobReader:
    """A job seen from outside; nothing here changes what the job does next.

    Raises
    ------
    JobNotFoundError
        No job lives in `folder`.
    JobCorruptError
        The folder does not hold together.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        clock: Clock | None = None,
        progress: ProgressReporter | None = None,
        check: bool = False,
    ) -> None:
        self.folder = JobFolder(Path(folder).absolute())
        self.progress = progress or ProgressReporter()
        self._clock = clock or SystemClock()
        self._store = JobStore(self.folder.database, check=check)
        try:
            self.request = LabelingJobRequest.load(self.folder.request)
            self.settings = msgspec.json.decode(self.folder.settings.read_bytes(), type=Settings)
            index = ManifestIndex.load(self.folder.index)
            kind = self.request.task_kind or index.kind
            categories = self.folder.categories
            self.task = task_of(
                self.request,
                kind,
                categories.read_bytes() if categories.is_file() else None,
                consolidation=self.settings.consolidation,
            )
            self.manifest = Manifest(self.folder.manifest, index)
        except (OSError, InvalidRequestError, SettingsError, msgspec.ValidationError, msgspec.DecodeError) as error:
            self._store.close()
            msg = f"{self.folder.state}: the job's state cannot be read ({error})"
            raise JobCorruptError(msg) from error
        self.storage_options = storage_options(self.settings, self.request)
        self._mirror = Mirror(self.folder, self.request, self.storage_options)
        self._prices = PriceList.of(self.settings, self.request.task_price_usd)
        self.sources = source_reader(self.manifest, self.storage_options, self.settings, kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open."""
        self.manifest.close()
        self._store.close()

    @property
    def status(self) -> JobStatus:
        """Where the job stands."""
        return JobStatus(self._store.fact("status"))

    def describe(self) -> dict[str, Any]:
        """Answer as DescribeLabelingJob does; times are timezone-aware."""
        return describe(
            self.request,
            status=self.status,
            counters=self.counters(),
            created=parse(self._store.fact("created")),
            modified=parse(self._store.fact("modified")),
            reference_code=self._store.fact("reference_code"),
            final_model_arn=self._store.fact("final_model_arn"),
            failure_reason=self._store.fact("failure_reason"),
        )

    def counters(self) -> LabelCounters:
        """Count labels and failures as DescribeLabelingJob does."""
        run = self.walk()
        return count(final_states(run, stored_look(run)))

    def summary(self) -> dict[str, Any]:
        """Return job, status, counters, labels by people, certificate, cost and output as one JSON document."""
        return summary(self.walk())

    def plan(self) -> dict[str, Any]:
        """Forecast labels by people and dollars, round by round."""
        return plan(self.walk())

    def report_data(self) -> ReportData:
        """Gather everything the report shows."""
        return report_data(self.walk())

    def write_report(self) -> None:
        """Write ``report.html``."""
        from autolabel.report.html import render

        write_atomically(self.folder.report, render(self.report_data()).encode(), sync=False)

    def verify(self) -> Verified:
        """Re-derive the certificate from the folder; raise `VerificationError` with every finding."""
        return verify(self.walk())

    def walk(self, learner: Learner | None = None) -> Run:
        """Begin a walk through the job's steps."""
        return Run(
            folder=self.folder,
            store=self._store,
            request=self.request,
            settings=self.settings,
            prices=self._prices,
            task=self.task,
            clock=self._clock,
            progress=self.progress,
            manifest=self.manifest,
            sources=self.sources,
            learner=learner,
            mirror=self._mirror.update,
        )

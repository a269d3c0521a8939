"""autolabel: label a data set with as few human labels as it takes, and prove how good the result is.

>>> from autolabel import LabelingJob, LabelingJobRequest, Quality          # doctest: +SKIP
>>> job = LabelingJob.create(LabelingJobRequest.load("request.json"))       # doctest: +SKIP
>>> while not (step := job.advance()).finished:                             # doctest: +SKIP
...     job.submit(ask_people(step.tasks))

Names are loaded when they are first used, so that importing the package stays fast and never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autolabel.api.describe import JobStatus
    from autolabel.api.kinds import TaskKind
    from autolabel.api.request import LabelingJobRequest
    from autolabel.errors import (
        AnswerError,
        AutolabelError,
        CheckpointError,
        InvalidRequestError,
        JobError,
        ManifestError,
        SettingsError,
        StorageError,
        VerificationError,
    )
    from autolabel.job.job import Finished, LabelingJob, Waiting
    from autolabel.job.people import Submitted
    from autolabel.job.reader import JobReader
    from autolabel.job.settings import Settings
    from autolabel.quality.certificate import Certificate
    from autolabel.quality.contract import Contract, Quality
    from autolabel.workforce.base import Answer, HumanTask, Workforce

_HOMES = {
    "autolabel.api.describe": ("JobStatus",),
    "autolabel.api.kinds": ("TaskKind",),
    "autolabel.api.request": ("LabelingJobRequest",),
    "autolabel.errors": (
        "AnswerError",
        "AutolabelError",
        "CheckpointError",
        "InvalidRequestError",
        "JobError",
        "ManifestError",
        "SettingsError",
        "StorageError",
        "VerificationError",
    ),
    "autolabel.job.job": ("Finished", "LabelingJob", "Waiting"),
    "autolabel.job.people": ("Submitted",),
    "autolabel.job.reader": ("JobReader",),
    "autolabel.job.settings": ("Settings",),
    "autolabel.quality.certificate": ("Certificate",),
    "autolabel.quality.contract": ("Contract", "Quality"),
    "autolabel.workforce.base": ("Answer", "HumanTask", "Workforce"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Answer",
    "AnswerError",
    "AutolabelError",
    "Certificate",
    "CheckpointError",
    "Contract",
    "Finished",
    "HumanTask",
    "InvalidRequestError",
    "JobError",
    "JobReader",
    "JobStatus",
    "LabelingJob",
    "LabelingJobRequest",
    "ManifestError",
    "Quality",
    "Settings",
    "SettingsError",
    "StorageError",
    "Submitted",
    "TaskKind",
    "VerificationError",
    "Waiting",
    "Workforce",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOME_OF:
        msg = f"module 'autolabel' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

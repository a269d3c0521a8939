"""A job as DescribeLabelingJob answers it."""

from __future__ import annotations

import hashlib
import string
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autolabel.api.request import LabelingJobRequest

LONGEST_REASON = 1_024
"""Characters of a FailureReason that AWS's model allows."""

_ALPHANUMERICS = string.ascii_uppercase + string.ascii_lowercase + string.digits


class JobStatus(StrEnum):
    """Where a job stands: AWS's six states."""

    INITIALIZING = "Initializing"
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows: Completed, Failed and Stopped."""
        return not TRANSITIONS[self]

    def may_become(self, following: JobStatus) -> bool:
        """Tell whether `TRANSITIONS` has this step."""
        return following in TRANSITIONS[self]


TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = MappingProxyType(
    {
        JobStatus.INITIALIZING: frozenset({JobStatus.IN_PROGRESS, JobStatus.STOPPING, JobStatus.FAILED}),
        JobStatus.IN_PROGRESS: frozenset({JobStatus.COMPLETED, JobStatus.STOPPING, JobStatus.FAILED}),
        JobStatus.STOPPING: frozenset({JobStatus.STOPPED, JobStatus.FAILED}),
        JobStatus.COMPLETED: frozenset(),
        JobStatus.FAILED: frozenset(),
        JobStatus.STOPPED: frozenset(),
    }
)
"""What each state may become. A stopped job is not started again; its output manifest is chained instead."""


@dataclass(frozen=True, slots=True)
class LabelCounters:
    """How many objects stand where. Each is counted on its own; that they add up is checked.

    Raises `ValueError` for a negative count, or when the four counts do not add up to all objects.
    """

    objects: int
    """N, the objects of the manifest."""
    human_labeled: int
    machine_labeled: int
    failed: int
    """Objects that nobody will label: AWS's FailedNonRetryableError."""
    unlabeled: int

    def __post_init__(self) -> None:
        parts = (self.human_labeled, self.machine_labeled, self.failed, self.unlabeled)
        if min(parts) < 0 or sum(parts) != self.objects:
            raise ValueError(
                f"{self.human_labeled} human + {self.machine_labeled} machine + {self.failed} failed + "
                f"{self.unlabeled} unlabeled are not the {self.objects} objects of the manifest"
            )

    @property
    def total_labeled(self) -> int:
        """Objects labeled by people or machines."""
        return self.human_labeled + self.machine_labeled

    def to_document(self) -> dict[str, int]:
        """Write them as AWS does."""
        return {
            "TotalLabeled": self.total_labeled,
            "HumanLabeled": self.human_labeled,
            "MachineLabeled": self.machine_labeled,
            "FailedNonRetryableError": self.failed,
            "Unlabeled": self.unlabeled,
        }


def job_reference_code(account: str, seed: bytes) -> str:
    """Return a job's reference code: the 12-digit account and 16 alphanumerics that follow from `seed`."""
    number = int.from_bytes(hashlib.sha256(seed).digest())
    code = ""
    for _ in range(16):
        number, digit = divmod(number, len(_ALPHANUMERICS))
        code += _ALPHANUMERICS[digit]
    return account + code


def describe(
    request: LabelingJobRequest,
    *,
    status: JobStatus,
    counters: LabelCounters,
    created: datetime,
    modified: datetime,
    reference_code: str,
    output_uri: str | None = None,
    final_model_arn: str | None = None,
    failure_reason: str | None = None,
) -> dict[str, Any]:
    """Build the DescribeLabelingJob answer as boto3 would return it, members in the model's order.

    Parameters
    ----------
    request
        What the job was created from; echoed with the service's defaults.
    status, counters
        Where the job stands.
    created, modified
        Times with a time zone; `ValueError` without one.
    reference_code
        See `job_reference_code`.
    output_uri
        The output manifest; by default where the request puts it.
    final_model_arn
        The model that a finished job leaves; ``""`` in the answer until there is one, as AWS does.
    failure_reason
        Why the job failed, cut to `LONGEST_REASON` characters.
    """
    for moment in (created, modified):
        if moment.tzinfo is None:
            raise ValueError(f"{moment} has no time zone; give an aware datetime")
    echoed = request.resolved_document()
    answer = {
        "LabelingJobStatus": status.value,
        "LabelCounters": counters.to_document(),
        "FailureReason": failure_reason[:LONGEST_REASON] if failure_reason else None,
        "CreationTime": created,
        "LastModifiedTime": modified,
        "JobReferenceCode": reference_code,
        "LabelingJobName": request.name,
        "LabelingJobArn": request.job_arn,
        **{name: echoed.get(name) for name in _ECHOED},
        "LabelingJobOutput": {
            "OutputDatasetS3Uri": output_uri or request.output_manifest_uri,
            "FinalActiveLearningModelArn": final_model_arn or "",
        },
    }
    return {name: value for name, value in answer.items() if value is not None}


_ECHOED = (
    "LabelAttributeName",
    "InputConfig",
    "OutputConfig",
    "RoleArn",
    "LabelCategoryConfigS3Uri",
    "StoppingConditions",
    "LabelingJobAlgorithmsConfig",
    "HumanTaskConfig",
    "Tags",
)


def to_wire(answer: Any) -> Any:
    """Replace every time in an answer by epoch seconds, as JSON 1.1 carries them."""
    if isinstance(answer, datetime):
        return answer.timestamp()
    if isinstance(answer, dict):
        return {name: to_wire(value) for name, value in answer.items()}
    return [to_wire(item) for item in answer] if isinstance(answer, list) else answer

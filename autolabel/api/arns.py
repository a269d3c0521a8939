"""Amazon Resource Names that a labeling job mentions: what they say, and how to write them.

Accounts and task names are those that AWS prints in the API reference of `HumanTaskConfig`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from autolabel.api.kinds import TaskKind
from autolabel.api.lookup import ACS_LAMBDA, ALGORITHM, PRE_LAMBDA, text

if TYPE_CHECKING:
    from collections.abc import Mapping

LAMBDA_ACCOUNTS: Mapping[str, str] = MappingProxyType(
    {
        "us-east-1": "432418664414",
        "us-east-2": "266458841044",
        "us-west-2": "081040173940",
        "ca-central-1": "918755190332",
        "eu-west-1": "568282634449",
        "eu-west-2": "487402164563",
        "eu-central-1": "203001061592",
        "ap-northeast-1": "477331159723",
        "ap-northeast-2": "845288260483",
        "ap-south-1": "565803892007",
        "ap-southeast-1": "377565633583",
        "ap-southeast-2": "454466003867",
    }
)
"""Owner of the built-in Lambda functions in each region."""

ALGORITHM_ACCOUNT = "027400017018"
PUBLIC_ACCOUNT = "394669845002"
DEFAULT_REGION = "us-east-1"

_ARN = re.compile(r"arn:(aws[a-z\-]*):([a-z0-9\-]+):([a-z0-9\-]*):([0-9]{12}):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Arn:
    """The parts of any ARN."""

    service: str
    region: str
    account: str
    resource: str
    """What follows the account: ``workteam/private-crowd/birds``, ``function:PRE-BoundingBox``."""
    partition: str = "aws"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read an ARN; ``None`` when `text` is none."""
        match = _ARN.fullmatch(text)
        if match is None:
            return None
        partition, service, region, account, resource = match.groups()
        return cls(service, region, account, resource, partition)

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


class BuiltInTask(StrEnum):
    """A built-in task type; the value is its name in the built-in Lambda functions."""

    BOUNDING_BOX = "BoundingBox"
    IMAGE_MULTI_CLASS = "ImageMultiClass"
    IMAGE_MULTI_CLASS_MULTI_LABEL = "ImageMultiClassMultiLabel"
    SEMANTIC_SEGMENTATION = "SemanticSegmentation"
    TEXT_MULTI_CLASS = "TextMultiClass"
    TEXT_MULTI_CLASS_MULTI_LABEL = "TextMultiClassMultiLabel"
    NAMED_ENTITY_RECOGNITION = "NamedEntityRecognition"
    VIDEO_MULTI_CLASS = "VideoMultiClass"
    VIDEO_OBJECT_DETECTION = "VideoObjectDetection"
    VIDEO_OBJECT_TRACKING = "VideoObjectTracking"
    POINT_CLOUD_OBJECT_DETECTION = "3DPointCloudObjectDetection"
    POINT_CLOUD_OBJECT_TRACKING = "3DPointCloudObjectTracking"
    POINT_CLOUD_SEMANTIC_SEGMENTATION = "3DPointCloudSemanticSegmentation"
    VERIFICATION_BOUNDING_BOX = "VerificationBoundingBox"
    VERIFICATION_SEMANTIC_SEGMENTATION = "VerificationSemanticSegmentation"
    ADJUSTMENT_BOUNDING_BOX = "AdjustmentBoundingBox"
    ADJUSTMENT_SEMANTIC_SEGMENTATION = "AdjustmentSemanticSegmentation"
    ADJUSTMENT_VIDEO_OBJECT_DETECTION = "AdjustmentVideoObjectDetection"
    ADJUSTMENT_VIDEO_OBJECT_TRACKING = "AdjustmentVideoObjectTracking"
    ADJUSTMENT_POINT_CLOUD_OBJECT_DETECTION = "Adjustment3DPointCloudObjectDetection"
    ADJUSTMENT_POINT_CLOUD_OBJECT_TRACKING = "Adjustment3DPointCloudObjectTracking"
    ADJUSTMENT_POINT_CLOUD_SEMANTIC_SEGMENTATION = "Adjustment3DPointCloudSemanticSegmentation"
    PASS_THROUGH = "PassThrough"  # noqa: S105 - a task type, not a password

    @property
    def kind(self) -> TaskKind | None:
        """The task type of automated labeling that it is; ``None`` for one that only people label."""
        return _KINDS.get(self)

    @classmethod
    def of_kind(cls, kind: TaskKind) -> BuiltInTask:
        """Return the built-in task of a task type of automated labeling."""
        return next(task for task, its_kind in _KINDS.items() if its_kind is kind)


_KINDS = {
    BuiltInTask.IMAGE_MULTI_CLASS: TaskKind.IMAGE_CLASSIFICATION,
    BuiltInTask.TEXT_MULTI_CLASS: TaskKind.TEXT_CLASSIFICATION,
    BuiltInTask.BOUNDING_BOX: TaskKind.OBJECT_DETECTION,
    BuiltInTask.SEMANTIC_SEGMENTATION: TaskKind.SEMANTIC_SEGMENTATION,
}


class Stage(StrEnum):
    """When a built-in Lambda function runs; the value begins its name."""

    PRE = "PRE"
    """Before people see the object."""
    ACS = "ACS"
    """Annotation consolidation, after they answered."""


@dataclass(frozen=True, slots=True)
class BuiltInLambda:
    """A Lambda function that AWS runs for a built-in task type."""

    stage: Stage
    task: BuiltInTask
    region: str

    @classmethod
    def parse(cls, arn: str) -> Self | None:
        """Read a built-in Lambda's ARN; ``None`` for any other.

        In a region of `LAMBDA_ACCOUNTS` the account must be AWS's; elsewhere any account will do.
        """
        parts = Arn.parse(arn)
        if parts is None or parts.service != "lambda":
            return None
        if LAMBDA_ACCOUNTS.get(parts.region, parts.account) != parts.account:
            return None
        stage, _, task = parts.resource.removeprefix("function:").partition("-")
        if stage not in set(Stage) or task not in set(BuiltInTask):
            return None
        return cls(Stage(stage), BuiltInTask(task), parts.region)

    @property
    def arn(self) -> str:
        """Its ARN; `ValueError` in a region whose owner AWS does not print."""
        if self.region not in LAMBDA_ACCOUNTS:
            regions = ", ".join(LAMBDA_ACCOUNTS)
            raise ValueError(f"no account of built-in Lambdas is known for {self.region!r}, only for {regions}")
        function = f"function:{self.stage}-{self.task}"
        return str(Arn("lambda", self.region, LAMBDA_ACCOUNTS[self.region], function))


def lambda_arn(stage: Stage, kind: TaskKind, region: str = DEFAULT_REGION) -> str:
    """Write the ARN of the built-in Lambda of a task type; `ValueError` in an unknown region."""
    return BuiltInLambda(stage, BuiltInTask.of_kind(kind), region).arn


_ALGORITHM_RESOURCE = "labeling-job-algorithm-specification/"


def algorithm_arn(kind: TaskKind, region: str = DEFAULT_REGION) -> str:
    """Write the ARN that turns automated labeling on for a task type."""
    return str(Arn("sagemaker", region, ALGORITHM_ACCOUNT, _ALGORITHM_RESOURCE + kind))


def algorithm_kind(arn: str) -> TaskKind | None:
    """Return the task type of an algorithm specification; ``None`` when it is none of AWS's four."""
    parts = Arn.parse(arn)
    if parts is None or (parts.service, parts.account) != ("sagemaker", ALGORITHM_ACCOUNT):
        return None
    return next((kind for kind in TaskKind if parts.resource == _ALGORITHM_RESOURCE + kind), None)


def workteam_arn(name: str, account: str, region: str = DEFAULT_REGION) -> str:
    """Write the ARN of a private work team."""
    return str(Arn("sagemaker", region, account, f"workteam/private-crowd/{name}"))


def public_workteam_arn(region: str = DEFAULT_REGION) -> str:
    """Write the ARN of Amazon Mechanical Turk's work team."""
    return str(Arn("sagemaker", region, PUBLIC_ACCOUNT, "workteam/public-crowd/default"))


def is_public_workteam(arn: str) -> bool:
    """Tell whether a work team is Amazon Mechanical Turk's."""
    parts = Arn.parse(arn)
    return parts is not None and parts.resource.startswith("workteam/public-crowd/")


def labeling_job_arn(name: str, account: str, region: str = DEFAULT_REGION) -> str:
    """Write a labeling job's ARN, in which AWS lower-cases the name."""
    return str(Arn("sagemaker", region, account, f"labeling-job/{name.lower()}"))


@dataclass(frozen=True, slots=True)
class ModelArn:
    """``arn:aws:sagemaker:REGION:ACCOUNT:model/NAME``: a model that a job starts from or leaves behind."""

    name: str
    account: str
    region: str = DEFAULT_REGION

    @classmethod
    def parse(cls, arn: str) -> Self | None:
        """Read a model's ARN; ``None`` when `arn` is none."""
        parts = Arn.parse(arn)
        if parts is None or parts.service != "sagemaker" or not parts.resource.startswith("model/"):
            return None
        name = parts.resource.removeprefix("model/")
        return cls(name, parts.account, parts.region) if name else None

    def __str__(self) -> str:
        return str(Arn("sagemaker", self.region, self.account, f"model/{self.name}"))


def built_in_task_of(document: Mapping[str, object]) -> BuiltInTask | None:
    """Return the built-in task that a document's Lambdas name, else its algorithm; ``None`` when custom."""
    for path in (PRE_LAMBDA, ACS_LAMBDA):
        function = BuiltInLambda.parse(text(document, path))
        if function is not None:
            return function.task
    kind = algorithm_kind(text(document, ALGORITHM))
    return None if kind is None else BuiltInTask.of_kind(kind)


def task_kind_of(document: Mapping[str, object]) -> TaskKind | None:
    """Return the task type that a document's algorithm names, else its Lambdas; ``None`` when none does."""
    kind = algorithm_kind(text(document, ALGORITHM))
    if kind is not None:
        return kind
    task = built_in_task_of(document)
    return None if task is None else task.kind

"""A valid CreateLabelingJob document, by the names of this field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from autolabel.api import lookup
from autolabel.api.arns import DEFAULT_REGION, Arn, BuiltInLambda, is_public_workteam, labeling_job_arn, task_kind_of
from autolabel.api.lookup import look, text
from autolabel.api.prices import price_of
from autolabel.api.rules import broken_rules
from autolabel.api.shapes import input_shape, violations
from autolabel.api.strict_json import parse_json
from autolabel.errors import InvalidRequestError, ObjectNotFoundError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from autolabel.api.kinds import TaskKind

DEFAULT_BATCH = 1_000
DEFAULT_PERCENTAGE = 100
DEFAULT_PUBLIC_AVAILABILITY_SECONDS = 21_600
DEFAULT_PRIVATE_AVAILABILITY_SECONDS = 864_000
"""What real DescribeLabelingJob answers echo for a private work team: ten days."""

LARGEST_DOCUMENT = 1 << 20
MOST_REPORTED = 1_000


def check(document: object) -> None:
    """Raise `InvalidRequestError` with every broken constraint and rule, shapes before rules.

    After `MOST_REPORTED` of them a last sentence says that there are more.
    """
    rules = broken_rules(document) if isinstance(document, Mapping) else iter(())
    found = chain(violations(document, input_shape("CreateLabelingJob")), rules)
    sentences = [str(violation) for violation in islice(found, MOST_REPORTED)]
    if next(found, None) is not None:
        sentences.append(f"more than {MOST_REPORTED} constraints are broken; the rest is not listed")
    if sentences:
        raise InvalidRequestError(sentences)


@dataclass(frozen=True, slots=True)
class LabelingJobRequest:
    """A CreateLabelingJob document that holds; none exists that does not.

    The properties give every member that a job needs under a plain name, with the defaults of the service.
    """

    document: Mapping[str, Any]
    """The members as they were given, in a copy that cannot be changed."""

    def __post_init__(self) -> None:
        check(self.document)
        object.__setattr__(self, "document", _frozen(self.document))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Check a document as boto3 would send it; raise `InvalidRequestError` with every violation."""
        return cls(document)

    @classmethod
    def load(cls, source: str | Path, storage: Callable[[str], bytes] | None = None) -> Self:
        """Read a request file: JSON, in which ``//`` begins a comment.

        Parameters
        ----------
        source
            A plain path, or any URI that `storage` reads.
        storage
            Reads the bytes of a URI; without it only plain paths can be read.

        Raises
        ------
        InvalidRequestError
            The file is no JSON object (with line and column), or breaks constraints (all of them).
        StorageError
            The bytes cannot be read.
        """
        data = _read_file(source) if storage is None else storage(str(source))
        if len(data) > LARGEST_DOCUMENT:
            raise InvalidRequestError([f"{source} is larger than {LARGEST_DOCUMENT} bytes: no request is"])
        return cls(parse_json(data, name=str(source), comments=True))

    def to_document(self) -> dict[str, Any]:
        """Return the document exactly as it was given, as a copy."""
        document: dict[str, Any] = _thawed(self.document)
        return document

    def resolved_document(self) -> dict[str, Any]:
        """Return the document with the defaults that the service fills in and echoes."""
        resolved = self.to_document()
        resolved["OutputConfig"].setdefault("KmsKeyId", "")
        if not resolved.get("StoppingConditions"):
            resolved["StoppingConditions"] = {"MaxPercentageOfInputDatasetLabeled": DEFAULT_PERCENTAGE}
        if self.automated:
            resolved["LabelingJobAlgorithmsConfig"].setdefault("LabelingJobResourceConfig", {})
        humans = resolved["HumanTaskConfig"]
        humans.setdefault("TaskAvailabilityLifetimeInSeconds", self.task_availability_seconds)
        humans.setdefault("MaxConcurrentTaskCount", self.max_concurrent_tasks)
        return resolved

    # What is labeled, and where everything is

    @property
    def name(self) -> str:
        """The job's name as given; the folder keeps its case, the ARN does not."""
        return self._text("LabelingJobName")

    @property
    def job_arn(self) -> str:
        """The job's ARN, with the name in lower case."""
        return labeling_job_arn(self.name, self.account, self.region)

    @property
    def label_attribute(self) -> str:
        """The key of the label in an output line."""
        return text(self.document, lookup.ATTRIBUTE)

    @property
    def manifest_uri(self) -> str:
        """The input manifest: an S3 URI or a plain path."""
        return text(self.document, lookup.MANIFEST)

    @property
    def output_uri(self) -> str:
        """The place the job's folder is made in: an S3 URI or a plain path, as given."""
        return text(self.document, lookup.OUTPUT)

    @property
    def job_uri(self) -> str:
        """The job's own folder, ``<S3OutputPath>/<LabelingJobName>``."""
        return f"{self.output_uri.rstrip('/')}/{self.name}"

    @property
    def output_manifest_uri(self) -> str:
        """The augmented manifest that the job writes."""
        return f"{self.job_uri}/manifests/output/output.manifest"

    @property
    def categories_uri(self) -> str | None:
        """The label category configuration file; given for every task type of automated labeling."""
        return text(self.document, lookup.CATEGORIES) or None

    @property
    def task_kind(self) -> TaskKind | None:
        """The task type, from the algorithm or the Lambdas; ``None`` when neither names one of the four."""
        return task_kind_of(self.document)

    @property
    def template_uri(self) -> str | None:
        """The worker page in Liquid: an S3 URI or a plain path."""
        return text(self.document, lookup.UI_TEMPLATE) or None

    @property
    def pre_lambda(self) -> str | None:
        """The Lambda function of the job's own that runs before people see an object; a built-in one is none."""
        return _own_lambda(text(self.document, lookup.PRE_LAMBDA))

    @property
    def consolidation_lambda(self) -> str | None:
        """The Lambda function of the job's own that makes labels of answers; a built-in one is none."""
        return _own_lambda(text(self.document, lookup.ACS_LAMBDA))

    # Automated labeling and its limits

    @property
    def automated(self) -> bool:
        """Whether machines may label: LabelingJobAlgorithmsConfig is present."""
        return look(self.document, lookup.ALGORITHMS) is not None

    @property
    def initial_model_arn(self) -> str | None:
        """The model to start from."""
        return text(self.document, (*lookup.ALGORITHMS, "InitialActiveLearningModelArn")) or None

    @property
    def max_human_labeled(self) -> int | None:
        """The most objects that people may label; ``None`` without a limit."""
        limit: int | None = look(self.document, (*lookup.STOPPING, "MaxHumanLabeledObjectCount"))
        return limit

    @property
    def max_percentage_labeled(self) -> int:
        """The most objects that may be labeled at all, in percent of the manifest."""
        return self._number((*lookup.STOPPING, "MaxPercentageOfInputDatasetLabeled"), DEFAULT_PERCENTAGE)

    # People

    @property
    def workers_per_object(self) -> int:
        """How many people answer each object, 1 to 9."""
        return int(self.document["HumanTaskConfig"]["NumberOfHumanWorkersPerDataObject"])

    @property
    def max_concurrent_tasks(self) -> int:
        """The most objects that people have before them at a time: a human batch."""
        return self._number((*lookup.HUMANS, "MaxConcurrentTaskCount"), DEFAULT_BATCH)

    @property
    def task_availability_seconds(self) -> int:
        """How long a task is offered."""
        public = is_public_workteam(self.workteam_arn)
        default = DEFAULT_PUBLIC_AVAILABILITY_SECONDS if public else DEFAULT_PRIVATE_AVAILABILITY_SECONDS
        return self._number((*lookup.HUMANS, "TaskAvailabilityLifetimeInSeconds"), default)

    @property
    def task_time_limit_seconds(self) -> int:
        """How long one worker may take over a task."""
        return int(self.document["HumanTaskConfig"]["TaskTimeLimitInSeconds"])

    @property
    def task_title(self) -> str:
        """The title that workers see."""
        return self._text("HumanTaskConfig", "TaskTitle")

    @property
    def task_description(self) -> str:
        """The description that workers see."""
        return self._text("HumanTaskConfig", "TaskDescription")

    @property
    def task_keywords(self) -> tuple[str, ...]:
        """The words that workers find the task by."""
        return tuple(look(self.document, (*lookup.HUMANS, "TaskKeywords")) or ())

    @property
    def workteam_arn(self) -> str:
        """The people who answer, as AWS would know them."""
        return text(self.document, lookup.WORKTEAM)

    @property
    def task_price_usd(self) -> Decimal | None:
        """What a public worker is paid for a task; ``None`` when the document does not say."""
        return price_of(self.document)

    @property
    def tags(self) -> dict[str, str]:
        """The tags by key."""
        return {tag["Key"]: tag["Value"] for tag in look(self.document, ("Tags",)) or ()}

    # What only a cloud honours

    @property
    def role_arn(self) -> str:
        """The role that AWS would assume."""
        return self._text("RoleArn")

    @property
    def account(self) -> str:
        """The 12 digits of the account, from `role_arn`."""
        return self.role_arn.split(":")[4]

    @property
    def region(self) -> str:
        """The region that the work team, the algorithm or a Lambda is in, else ``us-east-1``."""
        for path in (lookup.WORKTEAM, lookup.ALGORITHM, lookup.PRE_LAMBDA, lookup.ACS_LAMBDA):
            arn = Arn.parse(text(self.document, path))
            if arn is not None and arn.region:
                return arn.region
        return DEFAULT_REGION

    @property
    def kms_key_id(self) -> str | None:
        """The key that S3 encrypts the output with; an empty one is none."""
        return self._text("OutputConfig", "KmsKeyId") or None

    @property
    def sns_topic_arn(self) -> str | None:
        """The topic that AWS would announce each label on."""
        return self._text("OutputConfig", "SnsTopicArn") or None

    @property
    def volume_kms_key_id(self) -> str | None:
        """The key of the training volume."""
        return text(self.document, (*lookup.RESOURCES, "VolumeKmsKeyId")) or None

    @property
    def vpc_config(self) -> dict[str, list[str]] | None:
        """The network that AWS would train in."""
        network: dict[str, list[str]] | None = _thawed(look(self.document, (*lookup.RESOURCES, "VpcConfig")))
        return network

    def _text(self, *path: str) -> str:
        return text(self.document, path)

    def _number(self, path: tuple[str | int, ...], default: int) -> int:
        value = look(self.document, path)
        return default if value is None else int(value)


def _own_lambda(arn: str) -> str | None:
    return arn if arn and BuiltInLambda.parse(arn) is None else None


def _frozen(value: Any) -> Any:
    """Copy a valid document, no deeper than its shape, into mappings and tuples that nobody can change."""
    if isinstance(value, Mapping):
        return MappingProxyType({name: _frozen(member) for name, member in value.items()})
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _thawed(member) for name, member in value.items()}
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value


def _read_file(source: str | Path) -> bytes:
    if isinstance(source, str) and "://" in source:
        raise StorageError(source, "only a plain path can be read here; pass a storage that reads URIs")
    try:
        with Path(source).open("rb") as file:
            return file.read(LARGEST_DOCUMENT + 1)
    except FileNotFoundError as error:
        raise ObjectNotFoundError(str(source), "there is no such request file") from error
    except OSError as error:
        raise StorageError(str(source), error.strerror or str(error)) from error

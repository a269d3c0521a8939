"""Every member of a CreateLabelingJob document, and what becomes of it here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Treatment(StrEnum):
    """What is done with a member; nothing is ever dropped."""

    HONOURED = "honoured"
    """It decides what the job does."""
    PASSED_TO_S3 = "passed to S3"
    """S3 honours it on every write."""
    ECHOED = "kept and echoed"
    """Checked, kept in the job folder and answered by describe; nothing here acts on it."""
    REFUSED_IN_PART = "kept, or refused"
    """Some uses of it make the request invalid; the others are kept and echoed."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member that holds a value."""

    path: str
    """``HumanTaskConfig.TaskTitle``; ``Tags[].Key`` inside a list."""
    treatment: Treatment
    note: str
    """One line, for the table of the documentation and for the commented example."""


_HONOURED, _ECHOED = Treatment.HONOURED, Treatment.ECHOED
_PLACE = "An s3:// URI or a plain path; https:// is refused."
_ALGORITHMS = "LabelingJobAlgorithmsConfig"
_RESOURCES = "LabelingJobAlgorithmsConfig.LabelingJobResourceConfig"
_HUMANS = "HumanTaskConfig"
_AMOUNT = "HumanTaskConfig.PublicWorkforceTaskPrice.AmountInUsd"

MEMBERS: tuple[Member, ...] = (
    Member("LabelingJobName", _HONOURED, "Name of the job and its folder; case does not distinguish jobs."),
    Member(
        "LabelAttributeName",
        _HONOURED,
        "Key of the label in the output lines; ends with -ref for semantic segmentation, else does not.",
    ),
    Member("InputConfig.DataSource.S3DataSource.ManifestS3Uri", _HONOURED, f"The input manifest. {_PLACE}"),
    Member(
        "InputConfig.DataSource.SnsDataSource.SnsTopicArn",
        Treatment.REFUSED_IN_PART,
        "Refused with automated labeling or without a manifest; else kept, but nobody listens to the topic.",
    ),
    Member(
        "InputConfig.DataAttributes.ContentClassifiers",
        _ECHOED,
        "FreeOfPersonallyIdentifiableInformation is required with the public workteam.",
    ),
    Member("OutputConfig.S3OutputPath", _HONOURED, f"The job's folder is made in it. {_PLACE}"),
    Member("OutputConfig.KmsKeyId", Treatment.PASSED_TO_S3, "Key of SSE-KMS for every object written to s3://."),
    Member("OutputConfig.SnsTopicArn", _ECHOED, "Nothing is announced on the topic."),
    Member("RoleArn", _ECHOED, "Never assumed; its account stands in the ARNs of the job."),
    Member("LabelCategoryConfigS3Uri", _HONOURED, f"The categories; their order gives the ids. {_PLACE}"),
    Member(
        "StoppingConditions.MaxHumanLabeledObjectCount",
        _HONOURED,
        "Most objects that people label, audits included; never exceeded.",
    ),
    Member(
        "StoppingConditions.MaxPercentageOfInputDatasetLabeled",
        _HONOURED,
        "Most objects labeled at all, in percent of the manifest; 100 unless given.",
    ),
    Member(
        f"{_ALGORITHMS}.LabelingJobAlgorithmSpecificationArn",
        _HONOURED,
        "Turns automated labeling on and names the task type, in any region.",
    ),
    Member(f"{_ALGORITHMS}.InitialActiveLearningModelArn", _HONOURED, "The model that the job starts from."),
    Member(f"{_RESOURCES}.VolumeKmsKeyId", _ECHOED, "Disks of this machine are not encrypted with it."),
    Member(f"{_RESOURCES}.VpcConfig.SecurityGroupIds", _ECHOED, "Training runs on this machine, in no VPC."),
    Member(f"{_RESOURCES}.VpcConfig.Subnets", _ECHOED, "Training runs on this machine, in no VPC."),
    Member(
        f"{_HUMANS}.WorkteamArn",
        _ECHOED,
        "Gives the region; a public-crowd team brings Mechanical Turk's rules. "
        "Who really answers is the workforce setting.",
    ),
    Member(
        f"{_HUMANS}.UiConfig.UiTemplateS3Uri",
        _HONOURED,
        f"The worker page in Liquid, for the web workforce: shown in a sandboxed frame. {_PLACE}",
    ),
    Member(
        f"{_HUMANS}.UiConfig.HumanTaskUiArn",
        Treatment.REFUSED_IN_PART,
        "AWS's own pages are for other task types: refused for the four of automated labeling.",
    ),
    Member(
        f"{_HUMANS}.PreHumanTaskLambdaArn",
        _HONOURED,
        "A built-in one names the task type, in any region, and is not run; no other goes with an algorithm. "
        "One of your own is invoked for every object, or is a Python function (setting functions).",
    ),
    Member(f"{_HUMANS}.TaskKeywords", _ECHOED, "Words that workers find the task by."),
    Member(f"{_HUMANS}.TaskTitle", _HONOURED, "Title of the labeling page."),
    Member(f"{_HUMANS}.TaskDescription", _HONOURED, "What workers are asked, beside every object of the page."),
    Member(
        f"{_HUMANS}.NumberOfHumanWorkersPerDataObject",
        _HONOURED,
        "How many different people answer each object, 1 to 9; their answers are consolidated.",
    ),
    Member(
        f"{_HUMANS}.TaskTimeLimitInSeconds",
        _HONOURED,
        "How long somebody at the page has for an object before another gets it; 30 to 28,800.",
    ),
    Member(
        f"{_HUMANS}.TaskAvailabilityLifetimeInSeconds",
        _HONOURED,
        "Objects nobody answered by then fail. 864,000 unless given; for the public workteam 21,600, at most 43,200.",
    ),
    Member(
        f"{_HUMANS}.MaxConcurrentTaskCount",
        _HONOURED,
        "Most objects before people at a time, and in a batch; 1,000 unless given. Filled up one by one, or in sets as "
        "the service does (setting sets).",
    ),
    Member(
        f"{_HUMANS}.AnnotationConsolidationConfig.AnnotationConsolidationLambdaArn",
        _HONOURED,
        "As PreHumanTaskLambdaArn, with which a built-in one has to agree; "
        "one of your own makes the labels of a batch.",
    ),
    Member(f"{_AMOUNT}.Dollars", _HONOURED, "Price of one answer, for the ledger."),
    Member(f"{_AMOUNT}.Cents", _HONOURED, "Added to the dollars."),
    Member(f"{_AMOUNT}.TenthFractionsOfACent", _HONOURED, "Added to the cents; AWS lists the prices it allows."),
    Member("Tags[].Key", _HONOURED, "A key that begins with autolabel: is a setting; any other is kept."),
    Member("Tags[].Value", _HONOURED, "The setting's value."),
)
"""In the order of AWS's model."""


def members_table() -> str:
    """Render `MEMBERS` as a Markdown table, without a line end after it."""
    rows = (f"| `{member.path}` | {member.treatment} | {member.note} |" for member in MEMBERS)
    return "\n".join(("| member | what happens | note |", "| --- | --- | --- |", *rows))

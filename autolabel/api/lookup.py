"""Where a CreateLabelingJob document says what; all of it works on malformed documents too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autolabel.api.violation import Path

ATTRIBUTE: Path = ("LabelAttributeName",)
SOURCE: Path = ("InputConfig", "DataSource")
MANIFEST: Path = (*SOURCE, "S3DataSource", "ManifestS3Uri")
INPUT_TOPIC: Path = (*SOURCE, "SnsDataSource", "SnsTopicArn")
CLASSIFIERS: Path = ("InputConfig", "DataAttributes", "ContentClassifiers")
OUTPUT: Path = ("OutputConfig", "S3OutputPath")
CATEGORIES: Path = ("LabelCategoryConfigS3Uri",)
STOPPING: Path = ("StoppingConditions",)
ALGORITHMS: Path = ("LabelingJobAlgorithmsConfig",)
ALGORITHM: Path = (*ALGORITHMS, "LabelingJobAlgorithmSpecificationArn")
RESOURCES: Path = (*ALGORITHMS, "LabelingJobResourceConfig")
HUMANS: Path = ("HumanTaskConfig",)
WORKTEAM: Path = (*HUMANS, "WorkteamArn")
UI: Path = (*HUMANS, "UiConfig")
UI_TEMPLATE: Path = (*UI, "UiTemplateS3Uri")
UI_ARN: Path = (*UI, "HumanTaskUiArn")
PRE_LAMBDA: Path = (*HUMANS, "PreHumanTaskLambdaArn")
ACS_LAMBDA: Path = (*HUMANS, "AnnotationConsolidationConfig", "AnnotationConsolidationLambdaArn")
PRICE: Path = (*HUMANS, "PublicWorkforceTaskPrice", "AmountInUsd")


def look(document: object, path: Path) -> Any:
    """Return the value at `path`, or ``None`` when there is none."""
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def text(document: object, path: Path) -> str:
    """Return the string at `path`, or ``""`` when there is none."""
    value = look(document, path)
    return value if isinstance(value, str) else ""

"""Complete requests for use on one machine: what the short forms of the command line write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from autolabel.api.arns import Stage, algorithm_arn, lambda_arn, workteam_arn
from autolabel.api.kinds import TaskKind
from autolabel.api.members import MEMBERS

LOCAL_ACCOUNT = "000000000000"
LOCAL_ROLE = f"arn:aws:iam::{LOCAL_ACCOUNT}:role/autolabel-local"
"""A role that nobody assumes; AWS's document cannot do without one."""

_WORKERS = dict.fromkeys(TaskKind, 3) | {TaskKind.OBJECT_DETECTION: 5}
"""The console's defaults."""

_TASKS = {
    TaskKind.IMAGE_CLASSIFICATION: ("Image classification", "Choose the category of the image."),
    TaskKind.TEXT_CLASSIFICATION: ("Text classification", "Choose the category of the text."),
    TaskKind.OBJECT_DETECTION: ("Bounding boxes", "Draw a box around every object of the categories."),
    TaskKind.SEMANTIC_SEGMENTATION: ("Semantic segmentation", "Paint every pixel that is of a category."),
}


def example_document(
    kind: TaskKind,
    *,
    name: str = "example-job",
    manifest: str = "manifest.jsonl",
    output: str = "output/",
    categories: str = "labels.json",
    attribute: str | None = None,
    workers: int | None = None,
    batch: int = 1_000,
    max_human_labeled: int | None = None,
    max_percentage_labeled: int = 100,
    automated: bool = True,
    initial_model_arn: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write a CreateLabelingJob document with placeholders where only a cloud needs an answer.

    Parameters
    ----------
    kind
        The task type; it sets the built-in Lambdas and the algorithm, those of us-east-1.
    name
        The job's name.
    manifest, output, categories
        S3 URIs or plain paths.
    attribute
        The key of the label; by default the job's name, as in AWS's console, with ``-ref`` for masks.
    workers
        Answers an object, 1 to 9; by default 3, for boxes 5.
    batch
        Objects before people at a time, 1 to 5,000.
    max_human_labeled, max_percentage_labeled
        The stopping conditions.
    automated
        Whether machines may label.
    initial_model_arn
        The model to start from; only with `automated`.
    tags
        Tags by key.

    The values are not checked here: `LabelingJobRequest.from_document` does.
    """
    title, description = _TASKS[kind]
    suffix = "-ref" if kind is TaskKind.SEMANTIC_SEGMENTATION else ""
    stopping = {"MaxPercentageOfInputDatasetLabeled": max_percentage_labeled}
    if max_human_labeled is not None:
        stopping = {"MaxHumanLabeledObjectCount": max_human_labeled, **stopping}
    document: dict[str, Any] = {
        "LabelingJobName": name,
        "LabelAttributeName": attribute or name + suffix,
        "InputConfig": {"DataSource": {"S3DataSource": {"ManifestS3Uri": manifest}}},
        "OutputConfig": {"S3OutputPath": output},
        "RoleArn": LOCAL_ROLE,
        "LabelCategoryConfigS3Uri": categories,
        "StoppingConditions": stopping,
    }
    if automated:
        document["LabelingJobAlgorithmsConfig"] = {"LabelingJobAlgorithmSpecificationArn": algorithm_arn(kind)}
    if initial_model_arn is not None:
        algorithms = document.setdefault("LabelingJobAlgorithmsConfig", {})
        algorithms["InitialActiveLearningModelArn"] = initial_model_arn
    document["HumanTaskConfig"] = {
        "WorkteamArn": workteam_arn("local", LOCAL_ACCOUNT),
        "UiConfig": {"UiTemplateS3Uri": f"templates/{kind}.liquid.html"},
        "PreHumanTaskLambdaArn": lambda_arn(Stage.PRE, kind),
        "TaskTitle": title,
        "TaskDescription": description,
        "NumberOfHumanWorkersPerDataObject": _WORKERS[kind] if workers is None else workers,
        "TaskTimeLimitInSeconds": 3_600,
        "MaxConcurrentTaskCount": batch,
        "AnnotationConsolidationConfig": {"AnnotationConsolidationLambdaArn": lambda_arn(Stage.ACS, kind)},
    }
    if tags:
        document["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return document


def commented_example(kind: TaskKind = TaskKind.IMAGE_CLASSIFICATION) -> str:
    """Write `example_document` as JSON in which ``//`` comments explain every member, present or possible."""
    lines = [
        "// A CreateLabelingJob document. What follows // on a line is a comment; all else is JSON.",
        *_object_lines(example_document(kind), "", 0),
    ]
    return "\n".join(lines) + "\n"


def _object_lines(members: Mapping[str, Any], path: str, depth: int, end: str = "") -> Iterator[str]:
    indent = "  " * (depth + 1)
    yield "{" if depth == 0 else f"{'  ' * depth}{json.dumps(path.rpartition('.')[2])}: {{"
    for position, (name, value) in enumerate(members.items(), start=1):
        member = f"{path}.{name}" if path else name
        comma = "," if position < len(members) else ""
        if isinstance(value, Mapping):
            yield from _object_lines(value, member, depth + 1, comma)
            continue
        yield from _comment(_NOTES[member], indent)
        yield f"{indent}{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}{comma}"
    for absent in _absent(members, path):
        yield from _comment(f"Also possible: {absent.removeprefix(path).lstrip('.')}. {_NOTES[absent]}", indent)
    yield "  " * depth + "}" + end


_NOTES = {member.path: member.note for member in MEMBERS}


def _absent(members: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield members of the table that belong below `path` but below none of the members that are there."""
    for member in _NOTES:
        inner = member.removeprefix(f"{path}.") if path else member
        if (inner != member or not path) and inner.split(".")[0].removesuffix("[]") not in members:
            yield member


def _comment(note: str, indent: str) -> Iterator[str]:
    return (f"{indent}// {line}" for line in wrap(note, 100))

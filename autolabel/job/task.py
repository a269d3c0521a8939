"""Which task a job has: its document's, or one of its own Lambda functions' making."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from autolabel.api.categories import LabelCategories
from autolabel.api.kinds import TaskKind
from autolabel.consolidation.classes import Consolidation
from autolabel.errors import InvalidRequestError
from autolabel.tasks import task_for
from autolabel.tasks.custom import Custom

if TYPE_CHECKING:
    from autolabel.api.request import LabelingJobRequest
    from autolabel.storage.router import Storage
    from autolabel.tasks.base import Task

FIRST_LINES = 1 << 20


def task_of(
    request: LabelingJobRequest,
    kind: TaskKind,
    categories: bytes | None,
    *,
    consolidation: Consolidation = Consolidation.DAWID_SKENE,
    name: str = "",
) -> Task:
    """Build the task of a request: custom where a consolidation Lambda of its own makes the labels.

    Parameters
    ----------
    consolidation
        How a built-in task makes one label of several answers.
    name
        What the categories were read from, for messages.

    Raises
    ------
    InvalidRequestError
        The categories cannot be used, or this release has no such task.
    """
    if request.consolidation_lambda is None:
        names = LabelCategories.from_bytes(categories or b"", kind, name=name or "label categories").names
        return task_for(kind, names, consolidation=consolidation)
    names = LabelCategories.from_bytes(categories, name=name).names if categories is not None else ()
    return Custom(kind, names)


def kind_of(request: LabelingJobRequest, storage: Storage) -> TaskKind:
    """Return the task type that the document names; a custom task's by what the manifest's first object is.

    Raises
    ------
    InvalidRequestError
        Nothing in the document says what is labeled.
    StorageError
        The manifest cannot be read.
    """
    if request.task_kind is not None:
        return request.task_kind
    if request.consolidation_lambda is None:
        raise InvalidRequestError(
            ["neither LabelingJobAlgorithmSpecificationArn nor a built-in Lambda function names a task type"]
        )
    with storage.open(request.manifest_uri) as manifest:
        lines = manifest.read(FIRST_LINES).split(b"\n")
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "source-ref" in record:
            return TaskKind.IMAGE_CLASSIFICATION
    return TaskKind.TEXT_CLASSIFICATION

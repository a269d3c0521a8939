"""Task types: one class a type, the only code that knows what a label looks like."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from autolabel.api.kinds import TaskKind
from autolabel.consolidation.classes import Consolidation
from autolabel.errors import InvalidRequestError
from autolabel.tasks.base import Consolidated, Crowd, CrowdTask, Label, Task
from autolabel.tasks.classification import Classification

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Classification", "Consolidated", "Crowd", "CrowdTask", "Label", "Task", "task_for", "worker_template"]

_CLASSIFICATION = (TaskKind.IMAGE_CLASSIFICATION, TaskKind.TEXT_CLASSIFICATION)


def task_for(
    kind: TaskKind, categories: Sequence[str], *, consolidation: Consolidation = Consolidation.DAWID_SKENE
) -> Task:
    """Build the task of a kind over its label categories; `consolidation` makes one class of several answers.

    Raises
    ------
    InvalidRequestError
        This release has no such task type, or the categories are fewer than two or not unique.
    """
    _require_supported(kind)
    return Classification(kind, categories, consolidation=consolidation)


def worker_template(kind: TaskKind) -> str:
    """Return the packaged worker page of a kind: HTML in Liquid, for ``UiTemplateS3Uri``.

    Raises
    ------
    InvalidRequestError
        This release has no such task type.
    """
    _require_supported(kind)
    page = resources.files(__name__) / "templates" / f"{kind}.liquid.html"
    return page.read_text(encoding="utf-8")


def _require_supported(kind: TaskKind) -> None:
    if kind not in _CLASSIFICATION:
        have = " and ".join(_CLASSIFICATION)
        raise InvalidRequestError([f"{kind} comes with a later release; this one labels {have}"])

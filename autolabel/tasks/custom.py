"""Custom tasks: a template is the worker page and a Lambda function consolidates; a label is whatever that returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import AnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from autolabel.api.kinds import TaskKind
    from autolabel.tasks.base import Consolidated

METADATA = "-metadata"
OWN = frozenset({"type", "job-name", "human-annotated", "creation-date"})
"""Metadata that every custom label of the service has; the job writes it."""


class Custom:
    """A task that a template and a consolidation Lambda define; implements `Task`.

    A label is ``{"value": ..., "metadata": {...}}``: what stands under the attribute, and what the Lambda says of it
    beside the members of `OWN`.

    Parameters
    ----------
    kind
        Says where an object's source stands in a manifest line, and nothing else.
    categories
        Names for the template, if the job has any.
    """

    def __init__(self, kind: TaskKind, categories: Sequence[str] = ()) -> None:
        self.kind = kind
        self.categories = tuple(categories)

    def task_input(self, source: str) -> dict[str, Any]:
        """Build ``task.input`` for a job without a Lambda of its own before it."""
        return {"taskObject": source, "labels": list(self.categories)}

    def label_from_answer(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Take any answer that says something."""
        if not content:
            raise AnswerError("found an empty answer; expected what the template's form holds")
        return {"value": dict(content), "metadata": {}}

    def answer_from_label(self, label: Any) -> dict[str, Any]:
        """Return the answer that was taken as a label."""
        answer: dict[str, Any] = label["value"]
        return answer

    def label_from_record(self, record: Mapping[str, Any], attribute: str) -> dict[str, Any] | None:
        """Read an output line's label."""
        if attribute not in record:
            return None
        metadata = record.get(attribute + METADATA)
        return label_of(record[attribute], metadata if isinstance(metadata, dict) else {})

    def truth_from_record(self, record: Mapping[str, Any], attribute: str | None = None) -> dict[str, Any]:
        """Read a truth line: the attribute's value, else ``label``."""
        return label_of(record.get(attribute or "label", record.get("label")), {})

    def manifest_fields(
        self, attribute: str, label: Any, *, confidence: float, human: bool, job_name: str, created: str
    ) -> dict[str, Any]:
        """Build an output line's label and metadata as custom jobs of the service write them: without confidence."""
        del confidence
        metadata = {
            **label["metadata"],
            "type": "groundtruth/custom",
            "job-name": f"labeling-job/{job_name.lower()}",
            "human-annotated": "yes" if human else "no",
            "creation-date": created,
        }
        return {attribute: label["value"], attribute + METADATA: metadata}

    def consolidate(
        self, answers: Sequence[tuple[int, str, Any]], *, objects: Sequence[int]
    ) -> dict[int, Consolidated]:
        """Refuse: only the job's Lambda function knows how."""
        del answers, objects
        msg = "a custom task is consolidated by its Lambda function"
        raise TypeError(msg)

    def consolidate_audit(
        self, answers: Sequence[tuple[int, str, Any]], *, objects: Sequence[int], settled: Mapping[int, Any]
    ) -> dict[int, Consolidated]:
        """Refuse, as `consolidate` does."""
        del settled
        return self.consolidate(answers, objects=objects)

    def loss(self, predicted: Sequence[Any], reference: Sequence[Any]) -> NDArray[np.float64]:
        """1 where the values differ, else 0; shape ``(n,)``."""
        return np.asarray(
            [one["value"] != other["value"] for one, other in zip(predicted, reference, strict=True)], float
        )


def label_of(value: Any, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Build a label out of an attribute's value and its metadata."""
    return {"value": value, "metadata": {key: told for key, told in metadata.items() if key not in OWN}}

"""The `Task` protocol: everything the rest of the project needs to know about one task type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from autolabel.api.kinds import TaskKind

Label = Any
"""A label as JSON: an ``int`` class id here; a list of boxes or a mask reference for other task types."""


@dataclass(frozen=True, slots=True)
class Consolidated:
    """One object's label from several answers."""

    label: Label
    confidence: float
    """In [0, 1], two decimals in the manifest; 0 when a single worker answered."""


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """How good one worker is."""

    worker: str
    answers: int
    accuracy: float
    """Estimated share of right answers, in [0, 1]."""
    compared: int
    """Answers to objects that others answered too."""
    agreed: int
    """Those of them that are what most of the others said."""
    gold: int
    """Answers to gold objects."""
    gold_right: int


@dataclass(frozen=True, slots=True)
class Crowd:
    """How good the people are and how far they agree."""

    workers: tuple[WorkerFigures, ...]
    objects: int
    """Objects that at least two people answered."""
    pairwise: float
    """Share of pairs of answers to the same object that are equal, in [0, 1]."""
    alpha: float
    """Krippendorff's alpha: 1 is perfect agreement, 0 is chance."""


class Task(Protocol):
    """One task type over fixed categories. Pure: no I/O, no clock, no randomness of its own.

    An answer's content is the JSON a worker page posts (`answerContent` of a worker-response file); a label
    is what the job stores; a manifest value is what stands under the label attribute in an output line.
    For boxes the label is ``{"annotations": [...], "image_size": [...]}``, for masks a reference to a PNG and
    its colour map: both are JSON, so the job never looks inside.
    """

    kind: TaskKind
    categories: tuple[str, ...]

    def task_input(self, source: str) -> dict[str, Any]:
        """Build what a built-in PRE- Lambda gives the worker page: ``taskObject`` and ``labels``."""
        ...

    def label_from_answer(self, content: Mapping[str, Any]) -> Label:
        """Read one worker's answer; raise `AnswerError` naming what was found and what was expected."""
        ...

    def answer_from_label(self, label: Label) -> dict[str, Any]:
        """Write the answer content that a worker who means `label` would post."""
        ...

    def label_from_record(self, record: Mapping[str, Any], attribute: str) -> Label | None:
        """Read an output line's label; ``None`` when the line has none; `ObjectError` when it is broken."""
        ...

    def truth_from_record(self, record: Mapping[str, Any], attribute: str | None = None) -> Label:
        """Read a truth line: the attribute's label, else ``class_id``, else ``label``."""
        ...

    def manifest_fields(
        self, attribute: str, label: Label, *, confidence: float, human: bool, job_name: str, created: str
    ) -> dict[str, Any]:
        """Build the two keys of an output line: ``<attribute>`` and ``<attribute>-metadata``."""
        ...

    def consolidate(
        self, answers: Sequence[tuple[int, str, Label]], *, objects: Sequence[int]
    ) -> dict[int, Consolidated]:
        """Turn ``(object, worker, label)`` answers into one label for each of `objects`.

        All answers may inform what is believed of the workers; only `objects` are returned.
        """
        ...

    def consolidate_audit(
        self, answers: Sequence[tuple[int, str, Label]], *, objects: Sequence[int], settled: Mapping[int, Label]
    ) -> dict[int, Consolidated]:
        """Turn answers into reference labels: each of `objects` by its own answers and what is known of its workers.

        What is known of them are their answers to `settled` objects, whose labels are given and were settled before
        the audit. No reference label may depend on the answers to another object of the audit, else whether a
        prediction is wrong would depend on who is audited, and the certificate's proof would not hold.
        """
        ...

    def loss(self, predicted: Sequence[Label], reference: Sequence[Label]) -> NDArray[np.float64]:
        """Loss of each pair in [0, 1], shape ``(n,)``; 0 or 1 for classes."""
        ...


@runtime_checkable
class CrowdTask(Protocol):
    """A task type that knows what several people's answers say of one another.

    Adaptive redundancy and the model's vote need it, and reports show workers and agreement where a task type has it.
    A belief is the probabilities of an object's classes, shape ``(C,)``.
    """

    def consolidate_with(
        self,
        answers: Sequence[tuple[int, str, Label]],
        *,
        objects: Sequence[int],
        belief: Mapping[int, NDArray[np.floating]],
    ) -> dict[int, Consolidated]:
        """Consolidate as `Task.consolidate` does, but weigh the belief, by object, where workers disagree.

        The label of an object in `belief` is one that a worker gave it.
        """
        ...

    def worth_asking(
        self,
        answers: Sequence[tuple[int, str, Label]],
        *,
        left: Mapping[int, int],
        price: float,
        error_value: float,
        belief: Mapping[int, NDArray[np.floating]],
        settled: Mapping[int, Label] | None = None,
    ) -> list[int]:
        """Return the objects for which one more answer is worth its price.

        Parameters
        ----------
        answers
            ``(object, worker, label)``; all of them may inform what is believed of the workers.
        left
            Objects to decide about, each answered at least once, and how many answers each may still get.
        price, error_value
            Price of an answer and of a wrong label, in the same money.
        settled
            In an audit: labels that were settled before it, by which workers are judged. Whether an object of it is
            asked again may depend on no other object of it, as its label may not.
        """
        ...

    def crowd(self, answers: Sequence[tuple[int, str, Label]], *, known: Mapping[int, Label]) -> Crowd:
        """Judge the people who gave `answers`, of which there is at least one; `known` is the truth of gold objects."""
        ...

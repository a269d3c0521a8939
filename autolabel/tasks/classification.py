"""Single-label classification of images and texts: a label is an ``int``, its category's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.api.kinds import TaskKind
from autolabel.consolidation.agreement import agreement
from autolabel.consolidation.classes import AnswerSheet, Consolidation, consolidate_classes
from autolabel.consolidation.one_by_one import Answered, consolidate_one_by_one, one_by_one
from autolabel.consolidation.redundancy import worth_asking
from autolabel.consolidation.workers import worker_quality
from autolabel.errors import AnswerError, InvalidRequestError, ObjectError
from autolabel.tasks.base import Consolidated, Crowd, WorkerFigures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

ELEMENTS = {
    TaskKind.IMAGE_CLASSIFICATION: "crowd-image-classifier",
    TaskKind.TEXT_CLASSIFICATION: "crowd-classifier",
}
"""Name of the form element that holds the answer, as in AWS's own worker templates."""

_SAME_CATEGORIES = "use the label categories, in their order, that the line was written with"


class Classification:
    """Image or text classification over fixed categories; implements `Task` and `CrowdTask`.

    Parameters
    ----------
    kind
        `TaskKind.IMAGE_CLASSIFICATION` or `TaskKind.TEXT_CLASSIFICATION`.
    categories
        At least two different names; a label is an index into them.
    consolidation
        How several answers become one label.

    Raises
    ------
    InvalidRequestError
        Fewer than two categories, or one of them twice.
    """

    def __init__(
        self,
        kind: TaskKind,
        categories: Sequence[str],
        *,
        consolidation: Consolidation = Consolidation.DAWID_SKENE,
    ) -> None:
        self.kind = kind
        self.consolidation = consolidation
        self.categories = tuple(categories)
        self._label_of = {name: label for label, name in enumerate(self.categories)}
        self._element = ELEMENTS[kind]
        if len(self.categories) < 2:
            raise InvalidRequestError([f"{kind} needs at least 2 label categories, found {len(self.categories)}"])
        if len(self._label_of) < len(self.categories):
            raise InvalidRequestError([f"label categories must be unique, found {list(self.categories)}"])

    def task_input(self, source: str) -> dict[str, Any]:
        """Build ``task.input`` of the worker page: the object's URI or text, and the category names."""
        return {"taskObject": source, "labels": list(self.categories)}

    def label_from_answer(self, content: Mapping[str, Any]) -> int:
        """Read the label out of ``{"crowd-classifier": {"label": NAME}}``, whatever the element is called.

        A template may name its element otherwise and may ask more than the label: the element of AWS's own
        template counts where it is there, else the only element with a ``label``.

        Raises
        ------
        AnswerError
            There is no such element, or more than one, or its label is not a category.
        """
        labeled = {name: value for name, value in content.items() if isinstance(value, dict) and "label" in value}
        if self._element not in labeled and len(labeled) != 1:
            raise AnswerError(
                f"found {len(labeled)} elements with a label in {_shown(dict(content))}; "
                f"expected {self.answer_from_label(0)}"
            )
        name = labeled.get(self._element, next(iter(labeled.values())))["label"]
        if not isinstance(name, str) or name not in self._label_of:
            raise AnswerError(f"found the label {_shown(name)}; expected one of {self._names()}")
        return self._label_of[name]

    def answer_from_label(self, label: int) -> dict[str, Any]:
        """Write the answer that means `label`: ``{"crowd-classifier": {"label": NAME}}``."""
        return {self._element: {"label": self.categories[label]}}

    def label_from_record(self, record: Mapping[str, Any], attribute: str) -> int | None:
        """Read the class under `attribute` of a manifest line: an integer, or its decimal digits in a string.

        Returns
        -------
        The class; ``None`` when the line has no such key, as a failed object's line has none.

        Raises
        ------
        ObjectError
            The value is not a class of this job, or the metadata's ``class-name`` names another category or stands
            alone.
        """
        metadata = record.get(f"{attribute}-metadata")
        name = metadata.get("class-name") if isinstance(metadata, dict) else None
        if attribute not in record:
            if name is None:
                return None
            raise ObjectError(
                "INVALID_LABEL_ATTRIBUTE_FORMAT",
                f"'{attribute}-metadata' has the class-name {_shown(name)}, but there is no {attribute!r}; "
                "label and metadata go together",
            )
        label = self._class_id(record[attribute], attribute)
        if name is not None and name != self.categories[label]:
            raise ObjectError(
                "INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT",
                f"{attribute!r} is {label}, which is {self.categories[label]!r} here, but its metadata has "
                f"the class-name {_shown(name)}; {_SAME_CATEGORIES}",
            )
        return label

    def truth_from_record(self, record: Mapping[str, Any], attribute: str | None = None) -> int:
        """Read a truth line: the attribute's value, else ``class_id`` or ``label`` (a category's name).

        Raises
        ------
        ObjectError
            The line has none of them, or one that is not a category, or ``class_id`` and ``label`` disagree.
        """
        if attribute is not None:
            label = self.label_from_record(record, attribute)
            if label is not None:
                return label
        class_id = self._class_id(record["class_id"], "class_id") if "class_id" in record else None
        named = self._class_named(record["label"]) if "label" in record else None
        if class_id is not None and named is not None and class_id != named:
            raise ObjectError(
                "INVALID_LABEL_ATTRIBUTE_FORMAT",
                f"'class_id' is {class_id}, which is {self.categories[class_id]!r} here, but 'label' is "
                f"{record['label']!r}; {_SAME_CATEGORIES}",
            )
        found = class_id if named is None else named
        if found is None:
            keys = ("class_id", "label") if attribute is None else (attribute, "class_id", "label")
            expected = " or ".join(repr(key) for key in keys)
            raise ObjectError("NO_LABEL_ATTRIBUTES", f"found no label, expected the key {expected}")
        return found

    def manifest_fields(
        self, attribute: str, label: int, *, confidence: float, human: bool, job_name: str, created: str
    ) -> dict[str, Any]:
        """Build an output line's label and metadata, keys in the order that Ground Truth writes since 2023.

        Parameters
        ----------
        confidence
            In [0, 1]; written with two decimals, an exact zero as ``0``.
        job_name
            The job's name in any case, without ``labeling-job/``.
        created
            ISO 8601 with microseconds, UTC, no ``Z``.
        """
        if not 0 <= confidence <= 1:
            raise ValueError(f"found the confidence {confidence}, expected a number in [0, 1]")
        metadata = {
            "class-name": self.categories[label],
            "job-name": f"labeling-job/{job_name.lower()}",
            "confidence": round(float(confidence), 2) or 0,
            "type": f"groundtruth/{self.kind}",
            "human-annotated": "yes" if human else "no",
            "creation-date": created,
        }
        return {attribute: int(label), f"{attribute}-metadata": metadata}

    def consolidate(
        self, answers: Sequence[tuple[int, str, int]], *, objects: Sequence[int]
    ) -> dict[int, Consolidated]:
        """Give each of `objects` one class from everybody's answers, as `consolidate_classes` describes.

        Raises
        ------
        ValueError
            One of `objects` has no answer, or an answer's label is no class.
        """
        return self.consolidate_with(answers, objects=objects, belief={})

    def consolidate_with(
        self,
        answers: Sequence[tuple[int, str, int]],
        *,
        objects: Sequence[int],
        belief: Mapping[int, NDArray[np.floating]],
    ) -> dict[int, Consolidated]:
        """Consolidate with a belief of some objects as their prior, shape ``(C,)`` each.

        Raises
        ------
        ValueError
            One of `objects` has no answer, an answer's label is no class, or the consolidation takes no belief.
        """
        numbers, workers, labels = _columns(answers)
        result = consolidate_classes(
            numbers, workers, labels, classes=len(self.categories), method=self.consolidation, prior=belief
        )
        row = dict(zip(result.objects.tolist(), range(len(result.objects)), strict=True))
        missing = [number for number in objects if number not in row]
        if missing:
            raise ValueError(f"object {missing[0]} has no answer to consolidate; objects without one: {len(missing)}")
        return {
            number: Consolidated(int(result.labels[row[number]]), float(result.confidence[row[number]]))
            for number in objects
        }

    def consolidate_audit(
        self, answers: Sequence[tuple[int, str, int]], *, objects: Sequence[int], settled: Mapping[int, int]
    ) -> dict[int, Consolidated]:
        """Give each of `objects` one class by itself, as `consolidate_one_by_one` describes.

        Raises
        ------
        ValueError
            One of `objects` has no answer.
        """
        wanted = set(objects)
        result = consolidate_one_by_one(*_apart(answers, wanted, settled), classes=len(self.categories))
        found = {
            number: Consolidated(label, confidence)
            for number, label, confidence in zip(
                result.objects.tolist(), result.labels.tolist(), result.confidence.tolist(), strict=True
            )
        }
        if missing := wanted - found.keys():
            raise ValueError(f"object {min(missing)} has no answer to consolidate; objects without one: {len(missing)}")
        return found

    def worth_asking(
        self,
        answers: Sequence[tuple[int, str, int]],
        *,
        left: Mapping[int, int],
        price: float,
        error_value: float,
        belief: Mapping[int, NDArray[np.floating]],
        settled: Mapping[int, int] | None = None,
    ) -> list[int]:
        """Say which objects of `left` are worth another answer, as `autolabel.consolidation.redundancy` decides.

        Raises
        ------
        ValueError
            One of the objects has no answer.
        """
        if not left:
            return []
        numbers = np.asarray(sorted(left), np.int64)
        if settled is None:
            sheet = AnswerSheet.of(*_columns(answers), classes=len(self.categories))
            estimate = sheet.posterior(self.consolidation, belief)
            objects, posterior, confusion = sheet.objects, estimate.posterior, estimate.confusion
        else:
            found = one_by_one(*_apart(answers, set(left), settled), classes=len(self.categories))
            objects, posterior, confusion = found.objects, found.posterior, found.confusion
        places = np.searchsorted(objects, numbers)
        if (places == len(objects)).any() or (objects[places] != numbers).any():
            raise ValueError("an object without an answer cannot be judged by its answers")
        worth = worth_asking(
            posterior[places],
            confusion,
            np.asarray([left[number] for number in numbers.tolist()]),
            price=price,
            error_value=error_value,
        )
        chosen: list[int] = numbers[worth].tolist()
        return chosen

    def crowd(self, answers: Sequence[tuple[int, str, int]], *, known: Mapping[int, int]) -> Crowd:
        """Judge people as `autolabel.consolidation.workers` and `.agreement` do.

        Raises
        ------
        ValueError
            There is no answer, or an answer's label is no class.
        """
        numbers, workers, labels = _columns(answers)
        quality = worker_quality(numbers, workers, labels, classes=len(self.categories), known=known)
        together = agreement(numbers, labels)
        columns = (
            quality.people, quality.answers, quality.accuracy, quality.compared, quality.agreed, quality.gold,
            quality.gold_right,
        )  # fmt: skip
        figures = tuple(WorkerFigures(*row) for row in zip(*(column.tolist() for column in columns), strict=True))
        return Crowd(figures, together.objects, together.pairwise, together.alpha)

    def loss(self, predicted: Sequence[int], reference: Sequence[int]) -> NDArray[np.float64]:
        """1 where the classes differ, else 0; shape ``(n,)``."""
        if len(predicted) != len(reference):
            raise ValueError(f"found {len(predicted)} predictions and {len(reference)} references, expected as many")
        differ: NDArray[np.bool_] = np.asarray(predicted, np.int64) != np.asarray(reference, np.int64)
        return differ.astype(np.float64)

    def _class_id(self, value: object, key: str) -> int:
        """Read a class id as int or decimal string, as manifests in the wild hold both."""
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ObjectError(
                "INVALID_LABEL_ATTRIBUTE_FORMAT",
                f"{key!r} is {_shown(value)}, expected a class id from 0 to {len(self.categories) - 1}",
            )
        if not 0 <= value < len(self.categories):
            raise ObjectError(
                "MISSING_CLASS_MAP_ID",
                f"{key!r} is {_shown(value)}, expected 0 to {len(self.categories) - 1}, "
                f"the places of {len(self.categories)} label categories",
            )
        return value

    def _class_named(self, name: object) -> int:
        """Read the value of ``label``: a category's name; some write the class id there."""
        if isinstance(name, int):
            return self._class_id(name, "label")
        if not isinstance(name, str) or name not in self._label_of:
            raise ObjectError(
                "INVALID_LABEL_ATTRIBUTE_FORMAT",
                f"'label' is {_shown(name)}, expected one of {self._names()}",
            )
        return self._label_of[name]

    def _names(self) -> str:
        """Show a few categories, so that a message stays a line."""
        few = ", ".join(repr(name) for name in self.categories[:5])
        more = len(self.categories) - 5
        return f"{few} and {more} more" if more > 0 else few


def _columns(
    answers: Sequence[tuple[int, str, int]],
) -> tuple[NDArray[np.int64], NDArray[np.str_], NDArray[np.int64]]:
    """Objects, workers and labels of answers, shape ``(A,)`` each."""
    numbers, workers, labels = zip(*answers, strict=True) if answers else ((), (), ())
    return np.array(numbers, np.int64), np.array(workers, str), np.array(labels, np.int64)


def _apart(
    answers: Sequence[tuple[int, str, int]], wanted: AbstractSet[int], settled: Mapping[int, int]
) -> tuple[Answered, Answered, NDArray[np.int64]]:
    """Tell the answers to `wanted` objects from those to `settled` ones, and give the latter's labels."""
    audit = Answered(*_columns([answer for answer in answers if answer[0] in wanted]))
    before = Answered(*_columns([answer for answer in answers if answer[0] in settled]))
    return audit, before, np.array([settled[number] for number in before.objects.tolist()], np.int64)


def _shown(value: object) -> str:
    """Show a value in at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

"""What a line already says about the label attribute, and whether that can be believed."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, NoReturn

from autolabel.api.kinds import TaskKind
from autolabel.manifest.boxes import check_boxes
from autolabel.manifest.fault import LineCode, LineError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

METADATA = "-metadata"
"""Ending of the key that holds an attribute's metadata."""


class Carried(IntEnum):
    """What a line holds under the label attribute and its metadata key."""

    NOTHING = 1
    """Neither key."""
    LABEL = 2
    """A label with its metadata: it is not asked again."""
    VALUE = 3
    """A value without metadata: no job wrote it, so it is overwritten, as Ground Truth's page says."""
    FAILURE = 4
    """Metadata with a failure reason and no value: an earlier job failed here, so it is asked again."""


def read_carried(record: Mapping[str, Any], attribute: str, kind: TaskKind) -> Carried:
    """Tell what a line holds under the label attribute.

    A label counts only with metadata that says who made it: whether people or a machine labeled an object decides
    if it is trained on and what the certificate may cover. Whatever contradicts itself fails its object instead of
    being asked again, because asking costs money that somebody believes to have spent.

    Raises
    ------
    LineError
        Metadata without value that records no failure (it belongs to another attribute), or both with: metadata
        that is no object, records a failure, has a ``human-annotated`` other than ``"yes"`` or ``"no"``, a ``type`` of
        another task or a class-map that is no object; a value that is ``null`` or has a class that the class-map
        lacks; for boxes no class-map, or what `check_boxes` refuses.
    """
    name = attribute + METADATA
    if name not in record:
        return Carried.VALUE if attribute in record else Carried.NOTHING
    metadata = record[name]
    if not isinstance(metadata, dict):
        _bad_metadata(f"{name!r}: {shown(metadata)}", "an object")
    if attribute not in record:
        if "failure-reason" in metadata:
            return Carried.FAILURE
        _bad_metadata(f"{name!r} without {attribute!r}", "both keys, or a failure-reason")
    if "failure-reason" in metadata:
        _bad_metadata(f"a failure-reason in {name!r} beside {attribute!r}", "a label or a failure")
    if metadata.get("human-annotated") not in ("yes", "no"):
        who = shown(metadata.get("human-annotated"))
        _bad_metadata(f"the human-annotated {who} in {name!r}", "'yes' or 'no'")
    _check_type(metadata, name, kind)
    if record[attribute] is None:
        raise LineError(LineCode.INVALID_LABEL_ATTRIBUTE_FORMAT, f"{attribute!r}: null", "a label")
    if kind is TaskKind.OBJECT_DETECTION:
        check_boxes(record[attribute], metadata)
    _check_classes(record[attribute], metadata, name, kind)
    return Carried.LABEL


def _check_type(metadata: Mapping[str, Any], name: str, kind: TaskKind) -> None:
    expected = f"groundtruth/{kind}"
    made = metadata.get("type", expected)
    # Ground Truth's page prints groundTruth/ in one place; files have groundtruth/.
    if not isinstance(made, str) or made.lower() != expected:
        _bad_metadata(f"the type {shown(made)} in {name!r}", repr(expected))


def _check_classes(value: Any, metadata: Mapping[str, Any], name: str, kind: TaskKind) -> None:
    """Check that the class-map, which boxes must have, names every class of the label."""
    class_map = metadata.get("class-map")
    if class_map is None and kind is not TaskKind.OBJECT_DETECTION:
        return
    if not isinstance(class_map, dict):
        _bad_metadata(f"the class-map {shown(class_map)} in {name!r}", "an object")
    for class_id in _class_ids(value):
        if str(class_id) not in class_map:
            found = f"the class {shown(class_id)}, absent from the class-map of {name!r}"
            raise LineError(LineCode.MISSING_CLASS_MAP_ID, found, f"one of {shown(list(class_map))}")


def _class_ids(value: Any) -> list[Any]:
    if isinstance(value, dict):
        boxes = value.get("annotations")
        return [box.get("class_id") for box in boxes if isinstance(box, dict)] if isinstance(boxes, list) else []
    return value if isinstance(value, list) else [value]


def _bad_metadata(found: str, expected: str) -> NoReturn:
    raise LineError(LineCode.INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT, found, expected)

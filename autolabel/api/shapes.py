"""Constraints of the SageMaker API as botocore's own service model states them, all of them enforced.

botocore's client checks required, unknown, type and ``min``; here also ``max``, ``pattern`` and ``enum``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from autolabel.api.patterns import matches
from autolabel.api.violation import Path, Violation, is_unicode

Shape = Any
"""A `botocore.model.Shape`; botocore carries no types."""

_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "blob": ((bytes,), "bytes"),
    "boolean": ((bool,), "a boolean"),
    "double": ((int, float), "a number"),
    "float": ((int, float), "a number"),
    "integer": ((int,), "an integer"),
    "list": ((list, tuple), "a list"),
    "long": ((int,), "an integer"),
    "map": ((Mapping,), "an object"),
    "string": ((str,), "a string"),
    "structure": ((Mapping,), "an object"),
    "timestamp": ((datetime, int, float), "a time"),
}
_LARGEST = {"integer": 2**31 - 1, "long": 2**63 - 1}
_PLAIN_PATH = re.compile(r"(?![A-Za-z][A-Za-z0-9+.\-]*:/)[^\x00-\x1f\x7f]+")


@cache
def input_shape(operation: str) -> Shape:
    """Return what `operation`, for example ``CreateLabelingJob``, takes."""
    return _service().operation_model(operation).input_shape


@cache
def output_shape(operation: str) -> Shape:
    """Return what `operation`, for example ``DescribeLabelingJob``, answers."""
    return _service().operation_model(operation).output_shape


@cache
def _service() -> Any:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    # The packaged model alone: a file in ~/.aws/models must not change what is valid.
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model("sagemaker", "service-2"), "sagemaker")


def leaf_paths(shape: Shape, prefix: str = "") -> Iterator[str]:
    """Yield every member that holds a value, as ``HumanTaskConfig.TaskTitle`` and ``Tags[].Key``."""
    if shape.type_name == "list" and shape.member.type_name == "structure":
        yield from leaf_paths(shape.member, prefix + "[]")
    elif shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from leaf_paths(member, f"{prefix}.{name}" if prefix else name)
    else:
        yield prefix


def is_plain_path(value: str) -> bool:
    """Tell a path of this machine from a URI; ``s3:/typo`` is neither, so the S3 pattern refuses it."""
    return _PLAIN_PATH.fullmatch(value) is not None


def violations(value: object, shape: Shape, path: Path = ()) -> Iterator[Violation]:
    """Yield every constraint of `shape` that `value` breaks: members in document order, then missing ones.

    Our one extension: where AWS wants an S3 URI a plain path is valid too; its length is limited as well.
    """
    problem = _type_problem(value, shape)
    if problem:
        yield Violation(path, value, problem)
        return
    for constraint in (*_range_problems(value, shape), *_text_problems(value, shape)):
        yield Violation(path, value, constraint)
    for child, item, child_shape in _children(value, shape):
        if child_shape is None:
            known = ", ".join(shape.members)
            yield Violation((*path, child), item, f"Member must be one of [{known}]")
        else:
            yield from violations(item, child_shape, (*path, child))


def _type_problem(value: object, shape: Shape) -> str | None:
    types, words = _TYPES[shape.type_name]
    if value is None:
        return "Member must not be null"
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        return f"Member must be {words}"
    if isinstance(value, str) and not is_unicode(value):
        return "Member must be a string without half a surrogate pair"
    return None


def _range_problems(value: Any, shape: Shape) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name in {"string", "list", "map"}:
        size, noun = len(value), "length"
    elif shape.type_name in _LARGEST:
        size, noun = value, "value"
        most = _LARGEST[shape.type_name] if most is None else most
    else:
        return
    if least is not None and size < least:
        yield f"Member must have {noun} greater than or equal to {least}"
    if most is not None and size > most:
        yield f"Member must have {noun} less than or equal to {most}"


def _text_problems(value: object, shape: Shape) -> Iterator[str]:
    if not isinstance(value, str):
        return
    pattern, enum = shape.metadata.get("pattern"), shape.metadata.get("enum")
    exempt = shape.name == "S3Uri" and is_plain_path(value)
    if pattern and not exempt and not matches(pattern, value):
        yield f"Member must satisfy regular expression pattern: {pattern}"
    if enum and value not in enum:
        yield f"Member must satisfy enum value set: [{', '.join(enum)}]"


def _children(value: Any, shape: Shape) -> Iterator[tuple[str | int, object, Shape | None]]:
    """Yield (name or position, value, shape); the shape is ``None`` for a member nobody knows."""
    if shape.type_name == "list":
        for position, item in enumerate(value):
            yield position, item, shape.member
    elif shape.type_name == "map":
        for key, item in value.items():
            yield str(key), item, shape.value
    elif shape.type_name == "structure":
        for name, item in value.items():
            yield str(name), item, shape.members.get(name)
        for name in shape.required_members:
            if name not in value:
                yield name, None, shape.members[name]

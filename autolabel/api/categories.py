"""The label category configuration file: what the classes are called, in the order of their ids."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from autolabel.api.kinds import TaskKind
from autolabel.api.strict_json import parse_json
from autolabel.api.violation import Path, Violation
from autolabel.errors import InvalidRequestError

DOCUMENT_VERSION = "2018-11-28"
LONGEST_NAME = 256

_CLASSIFICATIONS = frozenset({TaskKind.IMAGE_CLASSIFICATION, TaskKind.TEXT_CLASSIFICATION})
_DECEIVING = frozenset({"Cc", "Zl", "Zp"})
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class LabelCategories:
    """The categories of a job; a category's id is its position.

    Members that only video and point-cloud jobs use (attributes, hot keys) are not kept.
    """

    names: tuple[str, ...]
    """Markup in a name is text like any other."""
    instructions: Mapping[str, str] | None = None
    """``shortInstruction`` and ``fullInstruction``, HTML for the worker page."""

    @classmethod
    def from_bytes(cls, data: bytes, kind: TaskKind | None = None, *, name: str = "label categories") -> Self:
        """Read a file for a task type (``None``: any).

        Classification needs two categories, every other task one. Names are unique, of 1 to 256 characters,
        without control characters, line ends and marks that turn the direction of writing.
        ``document-version`` may be missing, as in AWS's own notebooks, but not be another.
        Raises `InvalidRequestError` with every violation; `name` begins the message when the file is no JSON.
        """
        document = parse_json(data, name=name)
        found = [str(violation) for violation in _violations(document, kind)]
        if found:
            raise InvalidRequestError(found)
        names = tuple(entry["label"] for entry in document["labels"])
        return cls(names, document.get("instructions"))

    def to_bytes(self) -> bytes:
        """Write the file in AWS's form, as UTF-8."""
        document: dict[str, Any] = {
            "document-version": DOCUMENT_VERSION,
            "labels": [{"label": name} for name in self.names],
        }
        if self.instructions is not None:
            document["instructions"] = dict(self.instructions)
        return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"


def _violations(document: object, kind: TaskKind | None) -> Iterator[Violation]:
    if not isinstance(document, Mapping):
        yield Violation((), document, "Member must be an object")
        return
    version = document.get("document-version", DOCUMENT_VERSION)
    if version != DOCUMENT_VERSION:
        problem = f"Member must satisfy enum value set: [{DOCUMENT_VERSION}]"
        yield Violation(("document-version",), version, problem)
    yield from _label_violations(document.get("labels"), 2 if kind in _CLASSIFICATIONS else 1)
    yield from _instruction_violations(document.get("instructions"))


def _label_violations(labels: object, fewest: int) -> Iterator[Violation]:
    if not isinstance(labels, list):
        problem = "Member must not be null" if labels is None else "Member must be a list"
        yield Violation(("labels",), labels, problem)
        return
    if len(labels) < fewest:
        problem = f"Member must have length greater than or equal to {fewest}"
        yield Violation(("labels",), labels, problem)
    seen: set[str] = set()
    for position, entry in enumerate(labels):
        path = ("labels", position)
        if not isinstance(entry, Mapping):
            yield Violation(path, entry, 'Member must be an object such as {"label": "cat"}')
            continue
        name = entry.get("label")
        yield from _name_violations(name, (*path, "label"))
        if isinstance(name, str):
            # Two spellings of one text would be two classes that nobody can tell apart.
            spelling = unicodedata.normalize("NFC", name)
            if spelling in seen:
                yield Violation((*path, "label"), name, "Member must be unique among the labels")
            seen.add(spelling)


def _name_violations(name: object, path: Path) -> Iterator[Violation]:
    if not isinstance(name, str):
        yield Violation(path, name, "Member must not be null" if name is None else "Member must be a string")
        return
    if not name.strip():
        yield Violation(path, name, "Member must not be blank")
    if len(name) > LONGEST_NAME:
        yield Violation(path, name, f"Member must have length less than or equal to {LONGEST_NAME}")
    if any(unicodedata.category(c) in _DECEIVING or c in _BIDIRECTIONAL for c in name):
        problem = "Member must not contain control characters, line ends or marks of writing direction"
        yield Violation(path, name, problem)


def _instruction_violations(instructions: object) -> Iterator[Violation]:
    if instructions is None:
        return
    if not isinstance(instructions, Mapping):
        yield Violation(("instructions",), instructions, "Member must be an object")
        return
    for member, value in instructions.items():
        if not isinstance(value, str):
            yield Violation(("instructions", member), value, "Member must be a string")

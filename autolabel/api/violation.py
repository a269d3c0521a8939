"""One broken constraint of a document, said the way AWS says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Where a value stands: member names as in the document, and 0-based list positions."""

LONGEST_VALUE = 100
"""Characters of a value that a sentence shows."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A value that breaks a constraint; ``str()`` of it is AWS's sentence."""

    path: Path
    value: object
    constraint: str
    """Begins with ``Member must``."""

    def __str__(self) -> str:
        where = wire_path(self.path) or "request"
        return f"Value {quoted(self.value)} at '{where}' failed to satisfy constraint: {self.constraint}"


def is_unicode(text: str) -> bool:
    """Tell whether a string can be encoded: no half of a surrogate pair stands alone in it."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def wire_path(path: Path) -> str:
    """Write a path as AWS does: lower camel case, lists as ``taskKeywords.1.member``."""
    return ".".join(
        f"{part + 1}.member" if isinstance(part, int) else _printable(part[:1].lower() + part[1:]) for part in path
    )


def quoted(value: object) -> str:
    """Show a value on one line, cut to `LONGEST_VALUE` characters; ``null`` stands without quotes."""
    return "null" if value is None else f"'{_shown(value)}'"


def _shown(value: object) -> str:
    # Containers are shown one level deep: a document may be nested deeper than Python recurses.
    if isinstance(value, list | tuple):
        return _cut("[" + ", ".join(_scalar(item) for item in value[:LONGEST_VALUE]) + "]")
    return _scalar(value)


def _scalar(value: object) -> str:
    match value:
        case str():
            return _printable(value)
        case None | bool() | float():
            return json.dumps(value)
        case int():  # str() refuses integers of more than 4,300 digits
            huge = value.bit_length() > 1024
            return f"an integer of {value.bit_length()} bits" if huge else _cut(str(value))
        case Mapping():
            return "{...}" if value else "{}"
        case list() | tuple():
            return "[...]" if value else "[]"
    return type(value).__name__


def _printable(text: str) -> str:
    head = _cut(text)
    if head.isprintable():
        return head
    # A terminal must not obey what a document says, and a lone surrogate cannot be encoded at all.
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in head)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."

"""Output lines made out of input lines by cutting and inserting, so that every other byte stays as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.manifest.members import members

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

_SPACE = b" \t\r\n"

NOTHING = 0
"""In `Additions.which`: the object's line stays as it was."""


class Splice:
    """Members to be put into a line, encoded once: many machine labels share class and confidence, hence a splice.

    Attributes
    ----------
    fields
        Keys and JSON values.
    keys
        The keys alone.
    tail
        The members as they stand inside an object: compact JSON, raw UTF-8, without braces.

    Raises
    ------
    ValueError
        A number is not finite, or a string has half a surrogate pair.
    """

    __slots__ = ("fields", "keys", "tail")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = dict(fields)
        self.keys = frozenset(self.fields)
        self.tail = _encode(self.fields)[1:-1].encode()

    def onto(self, line: bytes, *, remove: Collection[str] = ()) -> bytes:
        """Put the members into a line that is one JSON object.

        A key that is there keeps its place and gets the new value; a new one goes in front of the closing brace.

        Parameters
        ----------
        remove
            Keys to take out of the line.
        """
        if not _may_hold(line, (*self.keys, *remove)):
            return _insert(line, self.tail)
        text = line.decode()
        for key in remove:
            text = _without(text, key)
        there = {member.key for member in members(text)} & self.keys
        text = _with_values(text, {key: self.fields[key] for key in there})
        rest = {key: value for key, value in self.fields.items() if key not in there}
        return _insert(text.encode(), Splice(rest).tail)


class Additions:
    """What is put into the lines of N objects; each splice is kept once, and an object costs four bytes.

    Attributes
    ----------
    splices
        The different ones.
    which
        1-based place of each object's splice, `NOTHING` where it has none; shape ``(N,)``, int32.
    """

    def __init__(self, objects: int) -> None:
        self.splices: list[Splice] = []
        self.which = np.zeros(objects, np.int32)

    def put(self, objects: int | NDArray[np.int64], splice: Splice) -> None:
        """Give objects a splice; it takes the place of one that they have."""
        self.which[objects] = self.add(splice)

    def add(self, splice: Splice) -> int:
        """Keep a splice; return its place, which `which` may then hold."""
        self.splices.append(splice)
        return len(self.splices)

    def of(self, number: int) -> Splice | None:
        """Return the splice of an object."""
        place = int(self.which[number])
        return None if place == NOTHING else self.splices[place - 1]


def augment(line: bytes, fields: Mapping[str, Any]) -> bytes:
    """Put members into one line; see `Splice`."""
    return Splice(fields).onto(line)


def _insert(line: bytes, tail: bytes) -> bytes:
    """Put encoded members, which may be none, in front of the closing brace."""
    if not tail:
        return line
    before = line[: line.rindex(b"}")].rstrip(_SPACE)
    comma = b"" if before.lstrip(_SPACE) == b"{" else b","
    return b"".join((before, comma, tail, line[len(before) :]))


def _may_hold(line: bytes, keys: Iterable[str]) -> bool:
    """Tell whether one of the keys may be in a line; only an escape can hide it."""
    return b"\\" in line or any(b'"%b"' % key.encode() in line for key in keys)


def _with_values(text: str, values: Mapping[str, Any]) -> str:
    """Replace the values of members that are there."""
    for member in reversed(list(members(text))):
        if member.key in values:
            text = text[: member.value] + _encode(values[member.key]) + text[member.end :]
    return text


def _without(text: str, key: str) -> str:
    """Take out one member and the comma that is then too many."""
    found = list(members(text))
    for place, member in enumerate(found):
        if member.key == key:
            if place + 1 < len(found):
                return text[: member.start] + text[found[place + 1].start :]
            start = found[place - 1].end if place else member.start
            return text[:start] + text[member.end :]
    return text


def _encode(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

"""Where the members of a JSON object stand in its text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Member:
    """One top-level member; positions are characters of the text, ends exclusive."""

    key: str
    start: int
    """Of the key's opening quote."""
    value: int
    """Start of the value."""
    end: int
    """End of the value."""


def members(text: str) -> Iterator[Member]:
    """Walk over the top-level members of a text that is known to be one JSON object."""
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        key, after = _DECODER.raw_decode(text, at)
        value = _skip(text, _skip(text, after) + 1)
        _, end = _DECODER.raw_decode(text, value)
        yield Member(key, at, value, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    """Pass over white space; the pattern matches everywhere."""
    match = _SPACE.match(text, at)
    return match.end() if match else at

"""JSON as RFC 8259 has it and nothing else, with the line and column of what is wrong.

Python's own reader takes NaN, duplicate keys, lone surrogates, UTF-16 and any depth; none of them belongs in
a document that decides what money is spent on. On request ``//`` comments count as white space.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from autolabel.api.violation import is_unicode
from autolabel.errors import InvalidRequestError

DEEPEST = 64

_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"')
_SCALAR = re.compile(r"(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)(?![0-9A-Za-z_.+-])")
_SPACE = re.compile(r"[ \t\r\n]*")
_SPACE_OR_COMMENT = re.compile(r"[ \t\r\n]*(?://[^\n]*[ \t\r\n]*)*")
_LONGEST_NUMBER = 400


def parse_json(data: bytes, *, name: str, comments: bool = False) -> Any:
    """Read one UTF-8 JSON document, with or without a byte-order mark.

    Raises `InvalidRequestError`, whose sentence begins with `name`, line and column.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"{name} line {line}: byte {error.start} is not UTF-8; save the file as UTF-8"
        raise InvalidRequestError([message]) from error
    return _Reader(text, name, _SPACE_OR_COMMENT if comments else _SPACE).read_document()


class _Reader:
    """A recursive-descent reader over one text."""

    def __init__(self, text: str, name: str, space: re.Pattern[str]) -> None:
        self.text = text
        self.name = name
        self.space = space
        self.at = 0

    def read_document(self) -> Any:
        value = self.read_value(depth=0)
        if self.peek():
            raise self.unexpected("the end of the document")
        return value

    def read_value(self, depth: int) -> Any:
        following = self.peek()
        if depth > DEEPEST:
            raise self.error(f"values are nested deeper than {DEEPEST}")
        if following == "{":
            return self.read_object(depth)
        if following == "[":
            return self.read_list(depth)
        if following == '"':
            return self.read_string()
        return self.read_scalar()

    def read_object(self, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        self.at += 1
        if self.took("}"):
            return members
        while True:
            if self.peek() != '"':
                raise self.unexpected("a member name in double quotes")
            start = self.at
            key = self.read_string()
            if key in members:
                self.at = start
                raise self.error(f"the member {json.dumps(key)} is given twice")
            if not self.took(":"):
                raise self.unexpected("':'")
            members[key] = self.read_value(depth + 1)
            if self.took("}"):
                return members
            if not self.took(","):
                raise self.unexpected("',' or '}'")

    def read_list(self, depth: int) -> list[Any]:
        items: list[Any] = []
        self.at += 1
        if self.took("]"):
            return items
        while True:
            items.append(self.read_value(depth + 1))
            if self.took("]"):
                return items
            if not self.took(","):
                raise self.unexpected("',' or ']'")

    def read_string(self) -> str:
        match = _STRING.match(self.text, self.at)
        if match is None:
            raise self.error("this string is not closed, or holds a control character or a bad escape")
        text: str = json.loads(match[0])
        if not is_unicode(text):
            raise self.error("this string holds half a surrogate pair")
        self.at = match.end()
        return text

    def read_scalar(self) -> float | bool | None:
        match = _SCALAR.match(self.text, self.at)
        if match is None:
            raise self.unexpected("a value")
        if len(match[0]) > _LONGEST_NUMBER:
            raise self.error(f"this number has more than {_LONGEST_NUMBER} digits")
        value: float | bool | None = json.loads(match[0])
        if isinstance(value, float) and math.isinf(value):
            raise self.error(f"the number {match[0]} is too large")
        self.at = match.end()
        return value

    def peek(self) -> str:
        match = self.space.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return self.text[self.at : self.at + 1]

    def took(self, mark: str) -> bool:
        if self.peek() != mark:
            return False
        self.at += 1
        return True

    def unexpected(self, expected: str) -> InvalidRequestError:
        rest = self.text[self.at : self.at + 20]
        found = f"found {json.dumps(rest)}" if rest else "the text ends"
        return self.error(f"{found}, expected {expected}")

    def error(self, problem: str) -> InvalidRequestError:
        line = self.text.count("\n", 0, self.at) + 1
        column = self.at - self.text.rfind("\n", 0, self.at)
        return InvalidRequestError([f"{self.name} line {line} column {column}: {problem}"])

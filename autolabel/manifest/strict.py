"""The strict reading of one line. Its verdict is final: screening only saves lines from it.

Python's own reader takes NaN, 1e999, duplicate keys, lone surrogates, UTF-16 and any depth. None of them
survives the way through other readers of an output manifest, so none of them comes in.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from autolabel.api.kinds import TaskKind
from autolabel.manifest.carried import Carried, read_carried
from autolabel.manifest.fault import LineCode, LineError, shown
from autolabel.manifest.limits import DEEPEST, Limits
from autolabel.manifest.members import members

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LONGEST_INTEGER = 4300
"""Digits: Python's own bound, which is a setting of the interpreter and so no rule by itself."""

_SPACE = " \t\r\n"

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class LineRules:
    """What a line must hold: the task type's source key, and which label attribute is looked for."""

    kind: TaskKind
    attribute: str
    limits: Limits

    @cached_property
    def source_key(self) -> str:
        """The key that holds the object."""
        return self.kind.source_key

    @cached_property
    def other_source_key(self) -> str:
        """The key that holds the object of the other task types."""
        text = TaskKind.TEXT_CLASSIFICATION
        return TaskKind.IMAGE_CLASSIFICATION.source_key if self.kind is text else text.source_key

    @cached_property
    def longest_certain(self) -> int:
        """Bytes of a line up to which no limit on characters can be broken."""
        return min(self.limits.max_line_chars, self.limits.max_attribute_chars)

    @cached_property
    def longest_possible(self) -> int:
        """Bytes of a line above which it has too many characters, whatever they are."""
        return 4 * self.limits.max_line_chars


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A good line."""

    source: str
    carried: Carried


def read_line(line: bytes, rules: LineRules) -> ReadLine:
    """Read one line without its newline.

    Raises
    ------
    LineError
        The line breaks a rule; the first one it breaks is named.
    """
    most = rules.limits.max_line_chars
    if len(line) > rules.longest_possible:
        raise line_too_long(len(line), most)
    text = _decode(line)
    if len(text) > most:
        raise _invalid(f"{len(text):,} characters", f"at most {most:,} in a line")
    record = _parse(text)
    if "$" in text or "\\u0024" in text:
        for key in record:
            if key.startswith("$"):
                raise _invalid(f"the key {shown(key)}", "keys that do not begin with $")
    source = _source(record, rules)
    if len(text) > rules.limits.max_attribute_chars:
        _check_attributes(text, record, rules.limits.max_attribute_chars)
    return ReadLine(source, read_carried(record, rules.attribute, rules.kind))


def parse_object(line: bytes) -> dict[str, Any]:
    """Parse a line of any length as one JSON object of the allowed form.

    Raises
    ------
    LineError
        Not UTF-8, not JSON, not an object; a key twice, a control character in a key, a number that is not finite or
        has more than 4,300 digits, half a surrogate pair, nesting deeper than 64.
    """
    return _parse(_decode(line))


def line_too_long(length: int, most: int) -> LineError:
    """Build the error of a line that is too long to be looked at."""
    return _invalid(f"a line of {length:,} bytes", f"at most {most:,} characters in a line")


def _decode(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise _invalid(f"byte 0x{byte:02x} at byte {error.start + 1}", "UTF-8") from error


def _parse(text: str) -> dict[str, Any]:
    """Parse a text as one JSON object of the allowed form."""
    body = text.strip(_SPACE)
    is_plain = len(body) <= _LONGEST_INTEGER and body.isascii() and "\\" not in body and "\x7f" not in body
    decoder = _DECODER if is_plain else _CAREFUL_DECODER
    try:
        record, end = decoder.raw_decode(body)
        if end < len(body):
            raise json.JSONDecodeError("Extra data", body, end)  # noqa: TRY301 - reported like the others
    except json.JSONDecodeError as error:
        rest = shown(body[error.pos : error.pos + 20]) if error.pos < len(body) else "the end of the line"
        where = f"{rest} at character {text.index(body) + error.pos + 1}"
        raise _invalid(where, f"one JSON object and nothing after it ({error.msg})") from error
    except RecursionError as error:
        raise _too_deep() from error
    if not isinstance(record, dict):
        raise _invalid(f"the {_NAMES[type(record)]} {shown(text)}", "a JSON object")
    if text.count("{") + text.count("[") > DEEPEST:
        _check_depth(record)
    if "\\ud" in text or "\\uD" in text:
        _check_surrogates(record)
    return record


_NAMES = {list: "array", str: "string", int: "number", float: "number", bool: "value", type(None): "value"}


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object whose keys are all different."""
    record = dict(pairs)
    if len(record) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise _invalid(f"the key {shown(twice)} twice", "every key once")
    return record


def _unique_and_printable(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object whose keys are all different and free of control characters."""
    record = _unique(pairs)
    for key in record:
        if not key.isprintable() and _CONTROL.search(key):
            raise _invalid(f"a control character in the key {shown(key)}", "keys without control characters")
    return record


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise _invalid(f"the number {digits[:40]}", "a number that a 64-bit float can hold")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise _invalid(f"a number of {len(digits):,} digits", f"at most {_LONGEST_INTEGER:,} digits")
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise _invalid(name, "JSON, which has no such number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant)
"""For ASCII without escapes, which has no room for a huge integer or a control character."""

_CAREFUL_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_and_printable, parse_int=_integer, parse_float=_finite, parse_constant=_no_constant
)


def _check_depth(record: dict[str, Any]) -> None:
    level: list[Any] = [record]
    for _ in range(DEEPEST):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise _too_deep()


def _children(parent: Any) -> Iterable[Any]:
    values = parent.values() if isinstance(parent, dict) else parent
    return (value for value in values if isinstance(value, (dict, list)))


def _check_surrogates(record: dict[str, Any]) -> None:
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"half a surrogate pair, \\u{ord(error.object[error.start]):04x}"
        raise _invalid(half, "surrogates in pairs") from error


def _source(record: dict[str, Any], rules: LineRules) -> str:
    """Return the object's source, checked."""
    key, other = rules.source_key, rules.other_source_key
    if key in record and other in record:
        raise _invalid(f"both {key!r} and {other!r}", f"only {key!r} for {rules.kind}")
    if key not in record:
        found = f"{other!r}, which {rules.kind} does not read" if other in record else f"no {key!r}"
        raise LineError(LineCode.MISSING_SOURCE_REF, found, f"the key {key!r}")
    source, most = record[key], rules.limits.max_attribute_chars
    if not isinstance(source, str):
        raise _bad_source(f"{key!r}: {shown(source)}", "a string")
    # An empty text is an object that cannot be labeled; an empty reference is no object.
    if rules.kind is not TaskKind.TEXT_CLASSIFICATION:
        if not source:
            raise _bad_source(f"{key!r}: ''", "where the object lies")
        if len(source) > most:
            raise _bad_source(f"a {key!r} of {len(source):,} characters", f"at most {most:,}")
    return source


def _check_attributes(text: str, record: dict[str, Any], most: int) -> None:
    for member in members(text):
        value = record[member.key]
        length = max(len(member.key), len(value) if isinstance(value, str) else member.end - member.value)
        if length > most:
            raise _invalid(f"{length:,} characters in {shown(member.key)}", f"at most {most:,} in an attribute")


def _too_deep() -> LineError:
    return _invalid(f"values nested deeper than {DEEPEST}", f"at most {DEEPEST} levels")


def _invalid(found: str, expected: str) -> LineError:
    return LineError(LineCode.INVALID_JSON_LINE, found, expected)


def _bad_source(found: str, expected: str) -> LineError:
    return LineError(LineCode.INVALID_SOURCE_REF_FORMAT, found, expected)

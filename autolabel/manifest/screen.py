"""Proving that lines are good without reading them one by one.

A line passes when it is made like a line that was read strictly (`autolabel.manifest.template`) and what is its own
cannot spoil it: it is valid UTF-8 of at most 20,000 bytes, its strings hold no control character and no bad escape,
its numbers have no exponent. Whatever this does not prove is left to `autolabel.manifest.strict`: the screen may doubt
a good line, it must never pass a bad one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.api.kinds import TaskKind
from autolabel.manifest.template import Layout, learn
from autolabel.manifest.words import Words, fingerprints

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.manifest.blocks import Block
    from autolabel.manifest.strict import LineRules
    from autolabel.manifest.template import Template

_QUOTE, _BACKSLASH, _U = b'"\\u'

_MOST_TEMPLATES = 16
_TRIES = 4
"""Lines of a block that may be tried for a new template."""


def _table(values: bytes) -> NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(values)] = True
    return table


_SIMPLE_ESCAPE = _table(b'"\\/bfnrt')
_HEX = _table(b"0123456789abcdefABCDEF")
_HIGH_SURROGATE, _LOW_SURROGATE = _table(b"89abAB"), _table(b"cdefCDEF")


@dataclass(frozen=True, slots=True)
class Screened:
    """What is proved about the lines of a block.

    Attributes
    ----------
    carried
        `Carried` of each line that is proved good, else 0, shape ``(lines,)``.
    fingerprints
        Of the sources of the good lines, as they are written, in their order.
    """

    carried: NDArray[np.uint8]
    fingerprints: NDArray[np.uint64]


class Screen:
    """Proves lines of one manifest; it learns how they are made as it goes."""

    def __init__(self, rules: LineRules) -> None:
        self._rules = rules
        self._templates: list[Template] = []

    def __call__(self, block: Block) -> Screened:
        """Prove what can be proved about a block's lines."""
        escapes = _escapes(block)
        layout = _layout(block, escapes)
        doubt = block.ends - block.starts > self._rules.longest_certain
        doubt[block.line_of(block.stray)] = True
        doubt[block.line_of(_bad_escapes(layout.words.bytes, escapes))] = True
        doubt[_not_utf8(block)] = True
        carried = np.zeros(len(doubt), np.uint8)
        start, length = np.zeros_like(block.starts), np.zeros_like(block.starts)
        for template, lines in self._sort(block, layout, np.flatnonzero(~doubt)):
            carried[lines] = template.carried
            start[lines], length[lines] = template.sources(layout, lines)
        if self._rules.kind is not TaskKind.TEXT_CLASSIFICATION:
            carried[length == 0] = 0  # an empty reference; an empty text is an object
        good = np.flatnonzero(carried)
        return Screened(carried, fingerprints(layout.words, start[good], length[good]))

    def _sort(self, block: Block, layout: Layout, lines: NDArray[np.int64]) -> list[tuple[Template, NDArray[np.int64]]]:
        """Sort lines by the template they are made like; new templates are learned from what is left."""
        found = []
        for template in self._templates:
            fits = template.match(layout, lines)
            found.append((template, lines[fits]))
            lines = lines[~fits]
        for _ in range(_TRIES):
            learned = learn(block.line(int(lines[0])), self._rules) if lines.size else None
            if learned is not None:
                fits = learned.match(layout, lines)
                found.append((learned, lines[fits]))
                lines = lines[~fits]
            else:
                lines = lines[1:]
        found.sort(key=lambda pair: -pair[1].size)
        self._templates = [template for template, _ in found[:_MOST_TEMPLATES]]
        return found


def _layout(block: Block, escaped: NDArray[np.int64]) -> Layout:
    words = Words(block.text)
    is_quote = words.bytes[: block.size] == _QUOTE
    is_quote[escaped] = False
    quotes = np.flatnonzero(is_quote)
    first = np.zeros(len(block.ends) + 1, np.int64)
    first[1:] = _places(quotes, block.ends)
    return Layout(words, block.starts, block.ends, quotes, first)


def _places(quotes: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many quotes stand before each line's end."""
    each, rest = divmod(len(quotes), len(ends))
    if each and not rest and (quotes[each - 1 :: each] < ends).all() and (quotes[each::each] > ends[:-1]).all():
        return np.arange(each, len(quotes) + 1, each)  # as many on every line: no need to search
    return np.searchsorted(quotes, ends)


def _escapes(block: Block) -> NDArray[np.int64]:
    """Return the positions of the characters that a backslash escapes."""
    if block.text.find(b"\\", 0, block.size) < 0:
        return np.empty(0, np.int64)
    backslashes = np.flatnonzero(np.frombuffer(block.text, np.uint8, block.size) == _BACKSLASH)
    opens_run = np.diff(backslashes, prepend=-2) != 1
    run_starts = np.flatnonzero(opens_run)
    place = np.arange(len(backslashes)) - run_starts[np.cumsum(opens_run) - 1]
    # In a run of backslashes every other one, from the first, escapes what follows it. A line feed ends each line,
    # so the block does not end with a backslash.
    escaped: NDArray[np.int64] = backslashes[place % 2 == 0] + 1
    return escaped


def _bad_escapes(buffer: NDArray[np.uint8], escaped: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of escaped characters that JSON does not know, and of halves of surrogate pairs."""
    kind = buffer[escaped]
    is_unicode = kind == _U
    unicode = escaped[is_unicode]
    if not unicode.size:
        return escaped[~_SIMPLE_ESCAPE[kind]]
    digits = [buffer[unicode + place] for place in range(1, 5)]
    is_hex = np.logical_and.reduce([_HEX[digit] for digit in digits])
    surrogate = (digits[0] | 0x20) == ord("d")
    high = unicode[surrogate & _HIGH_SURROGATE[digits[1]]]
    low = unicode[surrogate & _LOW_SURROGATE[digits[1]]]
    # A low half stands six bytes behind its high one. Six bytes on is still the same line, for it ends with `"}`.
    alone = np.setxor1d(high + 6, low, assume_unique=True)
    return np.concatenate([escaped[~(_SIMPLE_ESCAPE[kind] | is_unicode)], unicode[~is_hex], alone])


def _not_utf8(block: Block) -> list[int]:
    """Return the numbers of lines that are not UTF-8."""
    view = memoryview(block.text)
    if _is_utf8(view[: block.size]):
        return []
    return [number for number in range(len(block.starts)) if not _is_utf8(view[block.span(number)])]


def _is_utf8(text: memoryview) -> bool:
    if not text or np.frombuffer(text, np.uint8).max() < 0x80:
        return True
    try:
        str(text, "utf-8")
    except UnicodeDecodeError:
        return False
    return True

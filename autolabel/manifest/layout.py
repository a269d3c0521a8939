"""Where the lines of a block and their strings stand, and which lines hold bytes that no good line has.

All of it is found by looking at the whole block at once; nothing here knows what a line means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.manifest.words import Words

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEWLINE, _RETURN, _QUOTE, _BACKSLASH, _U = b'\n\r"\\u'

_FEW = 16
"""Up to one byte in so many is picked out when UTF-8 is checked; of more the whole text is decoded."""


def _table(values: bytes) -> NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(values)] = True
    return table


_SIMPLE_ESCAPE = _table(b'"\\/bfnrt')
_HEX = _table(b"0123456789abcdefABCDEF")
_HIGH_SURROGATE, _LOW_SURROGATE = _table(b"89abAB"), _table(b"cdefCDEF")


@dataclass(frozen=True, slots=True)
class Layout:
    """What can be seen of the L lines of a block without reading them.

    Attributes
    ----------
    words
        The block's bytes.
    starts, ends
        Of each line, without newline and carriage return, shape ``(L,)``.
    quotes
        Every quote that is not escaped.
    first
        Place in `quotes` of each line's first one, shape ``(L,)``.
    count
        How many of them each line has, shape ``(L,)``.
    spoiled
        Lines with a control character that does not end them, an escape that JSON does not know, half a surrogate
        pair, or bytes that are not UTF-8, shape ``(L,)``.
    """

    words: Words
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    quotes: NDArray[np.int64]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    spoiled: NDArray[np.bool_]


def layout_of(text: bytearray, size: int) -> Layout:
    """Look at the first `size` bytes of a text: whole lines, each with its newline."""
    words = Words(text)
    starts, ends, stray = _lines(words.bytes, size)
    escaped = _escaped(text, size)
    is_quote = words.bytes[:size] == _QUOTE
    is_quote[escaped] = False
    quotes = np.flatnonzero(is_quote)
    behind = _places(quotes, ends)
    first = np.empty_like(behind)
    first[0], first[1:] = 0, behind[:-1]
    spoiled = np.zeros(len(starts), np.bool_)
    for positions in (stray, _bad_escapes(words.bytes, escaped)):
        spoiled[np.searchsorted(starts, positions, side="right") - 1] = True
    spoiled[_not_utf8(text, size, starts, ends)] = True
    return Layout(words, starts, ends, quotes, first, behind - first, spoiled)


def _lines(view: NDArray[np.uint8], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return starts and ends of lines, and the positions of control characters that end no line."""
    controls = np.flatnonzero(view[:size] < ord(" "))
    is_newline = view[controls] == _NEWLINE
    newlines = controls if is_newline.all() else controls[is_newline]
    starts = np.empty_like(newlines)
    starts[0] = 0
    starts[1:] = newlines[:-1] + 1
    if len(newlines) == len(controls):
        return starts, newlines, newlines[:0]
    ends = newlines - ((view[newlines - 1] == _RETURN) & (newlines > starts))
    is_return = (view[controls] == _RETURN) & (view[controls + 1] == _NEWLINE)
    return starts, ends, controls[~(is_newline | is_return)]


def _places(quotes: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many quotes stand before each line's end."""
    each, rest = divmod(len(quotes), len(ends))
    if each and not rest and (quotes[each - 1 :: each] < ends).all() and (quotes[each::each] > ends[:-1]).all():
        return np.arange(each, len(quotes) + 1, each)  # as many on every line: no need to search
    return np.searchsorted(quotes, ends)


def _escaped(text: bytearray, size: int) -> NDArray[np.int64]:
    """Return the positions of the characters that a backslash escapes."""
    if text.find(b"\\", 0, size) < 0:
        return np.empty(0, np.int64)
    backslashes = np.flatnonzero(np.frombuffer(text, np.uint8, size) == _BACKSLASH)
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


def _not_utf8(text: bytearray, size: int, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> list[int]:
    """Return the numbers of lines that are not UTF-8."""
    view = memoryview(text)
    if _is_utf8(view[:size]):
        return []
    spans = enumerate(zip(starts.tolist(), ends.tolist(), strict=True))
    return [number for number, (start, end) in spans if not _is_utf8(view[start:end])]


def _is_utf8(text: memoryview) -> bool:
    """Decode what is not ASCII, and nothing else where that is little."""
    values = np.frombuffer(text, np.uint8) if text else np.empty(0, np.uint8)
    if not values.size or values.max() < 0x80:
        return True
    high = np.flatnonzero(values >= 0x80)
    return _decodes(_runs(values, high) if high.size < values.size // _FEW else text)


def _runs(values: NDArray[np.uint8], high: NDArray[np.int64]) -> memoryview:
    """Return the bytes at `high`, each run of neighbours behind a space: UTF-8 if the whole text is."""
    opens_run = np.diff(high, prepend=-2) != 1
    runs = np.full(len(high) + int(opens_run.sum()), ord(" "), np.uint8)
    runs[np.arange(len(high)) + np.cumsum(opens_run)] = values[high]
    return runs.data


def _decodes(text: memoryview) -> bool:
    try:
        str(text, "utf-8")
    except UnicodeDecodeError:
        return False
    return True

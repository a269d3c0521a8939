"""Bytes seen eight at a time: how spans of a buffer are compared without a Python loop."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOW = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
"""Mask of a word's first 0 to 8 bytes."""

_AT_ONCE = 64
"""Bytes of a text that are loaded in one go."""

BEHIND = 24
"""Bytes that a buffer needs behind its last span."""

_ODD = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_LONGEST_NUMBER = 20

_HIGH = np.uint64(0x8080808080808080)
_SEVEN = np.uint64(0x7F7F7F7F7F7F7F7F)
_CARRY = np.uint64(0x7676767676767676)
_ZEROS = np.uint64(0x3030303030303030)
_DOTS = np.uint64(0x2E2E2E2E2E2E2E2E)
_DOT_TO_ZERO = np.uint64(ord(".") ^ ord("0"))
_TRUE, _FALSE = (np.uint64(int.from_bytes(text, "little")) for text in (b"true", b"false"))
_DOT_IS_SECOND = np.uint64(0x8000)


class Words:
    """Little-endian words at every byte of `buffer`, which must go on `BEHIND` bytes behind the last span."""

    def __init__(self, buffer: bytes | bytearray) -> None:
        self.bytes = np.frombuffer(buffer, np.uint8)
        self._buffer = buffer
        self._views: dict[int, NDArray[np.void]] = {}

    def load(self, position: NDArray[np.int64], count: int) -> NDArray[np.uint64]:
        """Load `count` words from each position on, shape ``(n, count)``; several cost hardly more than one."""
        view = self._views.get(count)
        if view is None:
            size = 8 * count
            view = np.ndarray((len(self._buffer) - size + 1,), f"V{size}", self._buffer, strides=(1,))
            self._views[count] = view
        return view[position].view("<u8").reshape(-1, count)

    def span(self, position: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Load up to 8 bytes of spans of the given lengths; the bytes behind a shorter span are zero."""
        return _first_bytes(self.load(position, 1)[:, 0], length)

    def equal(self, position: NDArray[np.int64], text: bytes) -> NDArray[np.bool_]:
        """Tell where `text` stands at `position`."""
        result = np.ones(len(position), np.bool_)
        for offset in range(0, len(text), _AT_ONCE):
            wanted = _words_of(text[offset : offset + _AT_ONCE])
            found = self.load(position + offset if offset else position, len(wanted))
            for column, (mask, word) in enumerate(wanted):
                result &= (found[:, column] if mask is None else found[:, column] & mask) == word
        return result


@lru_cache(maxsize=1024)
def _words_of(text: bytes) -> tuple[tuple[np.uint64 | None, np.uint64], ...]:
    """Return the words of a text, each with the mask of its bytes if it has less than eight."""
    parts = [text[begin : begin + 8] for begin in range(0, len(text), 8)]
    return tuple(
        (None if len(part) == 8 else _LOW[len(part)], np.uint64(int.from_bytes(part, "little"))) for part in parts
    )


def fingerprints(words: Words, start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Summarise texts by their length, first word, middle word and last 24 bytes.

    Equal texts have equal fingerprints; of those with equal ones the whole has to be compared.
    """
    middle = length >> 1
    result = _mix(length.astype(np.uint64), words.span(start, length))
    result = _mix(result, words.span(start + middle, length - middle))
    last = np.minimum(length, 24)
    found = words.load(start + length - last, 3)
    for column in range(3):
        result = _mix(result, _first_bytes(found[:, column], last - 8 * column))
    return result


def _first_bytes(word: NDArray[np.uint64], length: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Keep the first bytes of each word, none where `length` is below 1, all from 8 on."""
    kept: NDArray[np.uint64] = word & _LOW.take(length, mode="clip")
    return kept


def _mix(state: NDArray[np.uint64], word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed: NDArray[np.uint64] = (state ^ (state >> _SHIFT)) * _ODD + word
    return mixed


def are_scalars(words: Words, start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which spans are a boolean or a number without exponent of at most 20 bytes: none of those overflows."""
    length = end - start
    word = words.span(start, length)
    good = _are_short_integers(word, length)
    if good.all():
        return good
    good |= _are_booleans(word, length)
    rest = np.flatnonzero(~good)
    if rest.size:
        good[rest] = _are_short_decimals(word[rest], length[rest])
        rest = rest[(length[rest] > 8) & (length[rest] <= _LONGEST_NUMBER)]
    if rest.size:
        good[rest] = _follow_the_grammar(words.bytes, start[rest], length[rest])
    return good


def _are_booleans(word: NDArray[np.uint64], length: NDArray[np.int64]) -> NDArray[np.bool_]:
    is_boolean: NDArray[np.bool_] = ((word == _TRUE) & (length == 4)) | ((word == _FALSE) & (length == 5))
    return is_boolean


def _are_short_integers(word: NDArray[np.uint64], length: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which spans are 1 to 8 digits without a leading zero, most numbers by far."""
    short = _are_digits(word, length)
    short &= ((word & _LOW[1]) != ord("0")) | (length == 1)
    short &= (length > 0) & (length <= 8)
    return short


def _are_short_decimals(word: NDArray[np.uint64], length: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which spans are 1 to 8 bytes of digits with at most a sign in front and a dot between them."""
    short = length <= 8
    is_negative = (word & _LOW[1]) == ord("-")
    word, length = word >> (is_negative.astype(np.uint64) << np.uint64(3)), length - is_negative
    other = word ^ _DOTS
    dots = ~(((other & _SEVEN) + _SEVEN) | other | _SEVEN)  # the highest bit of each byte that is a dot
    behind_first = ~_LOW[1] & _LOW.take(length - 1, mode="clip")  # and in front of the last
    short &= (dots & (dots - np.uint64(1)) == 0) & (dots & ~behind_first == 0)
    short &= _are_digits(word ^ (dots >> np.uint64(7)) * _DOT_TO_ZERO, length)
    short &= ((word & _LOW[1]) != ord("0")) | (length == 1) | (dots == _DOT_IS_SECOND)
    short &= length > 0
    return short


def _are_digits(word: NDArray[np.uint64], length: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which words are digits and nothing else in their first `length` bytes, the others being zero."""
    digits = word ^ (_ZEROS & _LOW.take(length, mode="clip"))
    # Adding 0x76 carries every byte from 10 on into its highest bit.
    are_digits: NDArray[np.bool_] = (((digits + _CARRY) | digits) & _HIGH) == 0
    return are_digits


def _follow_the_grammar(
    buffer: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell which spans of 1 to 20 bytes are digits with at most a sign in front and a dot between them."""
    column = np.arange(int(length.max()) + 2)  # two behind the longest, for what may follow a sign
    inside = column < length[:, None]
    byte = np.where(inside, buffer[start[:, None] + column], 0)
    is_digit, is_dot = (byte - np.uint8(ord("0"))) < 10, byte == ord(".")
    row, first = np.arange(len(byte)), (byte[:, 0] == ord("-")).astype(np.int64)
    is_sign = column < first[:, None]
    good: NDArray[np.bool_] = (is_digit | is_dot | is_sign | ~inside).all(axis=1)
    good &= is_dot.sum(axis=1) <= 1
    good &= is_digit[row, first] & is_digit[row, length - 1]
    good &= (byte[row, first] != ord("0")) | ~is_digit[row, first + 1]
    return good

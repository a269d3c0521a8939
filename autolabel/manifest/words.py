"""Bytes seen eight at a time: how spans of a buffer are compared without a Python loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOW = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
"""Mask of a word's first 0 to 8 bytes."""

_ODD = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_LONGEST_NUMBER = 20

_HIGH = np.uint64(0x8080808080808080)
_CARRY = np.uint64(0x7676767676767676)
_ZEROS = np.uint64(0x3030303030303030)


class Words:
    """Little-endian words at every byte of `buffer`, which must go on 7 bytes behind the last span."""

    def __init__(self, buffer: bytes | bytearray) -> None:
        self.bytes = np.frombuffer(buffer, np.uint8)
        self._words = np.ndarray((len(buffer) - 7,), "<u8", buffer, strides=(1,))

    def span(self, position: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Load up to 8 bytes of spans of the given lengths; the bytes behind a shorter span are zero."""
        word: NDArray[np.uint64] = self._words[position] & _LOW.take(length, mode="clip")
        return word

    def equal(self, position: NDArray[np.int64], text: bytes) -> NDArray[np.bool_]:
        """Tell where `text` stands at `position`."""
        result = np.ones(len(position), np.bool_)
        for offset in range(0, len(text), 8):
            part = text[offset : offset + 8]
            word = self._words[position + offset] if offset else self._words[position]
            if len(part) < 8:
                word = word & _LOW[len(part)]
            result &= word == np.uint64(int.from_bytes(part, "little"))
        return result


def fingerprints(words: Words, start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Summarise texts by their length, first word, middle word and last 24 bytes.

    Equal texts have equal fingerprints; of those with equal ones the whole has to be compared.
    """
    end = start + length
    result = _mix(length.astype(np.uint64), words.span(start, length))
    for position in (start + (length >> 1), end - 8, end - 16, end - 24):
        inside = np.maximum(position, start)
        result = _mix(result, words.span(inside, end - inside))
    return result


def _mix(state: NDArray[np.uint64], word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed: NDArray[np.uint64] = (state ^ (state >> _SHIFT)) * _ODD + word
    return mixed


def are_plain_numbers(words: Words, start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which spans are a JSON number without exponent of at most 20 bytes: none of those overflows."""
    length = end - start
    good = _are_short_integers(words.span(start, length), length)
    rest = np.flatnonzero(~good & (length > 0) & (length <= _LONGEST_NUMBER))
    if rest.size:
        good[rest] = _follow_the_grammar(words.bytes, start[rest], length[rest])
    return good


def _are_short_integers(word: NDArray[np.uint64], length: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which spans are 1 to 8 digits without a leading zero, most numbers by far."""
    digits = word ^ (_ZEROS & _LOW.take(length, mode="clip"))
    # Adding 0x76 carries every byte from 10 on into its highest bit.
    short: NDArray[np.bool_] = (((digits + _CARRY) | digits) & _HIGH) == 0
    short &= ((digits & _LOW[1]) != 0) | (length == 1)
    short &= length <= 8
    return short


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

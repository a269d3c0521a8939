"""What equally made lines have in common, learned from one line that was read strictly.

Manifests are written by programs, so most lines differ only in the text of some strings, in some numbers and in some
booleans, which are scalars here. A template holds everything else: punctuation, white space, keys, and those strings
that decide what a line means. A line that has all of it in the same places has the same keys, the same nesting and the
same kinds of values as the line read; only a number may stand for a boolean, which no rule for lines tells apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.manifest.carried import Carried
from autolabel.manifest.fault import LineError
from autolabel.manifest.strict import read_line
from autolabel.manifest.words import are_scalars

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.manifest.layout import Layout
    from autolabel.manifest.strict import LineRules

LONGEST = 8192
"""Bytes of a line that a template may be learned from."""

_MOST_PIECES = 64

_TOKEN = re.compile(
    rb'(?P<string>"(?:[^"\\]|\\.)*")(?P<key>[ \t\r]*:)?'
    rb"|(?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    rb"|(?P<boolean>true|false)"
    rb'|null|[^"0-9a-z-]+'
)

_DECISIVE = re.compile(rb'"(?:human-annotated|type)"[ \t\r]*:[ \t\r]*\Z')
"""Keys whose values decide what a label's metadata mean."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text that every line of the template has."""

    text: bytes
    quote: int | None
    """The line's quote that the piece is found by; ``None``: it begins the line, or ends it after a scalar."""
    offset: int
    """Bytes of the piece before that quote."""
    after_scalar: bool


@dataclass(frozen=True, slots=True)
class Template:
    """One way in which lines are made.

    Attributes
    ----------
    carried
        What its lines hold under the label attribute.
    """

    pieces: tuple[_Piece, ...]
    quotes: int
    source: int
    """The line's quote that opens the source."""
    carried: Carried

    def match(self, layout: Layout, lines: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which of `lines` are made like this, if their strings hold nothing that is not allowed.

        Counting quotes ties pieces to places: a piece has no escape in it, so its quotes are consecutive ones of the
        line, and what stands between two pieces is the inside of one string or one scalar.
        """
        left = np.flatnonzero(layout.count[lines] == self.quotes)
        left = left[self._end_alike(layout, lines[left])]
        left = left[self._are_alike(layout, lines[left])]
        fits = np.zeros(len(lines), np.bool_)
        fits[left] = True
        return fits

    def _end_alike(self, layout: Layout, lines: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which lines have the last piece: the cheapest way to tell templates apart."""
        last = self.pieces[-1]
        return layout.words.equal(layout.ends[lines] - len(last.text), last.text)

    def _are_alike(self, layout: Layout, lines: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which lines, all with the right number of quotes and the right end, have every piece in its place."""
        first, start, end = layout.first[lines], layout.starts[lines], layout.ends[lines]
        fits = np.ones(len(lines), np.bool_)
        before, reached = 0, start  # where the piece before begins, and its length
        for piece in self.pieces:
            if piece.quote is not None:
                at = layout.quotes[first + piece.quote]
                if piece.offset:
                    at -= piece.offset
            else:
                at = end - len(piece.text) if piece.after_scalar else start
            if piece is not self.pieces[-1]:  # the end was compared before
                fits &= layout.words.equal(at, piece.text)
            if piece.after_scalar:
                fits &= are_scalars(layout.words, reached + before, at)
            reached, before = at, len(piece.text)
        fits &= reached + before == end
        return fits

    def sources(self, layout: Layout, lines: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return first byte and length of the source of lines that match."""
        quote = layout.first[lines] + self.source
        start = layout.quotes[quote] + 1
        return start, layout.quotes[quote + 1] - start


def learn(line: bytes, rules: LineRules) -> Template | None:
    """Read a line strictly and make a template of it; ``None`` when it is bad or too special."""
    if len(line) > LONGEST:
        return None
    try:
        carried = read_line(line, rules).carried
    except LineError:
        return None
    if carried is Carried.LABEL and b'"class-map"' in line:
        return None  # whether its classes are in it is a question to each line
    return _Drawing(line, rules.source_key.encode()).template(carried)


class _Drawing:
    """Takes a good line apart."""

    def __init__(self, line: bytes, source_key: bytes) -> None:
        self._source_key = b'"%b"' % source_key
        self._text = b""
        self._first_quote: int | None = None
        self._after_scalar = False
        self._quotes = 0
        self._pieces: list[_Piece] = []
        self._sources: list[int] = []
        self._possible = all(self._add(token) for token in _TOKEN.finditer(line)) and self._end_piece(last=True)

    def template(self, carried: Carried) -> Template | None:
        """Return the template, or ``None`` when the line cannot be told from others by it."""
        if not self._possible or len(self._sources) != 1 or len(self._pieces) > _MOST_PIECES:
            return None
        return Template(tuple(self._pieces), self._quotes, self._sources[0], carried)

    def _add(self, token: re.Match[bytes]) -> bool:
        """Add one token; ``False`` when no template can hold it."""
        string = token["string"]
        if string is None:
            # A second boolean without a string between them stays text, so that `[true,false]` has a place.
            if token["number"] is not None or (token["boolean"] is not None and self._first_quote is not None):
                return self._begin_piece_after_scalar()
            self._text += token[0]
            return True
        if token["key"] is None and not _DECISIVE.search(self._text):
            self._add_free_string()
            return True
        self._note_quote()
        self._text += token[0]
        self._quotes += 2
        if token["key"] is not None and string == self._source_key:
            self._sources.append(self._quotes)
        return b"\\" not in string

    def _add_free_string(self) -> None:
        """End a piece with the opening quote and begin the next with the closing one."""
        self._note_quote()
        self._text += b'"'
        self._end_piece(last=False)
        self._text, self._first_quote, self._after_scalar = b'"', self._quotes + 1, False
        self._quotes += 2

    def _begin_piece_after_scalar(self) -> bool:
        possible = self._end_piece(last=False)
        self._text, self._first_quote, self._after_scalar = b"", None, True
        return possible

    def _note_quote(self) -> None:
        if self._first_quote is None:
            self._first_quote = self._quotes

    def _end_piece(self, *, last: bool) -> bool:
        """Store the piece; ``False`` when nothing says where it stands: between two scalars without a string."""
        begins_line = not self._pieces
        quote = None if begins_line else self._first_quote
        offset = 0 if quote is None else self._text.index(b'"')
        self._pieces.append(_Piece(self._text, quote, offset, self._after_scalar))
        return begins_line or quote is not None or last

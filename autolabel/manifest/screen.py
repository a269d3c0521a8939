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
from autolabel.manifest.template import learn
from autolabel.manifest.words import fingerprints

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.manifest.blocks import Block
    from autolabel.manifest.strict import LineRules
    from autolabel.manifest.template import Template

_MOST_TEMPLATES = 16
_TRIES = 4
"""Lines of a block that may be tried for a new template."""


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
        layout = block.layout
        doubt = layout.spoiled | (layout.ends - layout.starts > self._rules.longest_certain)
        carried = np.zeros(len(doubt), np.uint8)
        start, length = np.zeros_like(layout.starts), np.zeros_like(layout.starts)
        for template, lines in self._sort(block, np.flatnonzero(~doubt)):
            carried[lines] = template.carried
            start[lines], length[lines] = template.sources(layout, lines)
        if self._rules.kind is not TaskKind.TEXT_CLASSIFICATION:
            carried[length == 0] = 0  # an empty reference; an empty text is an object
        good = np.flatnonzero(carried)
        return Screened(carried, fingerprints(layout.words, start[good], length[good]))

    def _sort(self, block: Block, lines: NDArray[np.int64]) -> list[tuple[Template, NDArray[np.int64]]]:
        """Sort lines by the template they are made like; new templates are learned from what is left."""
        found = []
        for template in self._templates:
            fits = template.match(block.layout, lines)
            found.append((template, lines[fits]))
            lines = lines[~fits]
        for _ in range(_TRIES):
            learned = learn(block.line(int(lines[0])), self._rules) if lines.size else None
            if learned is not None:
                fits = learned.match(block.layout, lines)
                found.append((learned, lines[fits]))
                lines = lines[~fits]
            else:
                lines = lines[1:]
        found.sort(key=lambda pair: -pair[1].size)
        self._templates = [template for template, _ in found[:_MOST_TEMPLATES]]
        return found

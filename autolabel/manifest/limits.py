"""How large a manifest may be; the defaults are Ground Truth's input data limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autolabel.api.kinds import TaskKind

if TYPE_CHECKING:
    from typing import Final

DEEPEST: Final = 64
"""Nesting of a line's values, the line's own object included."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one manifest, from Ground Truth's "Input Data Quotas" page.

    Attributes
    ----------
    max_objects
        Non-blank lines; ``None`` means the task type's own: 100,000, or 20,000 for semantic segmentation.
    max_bytes
        Size of the file; ``None`` leaves it to the other bounds.
    max_line_chars
        Characters of one line.
    max_attribute_chars
        Characters of one attribute: of a string itself, of any other value as it is written.
    max_bad_share
        Share of bad lines, in [0, 1), above which no job starts; a manifest without a good line never starts one.
    """

    max_objects: int | None = None
    max_bytes: int | None = None
    max_line_chars: int = 100_000
    max_attribute_chars: int = 20_000
    max_bad_share: float = 0.5

    def objects_of(self, kind: TaskKind) -> int:
        """Return the most objects that a manifest of this task type may have."""
        if self.max_objects is not None:
            return self.max_objects
        return 20_000 if kind is TaskKind.SEMANTIC_SEGMENTATION else 100_000


DEFAULT_LIMITS: Final = Limits()

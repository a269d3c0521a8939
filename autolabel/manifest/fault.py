"""What is wrong with one line of a manifest, in the codes that Rekognition publishes for this format."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from autolabel.errors import ObjectError


class LineCode(StrEnum):
    """Why a line is bad."""

    INVALID_JSON_LINE = "INVALID_JSON_LINE"
    """Not UTF-8, not one JSON object of the allowed form, or too long."""
    MISSING_SOURCE_REF = "MISSING_SOURCE_REF"
    """No `source` or `source-ref`, whichever the task type reads."""
    INVALID_SOURCE_REF_FORMAT = "INVALID_SOURCE_REF_FORMAT"
    """The source is not a string, or a reference is empty or too long."""
    INVALID_LABEL_ATTRIBUTE_FORMAT = "INVALID_LABEL_ATTRIBUTE_FORMAT"
    """The label that came with the line is ``null`` or not of its task's form."""
    INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT = "INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"
    """The metadata of the label that came with the line is not what Ground Truth writes."""
    MISSING_CLASS_MAP_ID = "MISSING_CLASS_MAP_ID"
    """The label that came with the line uses a class that its own class-map lacks."""
    INVALID_BOUNDING_BOX = "INVALID_BOUNDING_BOX"
    """A box that came with the line is not inside its image."""
    BOUNDING_BOX_TOO_SMALL = "BOUNDING_BOX_TOO_SMALL"
    """A box that came with the line is empty."""
    MISSING_BOUNDING_BOX_CONFIDENCE = "MISSING_BOUNDING_BOX_CONFIDENCE"
    """The boxes that came with the line and their confidences are not equally many."""


class LineError(ObjectError):
    """A line that no task can be made of.

    Attributes
    ----------
    found, expected
        The two halves of the message.
    """

    def __init__(self, code: LineCode, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(code, f"found {found}; expected {expected}")


@dataclass(frozen=True, slots=True)
class BadLine:
    """One object that fails because of its line; the job goes on without it."""

    object: int
    """0-based number of the object: AWS's ``datasetObjectId``."""
    line: int
    """1-based physical line of the file."""
    code: LineCode
    found: str
    expected: str

    @property
    def message(self) -> str:
        """One sentence: where, what was found, what was expected."""
        return f"line {self.line}: found {self.found}; expected {self.expected}"


def shown(value: object) -> str:
    """Show a value on a terminal safely, in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

"""The four task types of automated data labeling."""

from __future__ import annotations

from enum import StrEnum


class TaskKind(StrEnum):
    """A task type; the value is the algorithm's name in its ARN and in a line's ``groundtruth/<value>``."""

    IMAGE_CLASSIFICATION = "image-classification"
    TEXT_CLASSIFICATION = "text-classification"
    OBJECT_DETECTION = "object-detection"
    SEMANTIC_SEGMENTATION = "semantic-segmentation"

    @property
    def source_key(self) -> str:
        """The manifest key that holds the object: ``source`` for text, else ``source-ref``."""
        return "source" if self is TaskKind.TEXT_CLASSIFICATION else "source-ref"

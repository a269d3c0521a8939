"""Boxes that came with the manifest: whether they are inside their image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autolabel.manifest.fault import LineCode, LineError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROUNDING = 1e-6
"""Pixels: averages of workers' boxes are written in decimals."""


def check_boxes(value: Any, metadata: Mapping[str, Any]) -> None:
    """Check a prior label of object detection: ``{"annotations": [box, ...], "image_size": [size]}``.

    Raises
    ------
    LineError
        It does not have that form; a box is negative, empty or reaches over the image's edge; the metadata's
        ``objects`` are not as many as the boxes.
    """
    match value:
        case {"annotations": [*boxes], "image_size": [{"width": int() as width, "height": int() as height}]}:
            pass
        case _:
            raise LineError(
                LineCode.INVALID_LABEL_ATTRIBUTE_FORMAT, shown(value), "an object with annotations and image_size"
            )
    for box in boxes:
        _check_box(box, width, height)
    objects = metadata.get("objects")
    count = len(objects) if isinstance(objects, list) else 0
    if count != len(boxes):
        found = f"{len(boxes)} boxes and {count} objects in the metadata"
        raise LineError(LineCode.MISSING_BOUNDING_BOX_CONFIDENCE, found, "one confidence a box")


def _check_box(box: Any, image_width: int, image_height: int) -> None:
    sides = [box.get(key) for key in ("left", "top", "width", "height")] if isinstance(box, dict) else []
    numbers = [side for side in sides if isinstance(side, int | float) and not isinstance(side, bool)]
    if len(numbers) < 4:
        raise _invalid(box, "an object with the numbers left, top, width and height")
    left, top, width, height = numbers
    if width == 0 or height == 0:
        raise LineError(LineCode.BOUNDING_BOX_TOO_SMALL, f"the box {shown(box)}", "a width and height above 0")
    right, bottom = left + width - _ROUNDING, top + height - _ROUNDING
    if min(left, top, width, height) < 0 or right > image_width or bottom > image_height:
        raise _invalid(box, f"a box inside the image of {image_width} x {image_height} pixels")


def _invalid(box: Any, expected: str) -> LineError:
    return LineError(LineCode.INVALID_BOUNDING_BOX, f"the box {shown(box)}", expected)

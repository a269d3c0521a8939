"""Small pictures for reports and pages."""

from __future__ import annotations

import io

from autolabel.errors import ObjectError
from autolabel.inference.images import BROKEN, INVALID_IMAGE, on_white, open_image, orientation_of, plain, upright


def thumbnail(raw: bytes, side: int) -> bytes:
    """Return an upright JPEG, at most `side` pixels a side, no metadata; `ObjectError` for a broken picture."""
    image = open_image(raw)
    try:
        image.draft(None, (side, side))
        image.load()
        small = plain(image)
        small.thumbnail((side, side))
        small = upright(on_white(small), orientation_of(image.info.get("exif", b"")))
    except (*BROKEN, Warning) as error:
        raise ObjectError(INVALID_IMAGE, f"cannot be decoded: {error}") from error
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    return file.getvalue()

"""Small pictures for reports and pages."""

from __future__ import annotations

import io

import numpy as np

from autolabel.inference.images import decode, upright


def thumbnail(raw: bytes, side: int) -> bytes:
    """Return an upright JPEG, at most `side` pixels a side, no metadata; `ObjectError` for a broken picture."""
    from PIL import Image

    picture = decode(raw, side)
    small = Image.fromarray(picture.pixels)
    small.thumbnail((side, side))
    file = io.BytesIO()
    Image.fromarray(upright(np.asarray(small), picture.orientation)).save(file, "JPEG", quality=80)
    return file.getvalue()

"""The gate that every text passes before it is encoded."""

from __future__ import annotations

from autolabel.errors import ObjectError


def checked_text(raw: bytes | str) -> str:
    """Return the text of an object that has any.

    Parameters
    ----------
    raw
        A ``str``, or its UTF-8 bytes.

    Raises
    ------
    ObjectError
        ``EMPTY_TEXT`` for nothing but white space and control characters, ``INVALID_TEXT`` for bytes that are
        not UTF-8 and for lone surrogates, which no tokenizer takes.
    """
    if isinstance(raw, bytes):
        try:
            raw = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ObjectError("INVALID_TEXT", f"byte {error.start} is not UTF-8; save the text as UTF-8") from error
    try:
        raw.encode()
    except UnicodeEncodeError as error:
        raise ObjectError(
            "INVALID_TEXT", f"character {error.start} is half of a surrogate pair; it means nothing"
        ) from error
    if not any(character.isprintable() and not character.isspace() for character in raw):
        raise ObjectError("EMPTY_TEXT", f"{len(raw)} characters and none of them visible; there is nothing to label")
    return raw

"""The gate of texts (catalogue S16): what has nothing visible cannot be labeled, everything else can."""

from __future__ import annotations

import pytest

from autolabel.errors import ObjectError
from autolabel.inference.text import checked_text


@pytest.mark.parametrize(
    "text", ["", "   ", "\n\t\r ", "\u3000\u00a0", "\u200b\u200d\ufeff", "\x00\x01", "\u202e", b"", b"  "]
)
def test_a_text_without_anything_visible_fails(text):
    with pytest.raises(ObjectError) as caught:
        checked_text(text)
    assert caught.value.code == "EMPTY_TEXT"


@pytest.mark.parametrize(("text", "reason"), [(b"caf\xe9", "byte 3 is not UTF-8"), ("ab\ud800", "character 2 is half")])
def test_what_is_not_unicode_fails(text, reason):
    with pytest.raises(ObjectError, match=reason) as caught:
        checked_text(text)
    assert caught.value.code == "INVALID_TEXT"


@pytest.mark.parametrize(
    "text",
    ["a", "😀", "<script>alert(1)</script>", "{{7*7}}", "\x1b[31mred", "=cmd|x", "x\u202etxt", "word " * 200_000],
)
def test_any_other_text_passes_unchanged(text):
    assert checked_text(text) == text
    assert checked_text(text.encode()) == text


def test_a_byte_order_mark_is_no_text():
    assert checked_text(b"\xef\xbb\xbfhello") == "hello"

"""The regular expressions of AWS's service models, which are Java's, matched with Python's `re`."""

from __future__ import annotations

import re
import unicodedata

_TOKEN = re.compile(r"\\p\{(?P<category>\w+)\}|\\.|[\[\].]")
_ANY_BUT_LINE_ENDS = r"[^\n\r\u0085\u2028\u2029]"


def matches(pattern: str, value: str) -> bool:
    r"""Tell whether the whole of `value` matches a Java `pattern`.

    Python's `re` differs in three things that occur: it knows no ``\p{L}``, its ``.`` stops at ``\n`` only,
    and its ``\d`` takes every script's digits.
    """
    return re.fullmatch(_in_python(pattern, value), value, re.ASCII) is not None


def _in_python(pattern: str, value: str) -> str:
    inside_class = False

    def translate(token: re.Match[str]) -> str:
        nonlocal inside_class
        text = token[0]
        if text in "[]":
            inside_class = text == "["
        elif text == "." and not inside_class:
            return _ANY_BUT_LINE_ENDS
        elif token["category"]:
            # Only the characters of this value matter, so nobody has to list all of Unicode.
            members = _of_category(token["category"], value)
            return members if inside_class else f"[{members}]"
        return text

    return _TOKEN.sub(translate, pattern)


def _of_category(category: str, value: str) -> str:
    found = {c for c in value if unicodedata.category(c).startswith(category)}
    return "".join(re.escape(c) for c in sorted(found))

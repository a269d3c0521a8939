"""Numbers and untrusted text as people read them."""

from __future__ import annotations

import unicodedata

from autolabel.quality.contract import Contract

WHOSE: dict[str, str] = {
    Contract.DATASET: "all delivered labels",
    Contract.MACHINE: "the machine's labels",
    Contract.PER_CLASS: "the machine's labels of every predicted class",
}
"""What a contract's share of wrong labels is a share of."""

_JOINERS = "\u200c\u200d"  # Persian words and composed emoji need them; alone they reorder and hide nothing
_BREAKS = {"\n": "⏎", "\t": "⇥"}


def visible(text: str, *, keep: str = "") -> str:
    r"""Replace every character that acts without being seen by its code point, ``[U+202E]`` for example.

    Control characters (ANSI escapes among them), bidirectional overrides and other invisible format
    characters, line separators and lone surrogates are replaced, so that the result is safe for a terminal
    and can be encoded. A line feed becomes ``⏎``, a tab ``⇥``.

    Parameters
    ----------
    keep
        Characters to leave as they are, for example ``"\n\t"`` where a text is shown as a block.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character in keep else _shown(character) for character in text)


def _shown(character: str) -> str:
    if character in _BREAKS:
        return _BREAKS[character]
    acts = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and character not in _JOINERS
    return f"[U+{ord(character):04X}]" if acts else character


def clip(text: str, limit: int) -> str:
    """Cut `text` to at most `limit` characters, the last of them an ellipsis when something was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def count(number: float) -> str:
    """Write a whole number with thousands separators."""
    return f"{number:,.0f}"


def counted(number: int, noun: str) -> str:
    """Write a number and its noun, which takes an s unless the number is 1."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(share: float) -> str:
    """Write a share in [0, 1] with three digits; one that only rounds to 0 or 100 % is not shown as such."""
    value = 100 * share
    if 99.9 < value < 100:
        return "> 99.9 %"
    if 0 < value < 0.01:
        return "< 0.01 %"
    return f"{value:.3g} %"


def money(dollars: float) -> str:
    """Write an amount in dollars and cents; one under a cent with two digits."""
    sign = "−" if dollars < 0 else ""
    amount = abs(dollars)
    return f"{sign}${amount:.2g}" if 0.0001 <= amount < 0.01 else f"{sign}${amount:,.2f}"


def price(dollars: float) -> str:
    """Write a unit price, to the millionth of a dollar when it needs that."""
    whole, _, cents = f"{dollars:,.6f}".partition(".")
    return f"${whole}.{cents.rstrip('0').ljust(2, '0')}"


def duration(seconds: float) -> str:
    """Write a time span in its two largest units."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 9.95 else "10 s"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    if total < 86400:
        return f"{total // 3600} h {total % 3600 // 60:02d} min"
    return f"{total // 86400} d {total % 86400 // 3600} h"

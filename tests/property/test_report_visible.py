from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from autolabel.report.words import visible

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too


@given(ANY_TEXT)
def test_nothing_that_acts_unseen_is_left(text):
    shown = visible(text)
    assert not any(
        unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        for character in shown
        if character not in "\u200c\u200d"
    )
    shown.encode()


@given(ANY_TEXT)
def test_showing_twice_is_showing_once(text):
    assert visible(visible(text)) == visible(text)

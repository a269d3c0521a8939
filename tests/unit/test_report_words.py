from __future__ import annotations

import pytest

from autolabel.report import words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain <b>&</b>", "plain <b>&</b>"),
        ("\x1b[31m", "[U+001B][31m"),
        ("a\u202eb\u2066c", "a[U+202E]b[U+2066]c"),
        ("zero\u200bwidth\ufeff", "zero[U+200B]width[U+FEFF]"),
        ("tag\U000e0041", "tag[U+E0041]"),
        ("c1\x9b", "c1[U+009B]"),
        ("\ud800", "[U+D800]"),
        ("line\u2028paragraph\u2029", "line[U+2028]paragraph[U+2029]"),
        ("a\nb\tc\rd", "a⏎b⇥c[U+000D]d"),
        ("مرحبا", "مرحبا"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
    ],
)
def test_characters_that_act_unseen_are_shown_as_code_points(text, shown):
    assert words.visible(text) == shown


def test_block_texts_keep_their_line_feeds_and_tabs():
    assert words.visible("a\n\tb\x00", keep="\n\t") == "a\n\tb[U+0000]"


@pytest.mark.parametrize(
    ("text", "limit", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("ab cd", 4, "ab…"), ("", 3, "")]
)
def test_clipped_texts_end_in_an_ellipsis(text, limit, shown):
    assert words.clip(text, limit) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.05, "5 %"),
        (0.71675, "71.7 %"),
        (0.011686, "1.17 %"),
        (0.99996, "> 99.9 %"),
        (0.00001, "< 0.01 %"),
    ],
)
def test_a_share_is_only_called_none_or_all_when_it_is(share, shown):
    assert words.percent(share) == shown


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [
        (0, "$0.00"),
        (1234567.891, "$1,234,567.89"),
        (-4.5, "−$4.50"),
        (0.0042, "$0.0042"),
        (-0.00424, "−$0.0042"),
        (0.00001, "$0.00"),
    ],
)
def test_money_has_cents_and_small_amounts_two_digits(dollars, shown):
    assert words.money(dollars) == shown


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [(0.08, "$0.08"), (0.116, "$0.116"), (2, "$2.00"), (1234.5, "$1,234.50"), (0.000012, "$0.000012")],
)
def test_unit_prices_keep_fractions_of_a_cent(dollars, shown):
    assert words.price(dollars) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.0421, "0.042 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (751, "12 min 31 s"),
        (7500, "2 h 05 min"),
        (100_000, "1 d 3 h"),
    ],
)
def test_durations_are_told_in_their_two_largest_units(seconds, shown):
    assert words.duration(seconds) == shown


@pytest.mark.parametrize(("number", "shown"), [(0, "0 labels"), (1, "1 label"), (1200, "1,200 labels")])
def test_nouns_follow_their_number(number, shown):
    assert words.counted(number, "label") == shown

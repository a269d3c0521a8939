from __future__ import annotations

import io

import pytest
from report_samples import HOSTILE, SAMPLES
from rich.cells import cell_len
from rich.console import Console

from autolabel.report.terminal import closing_summary
from autolabel.report.words import visible


def printed(name, **options):
    out = io.StringIO()
    Console(file=out, width=80, height=24, **options).print(closing_summary(SAMPLES[name]()))
    return out.getvalue()


@pytest.mark.parametrize("name", SAMPLES)
def test_the_summary_fits_a_screen(name):
    lines = printed(name).splitlines()
    assert len(lines) <= 23
    assert max(map(cell_len, lines)) <= 80


@pytest.mark.parametrize("name", SAMPLES)
def test_untrusted_text_sends_no_escape_sequence(name):
    assert not set(printed(name)) & {"\x1b", "\x07", "\u202e"}


def test_only_our_own_styles_reach_a_terminal():
    styled = printed("hostile", force_terminal=True, color_system="truecolor")
    assert "\x1b[31mred" not in styled
    assert "[bold red]markup[/bold red]" in styled
    assert visible(HOSTILE[2])[:8] in styled


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("finished", "With 95 % confidence at most 89 of 1,797 labels are wrong"),
        ("finished", "1,797 = 509 by people + 1,288 by the machine (71.7 %)"),
        ("finished", "300 to train · 120 to audit · 89 for the rest"),
        ("finished", "$208.45 with people alone: 22.2 % saved"),
        ("finished", "out/digits-demo/report.html"),
        ("finished", "ε = 5 %; people err on 0.7 % to 8.2 % (3 of 100 gold wrong): wrong against the truth ≤ 89 + 147"),
        ("finished", "512 answers saved"),
        ("refused", "ε = 5 % is against people's labels; how often those are wrong was not measured."),
        ("finished", "The promise of at most 89 is kept."),
        ("refused", "$4.45 more was spent"),
        ("refused", "at least 59 clean ones are needed"),
        ("failed", "450 objects; line 1: INVALID_IMAGE"),
        ("failed", "1; the first: the manifest has 2 duplicated lines"),
        ("empty", "0 of 0 objects are labeled so far"),
    ],
)
def test_the_summary_says_what_happened(name, said):
    # Cells are wrapped, so compare the words: the first column's names are only in first lines.
    assert said.replace(" ", "") in "".join(printed(name).split())


def test_a_long_reason_is_cut_with_an_ellipsis():
    lines = printed("failed").splitlines()
    assert sum("Look at the" in line for line in lines) == 5 - 1
    assert any(line.rstrip().endswith("…") for line in lines)

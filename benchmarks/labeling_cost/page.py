"""The comparison in words: who needs how many labels, whose promises held, and all of it on one HTML page."""

from __future__ import annotations

import html
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from autolabel.bench.strategies import OURS
from autolabel.bench.summary import keeps_its_promise, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from autolabel.bench.labeling import Row
    from autolabel.bench.summary import Line
    from benchmarks.labeling_cost.studies import Study

EMULATION = "Ground Truth emulation"
PROVEN = ("humans only", "PAC labels after 5 %", "PAC labels after 10 %", "PAC labels after 20 %")
"""Rivals that are proven to keep the same promise, for any data."""


def verdict(lines: Sequence[Line]) -> str:
    """Markdown: ours beside the cheapest rival on every set, by three ways to say who is one.

    The first has not been seen to break its promise on this set, nor on all sets together: before a job nobody knows
    which strategy its data will forgive. The second was not seen to break it on this very set. The third has a proof.
    """
    head = (
        "| data set | ours | broken | best rival, judged by all sets | | judged by this set alone | | "
        "with a proof | | Ground Truth emulation | broken | |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
    )
    kept = {name for name, (_, _, kept) in together(lines).items() if kept}
    rows, gains = [], []
    for name in dict.fromkeys(line.data for line in lines):
        own = {line.strategy: line for line in lines if line.data == name}
        ours = own.pop(OURS, None)
        valid = [line for line in own.values() if line.valid]
        if ours is None or not valid or EMULATION not in own:
            continue
        groups = (
            [line for line in valid if line.strategy in kept],
            valid,
            [line for line in valid if line.strategy in PROVEN],
        )
        best = [min(group, key=lambda line: line.human) for group in groups]
        gains.append([ours.human / line.human - 1 for line in best])
        rivals = " | ".join(
            f"{line.strategy} {line.human:,.0f} ({line.broken} of {line.seeds}) | {gain:+.0%}"
            for line, gain in zip(best, gains[-1], strict=True)
        )
        other = own[EMULATION]
        rows.append(
            f"| {name} | {ours.human:,.0f} | {ours.broken} of {ours.seeds} | {rivals} | {other.human:,.0f} | "
            f"{other.broken} of {other.seeds} | {ours.human / other.human - 1:+.0%} |"
        )
    if rows:
        middle = " | | ".join(f"**{median(each):+.0%}**" for each in zip(*gains, strict=True))
        rows.append(f"| **median** | | | | {middle} | | | |")
    return "\n".join([head, *rows])


def together(lines: Sequence[Line]) -> dict[str, tuple[int, int, bool]]:
    """Broken promises and seeds of every strategy on all sets, and whether these are no more than chance shows."""
    found = {}
    for name in dict.fromkeys(line.strategy for line in lines):
        own = [line for line in lines if line.strategy == name]
        broken, seeds = sum(line.broken for line in own), sum(line.seeds for line in own)
        found[name] = broken, seeds, keeps_its_promise(broken, seeds, own[0].delta)
    return found


def promises(lines: Sequence[Line]) -> str:
    """Markdown: how often every strategy broke its promise."""
    return "\n".join(
        [
            "| strategy | promises broken on all sets | |\n|---|---|---|",
            *(
                f"| {name} | {broken} of {seeds} | {broken / seeds:.1%}{'' if kept else ' ✗'} |"
                for name, (broken, seeds, kept) in together(lines).items()
            ),
        ]
    )


def studied(study: Study, rows: Sequence[Row]) -> str:
    """Markdown: a study's medians, and how many of its promises were broken."""
    head = (
        f"| data set | {study.axis} | labels by people (quartiles) | of | wrong | promise broken |\n"
        "|---|---|---|---|---|---|"
    )
    cells: dict[tuple[str, object], list[Row]] = {}
    for (name, value, _), row in zip(study.points, rows, strict=True):
        cells.setdefault((name, value), []).append(row)
    found = []
    for (name, value), own in cells.items():
        low, middle, high = np.quantile([row.human for row in own], [0.25, 0.5, 0.75])
        wrong = np.mean([row.wrong / max(1, row.human + row.machine) for row in own])
        found.append(
            f"| {name} | {value} | {middle:,.0f} ({low:,.0f} to {high:,.0f}) | {own[0].objects:,} | {wrong:.2%} | "
            f"{sum(row.broken for row in own)} of {len(own)} |"
        )
    return "\n".join([head, *found])


def write_page(folder: Path, lines: Sequence[Line], studies: Sequence[tuple[Study, list[Row]]], facts: str) -> Path:
    """Write ``index.html``: tables and pictures in one file that needs nothing else."""
    parts = [
        ("What labels cost", facts, verdict(lines), ("cost-and-error", "dollars")),
        ("Promises", "", promises(lines), ()),
        ("Every strategy on every data set", "", table(lines), ("learning", "forecasts")),
        *((study.title, "", studied(study, rows), (study.name,)) for study, rows in studies),
    ]
    body = []
    for title, words, text, pictures in parts:
        body.append(f"<h2>{html.escape(title)}</h2>")
        if words:
            body.append(f"<p>{html.escape(words)}</p>")
        body.append(_table(text))
        for name in pictures:
            path = folder / f"{name}.svg"
            if path.is_file():
                drawing = path.read_text(encoding="utf-8")
                body.append(f"<figure>{drawing[drawing.index('<svg') :]}</figure>")
    page = folder / "index.html"
    page.write_text(TEMPLATE.format(body="\n".join(body)), encoding="utf-8")
    return page


def _table(text: str) -> str:
    """Turn a Markdown table into an HTML one."""
    head, _, *rows = (line.strip("| ").split(" |") for line in text.splitlines())

    def row(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(each.strip(' |*'))}</{tag}>" for each in cells) + "</tr>"

    return f"<table><thead>{row(head, 'th')}</thead><tbody>{''.join(row(each, 'td') for each in rows)}</tbody></table>"


TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>What labels cost</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #111; }}
table {{ border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }}
th, td {{ padding: .2rem .6rem; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap; }}
figure {{ margin: 1rem 0; }} svg {{ max-width: 100%; height: auto; }}
</style>
{body}
</html>
"""

"""The report on a terminal: a closing summary that fits 80 x 24."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from autolabel.report.verdict import Tone, against_truth, peoples_errors_in_brief, verdict
from autolabel.report.words import clip, count, counted, duration, money, percent, visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from autolabel.report.data import ReportData

_STYLES = {Tone.GOOD: "bold green", Tone.CAUTION: "bold yellow", Tone.BAD: "bold red", Tone.NEUTRAL: "bold"}
_FILES = 3


class _Clipped:
    """A text that is wrapped to the width there is and cut after `lines` lines."""

    def __init__(self, text: Text, lines: int) -> None:
        self._text = text
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wrapped = self._text.wrap(console, options.max_width, overflow="fold")
        for line in wrapped[: self._lines - 1]:
            line.rstrip()
            yield line
        if len(wrapped) >= self._lines:
            last = wrapped[self._lines - 1]
            last.rstrip()
            if len(wrapped) > self._lines:
                last.truncate(options.max_width - 1, overflow="crop")
                last.append("…")
            yield last


def closing_summary(data: ReportData) -> RenderableType:
    """Sum a job up in at most 23 lines of 80 columns, so that a prompt fits below.

    The certificate in words, the counters, people's labels by purpose, the cost against people alone, and
    where the files are. Texts are shown, never interpreted: neither markup nor escape sequences act.
    """
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    said = verdict(data)
    grid.add_row("Job", _line(_heading(data)))
    sentence = Text.assemble((f"{said.word}. ", _STYLES[said.tone]), visible(said.sentence))
    grid.add_row("Result", _Clipped(sentence, 5))
    truth = against_truth(data)
    if truth is not None:
        grid.add_row("Truth", _Clipped(Text(truth.sentence, style=_STYLES[truth.tone].removeprefix("bold ")), 2))
    brief = peoples_errors_in_brief(data)
    if brief:
        grid.add_row("Humans", _Clipped(Text(brief), 3))
    grid.add_row("Objects", _line(_objects(data), 2))
    if data.human_labels:
        grid.add_row("People", _line(_purposes(data), 2))
    grid.add_row("Cost", _line(_spent(data), 2))
    grid.add_row("", _line(_compared(data)))
    if data.failures:
        first = data.failures[0]
        grid.add_row("Failed", _line(f"{counted(data.failed, 'object')}; line {first.line}: {visible(first.reason)}"))
    if data.warnings:
        grid.add_row("Warnings", _line(f"{len(data.warnings):,}; the first: {visible(data.warnings[0])}"))
    for name, path in list(data.files.items())[:_FILES]:
        grid.add_row(clip(visible(name), 8).capitalize(), _line(visible(path), 2))
    return grid


def _line(text: str, lines: int = 1) -> _Clipped:
    return _Clipped(Text(text), lines)


def _heading(data: ReportData) -> str:
    parts = [clip(visible(data.name), 40), data.status, data.task.value]
    if data.finished is not None:
        parts.append(duration((data.finished - data.created).total_seconds()))
    return " · ".join(parts)


def _objects(data: ReportData) -> str:
    share = f" ({percent(data.machine / data.objects)})" if data.objects else ""
    return (
        f"{count(data.objects)} = {count(data.human)} by people + {count(data.machine)} by the machine{share}"
        f" + {count(data.failed)} failed + {count(data.unlabeled)} unlabeled"
    )


def _purposes(data: ReportData) -> str:
    words = {
        "train": "to train",
        "gold": "of gold",
        "audit": "to audit",
        "rest": "for the rest",
        "chained": "from an earlier job",
    }
    parts = [f"{count(number)} {words.get(purpose, visible(purpose))}" for purpose, number in data.human_labels.items()]
    if data.answers_saved:
        parts.append(f"{counted(data.answers_saved, 'answer')} saved")
    return " · ".join(parts)


def _spent(data: ReportData) -> str:
    kinds = ", ".join(f"{clip(visible(row.kind), 24)} {money(row.amount)}" for row in data.cost.rows if row.amount)
    return money(data.cost.total) + (f" = {kinds}" if kinds else "")


def _compared(data: ReportData) -> str:
    alone = f"{money(data.cost.all_human)} with people alone"
    if data.cost.saved > 0 and data.cost.all_human > 0:
        return f"{alone}: {percent(data.cost.saved / data.cost.all_human)} saved"
    if data.cost.saved < 0:
        return f"{alone}: {money(-data.cost.saved)} more was spent"
    return f"{alone}: nothing saved"

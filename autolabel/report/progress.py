"""How a running job shows itself: a live bar on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from autolabel.report.words import count, visible

if TYPE_CHECKING:
    from rich.console import Console


class ProgressReporter:
    """What a job says while it runs; this one says nothing. Every text is shown, never interpreted."""

    def phase(
        self,
        name: str,
        *,
        round_number: int | None = None,
        human_labels: int | None = None,
        forecast: float | None = None,
    ) -> None:
        """Begin a phase, in a round, with the human labels used so far and the forecast for the whole job."""
        title = visible(name) if round_number is None else f"round {round_number} · {visible(name)}"
        about = f" of about {count(forecast)}" if forecast is not None else ""
        self._begin(title, "" if human_labels is None else f"{count(human_labels)}{about} human labels")

    def progress(self, done: int, total: int) -> None:
        """Say how far the phase is."""

    def event(self, text: str) -> None:
        """Say something once."""

    def close(self) -> None:
        """End; a second call is harmless."""

    def _begin(self, title: str, labels: str) -> None:
        pass


class PlainProgress(ProgressReporter):
    """One line for each phase and event, and for each quarter of a phase that reports its progress."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._quarter = 0

    def progress(self, done: int, total: int) -> None:
        """Write a line when another quarter is done."""
        quarter = 4 * done // total if total > 0 else 0
        if quarter > self._quarter:
            self._write(f"  {count(done)} of {count(total)}")
        self._quarter = quarter

    def event(self, text: str) -> None:
        """Write the line."""
        self._write(visible(text))

    def _begin(self, title: str, labels: str) -> None:
        self._quarter = 0
        self._write(f"{title} ({labels})" if labels else title)

    def _write(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


class LiveProgress(ProgressReporter):
    """A spinner, the phase, a bar and the human labels on a terminal's last line; events scroll above it."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[labels]}", style="dim", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, visible=False, labels="")
        self._progress.start()

    def progress(self, done: int, total: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done, total=total)

    def event(self, text: str) -> None:
        """Print the line above the bar."""
        self._progress.console.print(Text(visible(text)))

    def close(self) -> None:
        """Take the bar away and give the cursor back."""
        self._progress.stop()

    def _begin(self, title: str, labels: str) -> None:
        # A bar without a total moves until `progress` sets one.
        self._progress.reset(self._task, total=None, description=title, visible=True, labels=labels)


def progress_reporter(console: Console, *, silent: bool = False) -> ProgressReporter:
    """Choose the reporter for this console: live on a terminal, plain elsewhere, `silent` for ``--json``."""
    if silent:
        return ProgressReporter()
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)

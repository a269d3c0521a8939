"""What verbs print: one JSON document, or a summary for people."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from autolabel.report.progress import ProgressReporter


def add_json(parser: argparse.ArgumentParser) -> None:
    """Give a verb its ``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def console(*, stderr: bool = False) -> Console:
    """Return a console for people; progress goes to stderr, results to stdout."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def reporter(options: argparse.Namespace) -> ProgressReporter:
    """Return the progress reporter of a verb: silent with ``--json``."""
    from autolabel.report.progress import progress_reporter

    return progress_reporter(console(stderr=True), silent=options.json)


def print_json(document: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(document, ensure_ascii=False, indent=1, default=str))


def print_table(rows: list[tuple[str, ...]], header: tuple[str, ...]) -> None:
    """Print a plain table whose texts are shown, never interpreted."""
    from rich.table import Table
    from rich.text import Text

    from autolabel.report.words import visible

    table = Table(box=None, pad_edge=False)
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    console().print(table)


def say(text: str) -> None:
    """Print a line for people on stderr."""
    from autolabel.report.words import visible

    print(visible(text), file=sys.stderr)

"""`autolabel manifest check`: everything that is wrong with a manifest, before a job starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolabel.cli.init import TASKS
from autolabel.cli.terminal import add_json, print_json, print_table, say

if TYPE_CHECKING:
    import argparse

SHOWN = 50


def add_verbs(verbs: Any) -> None:
    """Add `manifest check`."""
    parser = verbs.add_parser("manifest", help="look at manifests")
    inner = parser.add_subparsers(required=True, metavar="VERB")
    check = inner.add_parser("check", help="check a manifest line by line; exit code 2 when a line is bad")
    check.add_argument("file", type=Path)
    check.add_argument("--task", choices=TASKS, help="default: by whether the first line has `source`")
    check.add_argument("--attribute", default="label", help="label attribute of the job to be (default: label)")
    add_json(check)
    check.set_defaults(verb=_check)


def _check(options: argparse.Namespace) -> int:
    from autolabel.api.kinds import TaskKind
    from autolabel.cli.main import ExitCode
    from autolabel.manifest.check import check_manifest

    report = check_manifest(options.file, TaskKind(options.task) if options.task else None, options.attribute)
    if options.json:
        print_json(report.to_json())
    else:
        say(f"{options.file}: {report.objects:,} objects, {report.bytes:,} bytes, keys {', '.join(report.keys)}")
        for warning in report.warnings:
            say(f"warning: {warning}")
        if report.bad:
            rows: list[tuple[str, ...]] = [(f"{bad.line:,}", str(bad.code), bad.message) for bad in report.bad[:SHOWN]]
            print_table(rows, ("line", "code", "what"))
            say(f"{len(report.bad):,} lines cannot be labeled; a job would go on without them")
    return ExitCode.BAD_INPUT if report.bad else ExitCode.FINISHED

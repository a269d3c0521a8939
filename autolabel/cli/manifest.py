"""`autolabel manifest check|sample`: what is wrong with a manifest, and a uniform sample of it for an expert."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolabel.cli.init import TASKS
from autolabel.cli.terminal import add_json, print_json, print_table, say

if TYPE_CHECKING:
    import argparse

SHOWN = 50


def add_verbs(verbs: Any) -> None:
    """Add `manifest check` and `manifest sample`."""
    parser = verbs.add_parser("manifest", help="look at manifests")
    inner = parser.add_subparsers(required=True, metavar="VERB")
    check = inner.add_parser("check", help="check a manifest line by line; exit code 2 when a line is bad")
    check.add_argument("file", type=Path)
    check.add_argument("--task", choices=TASKS, help="default: by whether the first line has `source`")
    check.add_argument("--attribute", default="label", help="label attribute of the job to be (default: label)")
    add_json(check)
    check.set_defaults(verb=_check)
    sample = inner.add_parser("sample", help="print lines drawn at random: add their true label, and they are gold")
    sample.add_argument("file", type=Path)
    sample.add_argument("--size", type=int, required=True, help="lines to draw")
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument("--task", choices=TASKS, help="default: by whether the first line has `source`")
    sample.add_argument("--attribute", default="label", help="label attribute of the job to be (default: label)")
    sample.set_defaults(verb=_sample)


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


def _sample(options: argparse.Namespace) -> int:
    import numpy as np

    from autolabel.api.kinds import TaskKind
    from autolabel.cli.main import ExitCode
    from autolabel.manifest.sample import sample_lines

    kind = TaskKind(options.task) if options.task else None
    rng = np.random.default_rng(options.seed)
    lines = sample_lines(options.file, kind, options.attribute, size=options.size, rng=rng)
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))
    return ExitCode.FINISHED

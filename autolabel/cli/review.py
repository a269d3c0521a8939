"""`autolabel review`: look through machine labels on a grid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolabel.cli.terminal import add_json, print_json, say

if TYPE_CHECKING:
    import argparse


def add_verbs(verbs: Any) -> None:
    """Add `review`."""
    parser = verbs.add_parser("review", help="look through machine labels on a grid: accept all but these")
    parser.add_argument("job", type=Path, help="the job's folder")
    parser.add_argument("--worker", default="operator", metavar="NAME", help="in whose name (default: operator)")
    parser.add_argument("--page", default="web", help="where it is served, as --workforce (default: web)")
    add_json(parser)
    parser.set_defaults(verb=_review)


def _review(options: argparse.Namespace) -> int:
    from autolabel.cli.main import ExitCode
    from autolabel.job.job import LabelingJob
    from autolabel.web import serve_review

    with LabelingJob.open(options.job) as job:
        facts = serve_review(job, options.page, reviewer=options.worker, say=say)
    if options.json:
        print_json(facts)
        return ExitCode.FINISHED
    say(
        f"{facts['reviewed']:,} of {facts['machine_labels']:,} machine labels looked at, {facts['rejected']:,} wrong, "
        f"{facts['corrected']:,} of them corrected; {facts['planted_found']:,} of {facts['planted']:,} planted ones "
        "found."
    )
    say(f"The reviewed manifest: {facts['manifest']}")
    return ExitCode.FINISHED

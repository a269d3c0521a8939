"""``autolabel``: parse, call one verb, turn errors into a line and an exit code.

Exit codes: 0 finished, 2 bad input (nothing started), 3 waiting for people, 4 job failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from enum import IntEnum
from typing import TYPE_CHECKING

from autolabel.errors import (
    AutolabelError,
    InvalidRequestError,
    JobCorruptError,
    JobFailedError,
    StorageError,
    VerificationError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExitCode(IntEnum):
    """What the shell is told."""

    FINISHED = 0
    BAD_INPUT = 2
    WAITING = 3
    FAILED = 4
    INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # category names may not fit the terminal's encoding
    options = build_parser().parse_args(arguments)
    try:
        return int(options.verb(options))
    except KeyboardInterrupt:
        _complain("interrupted; `autolabel resume` goes on where it stopped")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return ExitCode.FINISHED
    except (InvalidRequestError, VerificationError) as error:
        for sentence in error.violations if isinstance(error, InvalidRequestError) else error.findings:
            _complain(sentence)
        return ExitCode.BAD_INPUT if isinstance(error, InvalidRequestError) else ExitCode.FAILED
    except (JobFailedError, JobCorruptError, StorageError) as error:
        _complain(str(error))
        return ExitCode.BAD_INPUT if isinstance(error, FileNotFoundError) else ExitCode.FAILED
    except AutolabelError as error:
        _complain(str(error))
        return ExitCode.BAD_INPUT


def _complain(text: str) -> None:
    from autolabel.report.words import visible

    print(f"autolabel: {visible(text)}", file=sys.stderr)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all verbs; nothing heavy is imported for it."""
    from autolabel.cli import bench, init, jobs, manifest, models, quickstart, review, score, workers

    parser = argparse.ArgumentParser(
        prog="autolabel",
        description="Label a data set with as few human labels as it takes, machine-label the rest, and prove it.",
        epilog="Exit codes: 0 finished, 2 bad input, 3 waiting for people, 4 job failed, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=_version())
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    for module in (quickstart, jobs, workers, review, score, models, manifest, init, bench):
        module.add_verbs(verbs)
    return parser


def _version() -> str:
    from importlib.metadata import version

    return f"autolabel {version('autolabel-engine')}"


if __name__ == "__main__":
    sys.exit(main())

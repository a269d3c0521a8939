"""`autolabel init`: a commented CreateLabelingJob document to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolabel.cli.terminal import add_json, print_json, say

if TYPE_CHECKING:
    import argparse

TASKS = ("image-classification", "text-classification")


def add_verbs(verbs: Any) -> None:
    """Add `init`."""
    parser = verbs.add_parser("init", help="write a commented request.json")
    parser.add_argument("path", type=Path, nargs="?", default=Path("request.json"))
    parser.add_argument("--task", choices=TASKS, default=TASKS[0])
    add_json(parser)
    parser.set_defaults(verb=_init)


def _init(options: argparse.Namespace) -> int:
    from autolabel.api.example import commented_example
    from autolabel.api.kinds import TaskKind
    from autolabel.cli.main import ExitCode
    from autolabel.errors import SettingsError, StorageError

    try:
        with options.path.open("x", encoding="utf-8") as file:
            file.write(commented_example(TaskKind(options.task)))
    except FileExistsError:
        raise SettingsError(f"{options.path}: is there already; it was not overwritten") from None
    except OSError as error:
        raise StorageError(str(options.path), f"cannot be written: {error.strerror}") from error
    if options.json:
        print_json({"request": str(options.path)})
    else:
        say(f"{options.path} is written; edit it, then: autolabel run {options.path} --workforce files:answers/")
    return ExitCode.FINISHED

"""`autolabel models`: the catalogue of starting checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autolabel.cli.terminal import add_json, print_json, print_table, say

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def add_verbs(verbs: Any) -> None:
    """Add `models list`, `models show` and `models import`."""
    parser = verbs.add_parser("models", help="starting checkpoints")
    inner = parser.add_subparsers(required=True, metavar="VERB")
    listing = inner.add_parser("list", help="names that --model and a model ARN resolve to")
    add_json(listing)
    listing.set_defaults(verb=_list)
    show = inner.add_parser("show", help="everything known of one model")
    show.add_argument("name", help="a name, a folder, or a model.tar.gz")
    add_json(show)
    show.set_defaults(verb=_show)
    bring = inner.add_parser("import", help="put a job's model.tar.gz or folder into the catalogue under a name")
    bring.add_argument("source", help="model.tar.gz or folder; a path or s3:// URI")
    bring.add_argument("--name", required=True)
    bring.add_argument("--endpoint-url", help="S3 endpoint")
    add_json(bring)
    bring.set_defaults(verb=_import)


def _list(options: argparse.Namespace) -> int:
    from autolabel.cli.main import ExitCode
    from autolabel.job.models import known_models

    found = known_models()
    if options.json:
        print_json(found)
    else:
        print_table([(row["name"], row["task"], row["description"]) for row in found], ("name", "task", "what"))
    return ExitCode.FINISHED


def _show(options: argparse.Namespace) -> int:
    from autolabel.cli.main import ExitCode
    from autolabel.job.models import model_facts

    facts = model_facts(options.name)
    if options.json:
        print_json(facts)
    else:
        print_table([(key, str(value)) for key, value in facts.items()], ("field", "value"))
    return ExitCode.FINISHED


def _import(options: argparse.Namespace) -> int:
    from autolabel.cli.main import ExitCode
    from autolabel.job.models import import_model
    from autolabel.storage.base import StorageOptions
    from autolabel.storage.router import Storage

    folder: Path = import_model(
        options.source, options.name, Storage(StorageOptions(endpoint_url=options.endpoint_url))
    )
    if options.json:
        print_json({"name": options.name, "folder": str(folder)})
    else:
        say(f"{options.name} is in {folder}")
    return ExitCode.FINISHED

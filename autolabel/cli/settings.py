"""Options for everything that the CreateLabelingJob document has no field for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autolabel.cli.terminal import add_json

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from autolabel.job.settings import Settings


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Options for everything the AWS document has no field for; see `Settings`."""
    group = parser.add_argument_group("settings (override the [job] TOML and autolabel: tags)")
    group.add_argument("--workforce", help="web, files:FOLDER/ or simulated:TRUTH.jsonl[?accuracy=0.9&workers=3]")
    group.add_argument(
        "--sets", action="store_true", default=None, help="open the next --concurrent objects when all are done, as AWS"
    )
    group.add_argument(
        "--guesses", action="store_true", default=None, help="show people what the model thinks, except in audits"
    )
    group.add_argument(
        "--contract",
        choices=("dataset", "machine", "per-class"),
        help="which labels the promise is about: all delivered ones, the machine's, or the machine's in every class "
        "(default: dataset)",
    )
    group.add_argument("--error", type=float, help="largest share of wrong labels promised (default: 0.05)")
    group.add_argument("--confidence", type=float, help="probability that the promise holds (default: 0.95)")
    group.add_argument("--model", help="starting checkpoint; see `autolabel models list`")
    group.add_argument("--image-size", type=int, help="side in pixels images are scaled to")
    group.add_argument("--seed", type=int, help="seed of every random choice (default: 0)")
    group.add_argument("--batch", type=int, help="objects people label between two trainings")
    group.add_argument("--selection", help="strategy that chooses whom to ask: margin-diverse, badge, core-set, ...")
    group.add_argument("--fine-tune", help="auto: train the network too, where it is worth its price (default: never)")
    group.add_argument("--redundancy", help="fixed, or adaptive: two people, one more while it is worth its price")
    group.add_argument("--error-value", type=float, help="dollars a wrong label costs (default: 40 answers)")
    group.add_argument("--consolidation", help="dawid-skene (default), ground-truth (AWS's variant) or majority")
    votes = "give the model a vote where people disagree, never in audits"
    group.add_argument("--model-prior", action="store_true", default=None, help=votes)
    group.add_argument("--gold", help="manifest lines with their true label: measures how often people are wrong")
    group.add_argument("--repeats", type=float, help="share of people's labels that a second panel checks (default: 0)")
    group.add_argument("--answer-price", type=float, help="dollars for one answer (default: the document's, or 0.012)")
    group.add_argument("--object-fee", type=float, help="dollars for each object people label (default: 0.08)")
    group.add_argument("--machine-price", type=float, help="dollars for each machine label (default: 0.08)")
    group.add_argument("--compute-price", type=float, help="dollars for an hour of machine time (default: 0)")
    group.add_argument("--root", help="folder that relative source-refs start at (default: the manifest's)")
    group.add_argument("--endpoint-url", help="S3 endpoint")
    group.add_argument("--max-objects", type=int, help="most lines accepted (default: 100,000)")
    group.add_argument("--device", help="auto, cpu or cuda")
    group.add_argument("--threads", type=int, help="decoder threads (default: one a core)")
    add_json(parser)


def settings_of(options: argparse.Namespace, tags: dict[str, str], toml: Path | None) -> Settings:
    """Resolve options, the [job] TOML and tags."""
    from autolabel.job.settings import Settings, resolve_settings

    given = {name: getattr(options, name, None) for name in Settings.__struct_fields__}
    return resolve_settings(options=given, toml=toml, tags=tags)

"""`autolabel bench cost`: what labeling would cost, by strategy, on a labeled sample of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolabel.cli.terminal import add_json, print_json, reporter, say

if TYPE_CHECKING:
    import argparse


def add_verbs(verbs: Any) -> None:
    """Add `bench`."""
    bench = verbs.add_parser("bench", help="compare labeling strategies on a labeled sample")
    kinds = bench.add_subparsers(dest="kind", required=True)
    cost = kinds.add_parser(
        "cost", help="labels by people, and whether the promise was kept, over strategies and seeds; in memory"
    )
    cost.add_argument("folders", nargs="+", type=Path, help="each with manifest.jsonl, truth.jsonl and labels.json")
    cost.add_argument("--output", type=Path, default=Path("bench"), help="rows, table and embeddings (default: bench/)")
    cost.add_argument("--strategies", nargs="+", metavar="NAME", help="by default all")
    cost.add_argument("--seeds", type=int, default=10, help="runs a strategy (default: 10)")
    cost.add_argument("--error", type=float, nargs="+", default=[0.05], help="promised errors (default: 0.05)")
    cost.add_argument("--confidence", type=float, default=0.95)
    cost.add_argument("--contract", choices=("dataset", "machine", "per-class"), default="dataset", help="of autolabel")
    cost.add_argument("--batch", type=int, help="objects people label between two trainings")
    cost.add_argument("--accuracy", type=float, default=1.0, help="of simulated workers (default: 1)")
    cost.add_argument("--workers", type=int, default=1, help="workers an object, by majority (default: 1)")
    cost.add_argument(
        "--human-counts", action="store_true", help="workers answer as human_counts on truth.jsonl's lines have it"
    )
    cost.add_argument("--model", default="auto", help="encoder; see `autolabel models list`")
    cost.add_argument("--image-size", type=int)
    cost.add_argument("--fine-tune", action="store_true", help="autolabel may train the network too: minutes a seed")
    add_json(cost)
    cost.set_defaults(verb=_cost)


def _cost(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from autolabel.bench.compare import Task, compare
    from autolabel.bench.sample import Sample
    from autolabel.bench.strategies import STRATEGIES
    from autolabel.bench.summary import summarise, table
    from autolabel.cli.main import ExitCode
    from autolabel.errors import SettingsError
    from autolabel.storage.durable import make_folder, write_atomically

    chosen = options.strategies or list(STRATEGIES)
    unknown = [name for name in chosen if name not in STRATEGIES]
    if unknown:
        raise SettingsError(f"found the unknown strategy {unknown[0]!r}; expected one of {', '.join(STRATEGIES)}")
    make_folder(options.output)
    progress = reporter(options)
    try:
        for folder in options.folders:
            progress.phase(f"embedding {folder.name}")
            Sample.open(
                folder,
                options.output / "samples",
                model=options.model,
                image_size=options.image_size,
                progress=progress.progress,
            )
        tasks = [
            Task(
                folder=str(folder),
                cache=str(options.output / "samples"),
                strategy=strategy,
                seed=seed,
                error=error,
                confidence=options.confidence,
                contract=options.contract,
                batch=options.batch,
                accuracy=options.accuracy,
                workers=options.workers,
                human_counts=options.human_counts,
                model=options.model,
                image_size=options.image_size,
                fine_tune=options.fine_tune,
            )
            for folder in options.folders
            for error in options.error
            for seed in range(options.seeds)
            for strategy in chosen
        ]
        progress.phase("labeling")
        rows = compare(tasks, options.output / "rows.jsonl", progress.progress)
    finally:
        progress.close()
    lines = [line for error in options.error for line in summarise(row for row in rows if row.error == error)]
    text = table(lines)
    write_atomically(options.output / "table.md", (text + "\n").encode())
    if options.json:
        print_json({"lines": [asdict(line) for line in lines], "rows": str(options.output / "rows.jsonl")})
    else:
        for line in text.splitlines():
            say(line)
    return ExitCode.FINISHED

"""One data set, one job: what the labels cost, and whether the promise held against the truth.

    python -m benchmarks.labeling_cost.run DATA_SET_FOLDER [--error 0.05] [--json]

A data set folder holds ``manifest.jsonl``, ``truth.jsonl`` and ``labels.json``. ``--start-from-model`` runs the
experiment of AWS's pretrained-model example instead: the first half cold, then the second half cold and from the
first half's model. ``--stages`` says what the machine's seconds went to.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from autolabel import Contract, LabelingJob, LabelingJobRequest, Settings, TaskKind
from autolabel.api.example import example_document
from autolabel.cli.quickstart import compare_with_truth
from autolabel.policy.tuning import FineTune


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--contract", type=Contract, choices=list(Contract), default=Contract.DATASET)
    parser.add_argument("--error", type=float, default=0.05)
    parser.add_argument("--confidence", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, help="jobs, one a seed; they share the embeddings")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--batch", type=int, help="objects people label between two trainings")
    parser.add_argument("--fine-tune", choices=list(FineTune), type=FineTune, default=FineTune.NEVER)
    parser.add_argument("--stages", action="store_true", help="seconds by stage, one more line a job")
    parser.add_argument("--work", type=Path, help="folder for the jobs (default: a temporary one)")
    parser.add_argument("--start-from-model", action="store_true")
    parser.add_argument("--json", action="store_true", help="JSON lines only")
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp(prefix="labeling-cost-"))
    for seed in range(options.seed, options.seed + options.seeds):
        options.seed = seed
        rows = halves(options, work) if options.start_from_model else [label(options, work, "whole", None)]
        for row in rows:
            print(json.dumps(row) if options.json else table_row(row), flush=True)
            if options.stages and not options.json:
                print(stages_row(row), flush=True)
    return 0


def label(options: argparse.Namespace, work: Path, part: str, model: str | None) -> dict:
    """Run one job on one part of the data and compare it with the truth."""
    shared = work / "embeddings" / f"{options.folder.name}-{part}-{'warm' if model else 'cold'}"
    folder = part_of(options.folder, work, part)
    name = f"{options.folder.name}-{part}-{'warm' if model else 'cold'}-{options.contract}-{options.seed}"
    kind = TaskKind.TEXT_CLASSIFICATION if is_text(folder) else TaskKind.IMAGE_CLASSIFICATION
    document = example_document(
        kind,
        name=name,
        attribute="autolabel",
        manifest=str(folder / "manifest.jsonl"),
        output=str(work / "jobs"),
        categories=str(folder / "labels.json"),
        workers=1,
        batch=5000,
    )
    settings = Settings(
        contract=options.contract,
        error=options.error,
        confidence=options.confidence,
        seed=options.seed,
        model=model or options.model,
        image_size=options.image_size,
        batch=options.batch,
        fine_tune=options.fine_tune,
        root=str(options.folder.absolute()),
        workforce=f"simulated:{folder / 'truth.jsonl'}",
    )
    begun = time.perf_counter()
    with LabelingJob.create(LabelingJobRequest.from_document(document), settings=settings) as job:
        if shared.is_dir():  # of an earlier seed; shards of another encoder are not taken
            shutil.copytree(shared, job.folder.embeddings)
        step = job.run()
        if not shared.is_dir():
            shutil.copytree(job.folder.embeddings, shared)
        seconds = time.perf_counter() - begun
        if not step.finished or step.certificate is None:
            sys.exit(f"{name} did not finish: {step}")
        wrong, machine_wrong = compare_with_truth(job, folder / "truth.jsonl")
        summary, plan = job.summary(), job.plan()
        job.verify()
    certificate, counters = summary["certificate"], summary["counters"]
    objects = counters["TotalLabeled"]
    return {
        "data": options.folder.name,
        "part": part,
        "start": "warm" if model else "cold",
        "contract": certificate["contract"],
        "error": options.error,
        "delta": round(1 - options.confidence, 6),
        "seed": options.seed,
        "objects": objects,
        **{key: value for key, value in summary["human_labels"].items() if key != "chained"},
        "human": counters["HumanLabeled"],
        "machine_share": round(counters["MachineLabeled"] / objects, 4),
        "granted": certificate["granted"],
        "wrong": wrong,
        "wrong_at_most": certificate["wrong_at_most"],
        "realised_error": round(wrong / objects, 5),
        "machine_error": round(machine_wrong / max(1, counters["MachineLabeled"]), 5),
        "forecast_human": plan["forecast"]["human_total"],
        "dollars": round(summary["cost"]["total"], 2),
        "dollars_all_human": round(summary["cost"]["all_human"], 2),
        "seconds": round(seconds, 1),
        "stages": stages(job.folder.ledger, seconds),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "model_file": str(job.folder.final_model),
    }


STAGES = {
    "embed": "embedding",
    "learn": "training and scoring",
    "tune": "fine-tuning",
    "ask": "choosing and asking",
    "labels": "consolidation",
}
"""By the last part of a step's name; the rest is the look, its audit and the output."""


def stages(ledger: Path, seconds: float) -> dict[str, float]:
    """Seconds by stage, from the ledger's lines of compute; what no step has are the files written between them."""
    found = dict.fromkeys((*STAGES.values(), "look and output"), 0.0)
    with ledger.open(newline="") as lines:
        for line in csv.DictReader(lines):
            if line["purpose"] == "compute":
                name = STAGES.get(line["worker"].rpartition(".")[2], "look and output")
                found[name] += float(line["quantity"])
    found["look and output"] += max(0.0, seconds - sum(found.values()))
    return {name: round(value, 1) for name, value in found.items()}


def stages_row(row: dict) -> str:
    parts = " | ".join(f"{value:,.1f}" for value in row["stages"].values())
    return f"| {row['data']} | {row['objects']:,} | {parts} | {row['seconds']:,.1f} |"


def halves(options: argparse.Namespace, work: Path) -> list[dict]:
    """The first half cold; the second half cold, and from the first half's model."""
    first = label(options, work, "first", None)
    return [
        first,
        label(options, work, "second", None),
        label(options, work, "second", first["model_file"]),
    ]


def part_of(folder: Path, work: Path, part: str) -> Path:
    """Lay out one part of a data set: every other line, so that both halves are alike."""
    if part == "whole":
        return folder
    target = work / f"{folder.name}-{part}"
    target.mkdir(parents=True, exist_ok=True)
    for name in ("manifest.jsonl", "truth.jsonl"):
        lines = (folder / name).read_bytes().splitlines(keepends=True)
        (target / name).write_bytes(b"".join(lines[part == "second" :: 2]))
    (target / "labels.json").write_bytes((folder / "labels.json").read_bytes())
    return target


def is_text(folder: Path) -> bool:
    with (folder / "manifest.jsonl").open() as lines:
        return "source" in json.loads(next(lines))


def table_row(row: dict) -> str:
    return (
        f"| {row['data']} ({row['part']}, {row['start']}) | {row['objects']:,} | {row['train']:,} + {row['audit']:,} + "
        f"{row['rest']:,} = {row['human']:,} | {row['machine_share']:.1%} | {row['realised_error']:.2%} "
        f"({row['wrong']:,} ≤ {row['wrong_at_most']:,}) | {row['forecast_human']:,} | "
        f"${row['dollars']:,.0f} of ${row['dollars_all_human']:,.0f} | {row['seconds']:.0f} s |"
    )


if __name__ == "__main__":
    sys.exit(main())

"""What labeling costs by every strategy on every data set, and what that depends on: rows, tables, pictures, one page.

    python -m benchmarks.labeling_cost [DATA] [--output labeling-cost] [--only SET...] [--quick] [--scale 1.0]

DATA holds ``text/NAME`` and ``image/NAME``, each with ``manifest.jsonl``, ``truth.jsonl`` and ``labels.json``; the
digits need no data. Whole jobs are replayed in memory on embeddings that are computed once. Every finished row is kept:
a run that was interrupted goes on, and one with more seeds adds to what is there. ``--quick`` takes the digits alone
with a few seeds.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from autolabel.bench.compare import compare
from autolabel.bench.sample import Sample
from autolabel.bench.summary import summarise, table
from benchmarks.labeling_cost.page import promises, studied, verdict, write_page
from benchmarks.labeling_cost.plots import draw
from benchmarks.labeling_cost.sets import SETS
from benchmarks.labeling_cost.studies import Here, quick, sensitivity, strategies


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--output", type=Path, default=Path("labeling-cost"))
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--scale", type=float, default=1.0, help="of all numbers of seeds")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    folders = {name: SETS[name].folder(options.data, options.output) for name in options.only}
    for name in [name for name, folder in folders.items() if folder is None]:
        print(
            f"{name} is left out: no {SETS[name].below}/{name} with its three files in {options.data}", file=sys.stderr
        )
        del folders[name]
    if not folders or (options.quick and "digits" not in folders):
        parser.error(f"nothing to compare: {'--quick takes the digits' if folders else 'no data set is there'}")
    here = Here(folders, options.output, options.scale)
    if options.quick:
        here = quick(here)
    begun, cpu = time.monotonic(), _cpu_seconds()
    tasks, studies = strategies(here), sensitivity(here)
    every = [*tasks, *(task for study in studies for _, _, task in study.points)]
    _embed(every)
    log = options.output / "rows.jsonl"
    rows = compare(every, log, _say)
    lines = summarise(rows[: len(tasks)])
    pairs, at = [], len(tasks)
    for study in studies:
        pairs.append((study, rows[at : at + len(study.points)]))
        at += len(study.points)
    draw(options.output, rows[: len(tasks)], lines, pairs)
    jobs = {task.key(): row for task, row in zip(every, rows, strict=True)}  # studies share some
    facts = (
        f"{len(jobs):,} jobs, {sum(row.seconds for row in jobs.values()):,.0f} processor seconds; "
        f"{datetime.now(UTC).date()}, "
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores."
    )
    texts = [verdict(lines), promises(lines), table(lines)]
    texts += [f"### {study.title}\n\n{studied(study, found)}" for study, found in pairs]
    (options.output / "table.md").write_text("\n\n".join([facts, *texts]) + "\n", encoding="utf-8")
    page = write_page(options.output, lines, pairs, facts)
    print("\n\n".join(texts))
    print(
        f"\n{facts} This run: {time.monotonic() - begun:,.0f} s, {_cpu_seconds() - cpu:,.0f} of the processor. {page}"
    )
    return 0


def _embed(tasks) -> None:
    """Embed every data set once, with all cores, before the jobs share them out."""
    for folder, model, size, cache in dict.fromkeys(
        (task.folder, task.model, task.image_size, task.cache) for task in tasks
    ):
        print(f"embedding {Path(folder).name}", file=sys.stderr, flush=True)
        Sample.open(Path(folder), Path(cache), model=model, image_size=size)


def _say(done: int, total: int) -> None:
    if done == total or done % max(1, total // 20) == 0:
        print(f"{done:,} of {total:,} jobs", file=sys.stderr, flush=True)


def _cpu_seconds() -> float:
    """Return processor seconds of this process and of those that it waited for."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    sys.exit(main())

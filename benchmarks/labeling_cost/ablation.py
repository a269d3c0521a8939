"""Which part brings what: labels by people when one part of the engine is taken out, with the same seeds.

    python -m benchmarks.labeling_cost.ablation FOLDER... [--output ablation] [--seeds 5] [--error 0.05]
    python -m benchmarks.labeling_cost.ablation FOLDER... --strategy MCAL    # what a rival owes to our classifier

Each part is switched off where it is decided, nothing else is changed; the promise is kept without any of them. Every
rival is lent the whole classifier: another strategy than ours is run without parts of that alone.
"""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np

from autolabel.bench.compare import run_task, sample_of
from autolabel.bench.cores import on_every_core
from autolabel.bench.setting import Lessons
from autolabel.bench.strategies import OURS, STRATEGIES
from autolabel.learning.crossfit import Strengths
from autolabel.policy.terms import Terms
from benchmarks.labeling_cost.sets import SETS, DataSet


def _first_view_only(penalty, views):
    return Strengths(penalty, (1.0,) + (0.0,) * (len(views) - 1))


_VIEWS = (
    ("autolabel.learning.search.Strengths", _first_view_only),
    ("autolabel.learning.search._weigh", lambda _judge, here, _view: here),
)
_SAY = (("autolabel.learning.search.SAYS", (0.0,)),)
CLASSIFIER = {
    "nothing": (),
    "all views but the first": _VIEWS,
    "the search of strengths": (
        ("autolabel.policy.replay.search_again", lambda _labels, _at: False),
        ("autolabel.bench.pupil.search_again", lambda _labels, _at: False),
    ),
    "the neighbours' say": _SAY,
    "all views but the first, and the neighbours": _VIEWS + _SAY,
}
POLICY = {
    "looking further than one batch ahead": (("autolabel.quality.prospect.AHEAD", (1,)),),
    "the forecast's stretch": (("autolabel.quality.planner.USUAL_SLOPE", 1.0),),
    "choosing whom to ask": (("autolabel.bench.setting.Terms", partial(Terms, selection="random")),),
}
PARTS = CLASSIFIER | POLICY


def run(item):
    """Run one job without a part; return its labels by people and whether the promise was broken."""
    task, part = item
    with ExitStack() as stack:
        for target, value in PARTS[part]:
            stack.enter_context(patch(target, value))
        row = run_task(task, Lessons())
    return row.human, row.broken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=Path("ablation"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--error", type=float, default=0.05)
    parser.add_argument("--strategy", choices=list(STRATEGIES), default=OURS)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    parts = PARTS if options.strategy == OURS else CLASSIFIER
    for folder in options.folders:
        own = SETS.get(folder.name, DataSet(folder.name, ""))
        tasks = [
            own.task(folder, options.output, options.strategy, seed, error=options.error)
            for seed in range(options.seeds)
        ]
        sample_of(tasks[0])  # embedded once, before the cores share it
        people = {part: {} for part in parts}
        for (task, part), (labels, broken) in on_every_core(run, [(task, part) for part in parts for task in tasks]):
            people[part][task.seed] = labels
            with (options.output / "rows.jsonl").open("a", encoding="utf-8") as log:
                row = {"data": folder.name, "strategy": options.strategy, "without": part, "seed": task.seed}
                log.write(json.dumps(row | {"human": labels, "broken": broken}) + "\n")
        print(f"\n| `{folder.name}`, {options.strategy}, without | labels by people | more |\n|---|---|---|")
        whole = np.asarray([people["nothing"][seed] for seed in range(options.seeds)])
        for part in parts:
            found = np.asarray([people[part][seed] for seed in range(options.seeds)])
            error = (found - whole).std(ddof=1) / whole.mean() / np.sqrt(options.seeds) if options.seeds > 1 else 0.0
            more = found.mean() / whole.mean() - 1
            print(f"| {part} | {found.mean():,.0f} | {more:+.1%} ± {error:.1%} |", flush=True)


if __name__ == "__main__":
    main()

"""Which part brings what: labels by people when one part of the engine is taken out, with the same seeds.

    python -m benchmarks.labeling_cost.ablation FOLDER... [--output ablation] [--seeds 5] [--error 0.05]

Each part is switched off where it is decided, nothing else is changed; the promise is kept without any of them.
"""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

from autolabel.bench.compare import Task, sample_of
from autolabel.bench.cores import on_every_core
from autolabel.bench.people import People
from autolabel.bench.setting import Setting
from autolabel.learning.crossfit import Strengths
from autolabel.policy.replay import replay
from autolabel.quality.contract import Quality


def _first_view_only(penalty, views):
    return Strengths(penalty, (1.0,) + (0.0,) * (len(views) - 1))


PARTS = {
    "nothing": (),
    "all views but the first": (
        ("autolabel.learning.search.Strengths", _first_view_only),
        ("autolabel.learning.search._weigh", lambda _judge, here, _view: here),
    ),
    "the search of strengths": (("autolabel.policy.replay.search_again", lambda _labels, _at: False),),
    "the neighbours' say": (("autolabel.learning.search.SAYS", (0.0,)),),
    "looking further than one batch ahead": (("autolabel.quality.prospect.AHEAD", (1,)),),
    "the forecast's stretch": (("autolabel.quality.planner.USUAL_SLOPE", 1.0),),
    "choosing whom to ask": (),
}


def run(item):
    """Replay one job without a part; return its labels by people and whether the promise was broken."""
    task, part = item
    sample = sample_of(task)
    setting = Setting(sample, People.right(sample.truth), Quality(task.error, task.confidence), task.seed, task.batch)
    terms = setting.terms()
    if part == "choosing whom to ask":
        terms = replace(terms, selection="random")
    with ExitStack() as stack:
        for target, value in PARTS[part]:
            stack.enter_context(patch(target, value))
        found = replay(sample.learner, setting.people, terms, setting.rng, pool=sample.pool)
    wrong = int((found.machine_labels != sample.truth[found.machine]).sum())
    return found.people, wrong > task.error * len(sample.truth)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=Path("ablation"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--error", type=float, default=0.05)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for folder in options.folders:
        tasks = [
            Task(str(folder), str(options.output / "samples"), "autolabel", seed, error=options.error)
            for seed in range(options.seeds)
        ]
        sample_of(tasks[0])  # embedded once, before the cores share it
        people = {part: {} for part in PARTS}
        for (task, part), (labels, broken) in on_every_core(run, [(task, part) for part in PARTS for task in tasks]):
            people[part][task.seed] = labels
            with (options.output / "rows.jsonl").open("a", encoding="utf-8") as log:
                row = {"data": folder.name, "without": part, "seed": task.seed, "human": labels, "broken": broken}
                log.write(json.dumps(row) + "\n")
        print(f"\n| `{folder.name}` without | labels by people | more |\n|---|---|---|")
        whole = np.asarray([people["nothing"][seed] for seed in range(options.seeds)])
        for part in PARTS:
            found = np.asarray([people[part][seed] for seed in range(options.seeds)])
            error = (found - whole).std(ddof=1) / whole.mean() / np.sqrt(options.seeds) if options.seeds > 1 else 0.0
            more = found.mean() / whole.mean() - 1
            print(f"| {part} | {found.mean():,.0f} | {more:+.1%} ± {error:.1%} |", flush=True)


if __name__ == "__main__":
    main()

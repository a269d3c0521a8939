"""What the planner costs: its jobs beside the best fixed schedule, which is chosen in hindsight.

    python -m benchmarks.labeling_cost.schedules FOLDER... [--output schedules] [--seeds 5] [--error 0.05]

A fixed schedule is a number of labels for training and a number of audits, decided before the job begins. Every seed's
rounds are replayed far beyond the planner's own stop; after each, every audit size of a grid is drawn a few times and
walked with the truth. The schedule with the fewest labels by people on average over the seeds is the best one: nobody
could have known it. Beside it stands what the planner needed with the same seeds, how far off its forecasts of the
total were (the last one, and the one when half of its training labels were bought), and the floor under every stop and
every audit with this classifier and this choice of whom to ask: labels by people if the truth were known for nothing,
so that exactly as many wrong labels are delivered as are promised.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autolabel.bench.compare import compare, sample_of
from autolabel.bench.cores import on_every_core
from autolabel.bench.people import People
from autolabel.bench.setting import Setting
from autolabel.bench.strategies import OURS
from autolabel.policy.replay import Rounds
from autolabel.quality.audit import draw_audit, places_by_confidence, walk
from autolabel.quality.contract import Quality
from autolabel.quality.rule import audits_needed, wrong_labels_that_break
from benchmarks.labeling_cost.sets import SETS, DataSet

if TYPE_CHECKING:
    from autolabel.bench.compare import Task

ALLOWED = (0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 85, 113, 150)
DRAWS = 20
BEYOND = 2.0
"""Fixed schedules train on up to this many times the labels that the planner bought."""


@dataclass(frozen=True)
class Trace:
    """One seed's rounds, replayed until so many labels."""

    task: Task
    labels: int


def trace(wanted):
    """Labels by people in all, for every pair of training labels and allowed audit errors, and the floor: one seed."""
    task = wanted.task
    sample = sample_of(task)
    quality = Quality(task.error, task.confidence)
    setting = Setting(sample, People.right(sample.truth), quality, task.seed, task.batch)
    terms = setting.terms()
    rounds = Rounds.begin(sample.learner, setting.people, terms, setting.rng, sample.pool)
    found, floor = {}, len(sample.truth)
    while True:
        rounds.train()
        floor = min(floor, known(rounds, sample.truth))
        for allowed, look in looks(rounds, sample.truth, task.seed):
            found[len(rounds.labeled), allowed] = look
        if len(rounds.labeled) >= wanted.labels or len(rounds.remainder) <= terms.batch:
            return found, floor
        rounds.buy(terms.batch)


def mistakes(rounds, truth):
    """Whether each predicted label of the remainder is wrong, the most confident first."""
    order = places_by_confidence(rounds.remainder, rounds.predictions.error_probability)
    return (rounds.predictions.predicted != truth[rounds.remainder])[order]


def known(rounds, truth):
    """Labels by people after this round if every answer were known: no audit, no margin."""
    limit = wrong_labels_that_break(rounds.terms.quality.error, len(truth))
    return len(truth) - int((np.cumsum(mistakes(rounds, truth)) < limit).sum())


def looks(rounds, truth, seed):
    """Yield every number of audited errors that may be allowed, with the audits and mean labels by people in all."""
    remainder, quality = rounds.remainder, rounds.terms.quality
    limit = wrong_labels_that_break(quality.error, len(truth))
    wrong = mistakes(rounds, truth)
    for allowed in ALLOWED:
        audits = audits_needed(len(remainder), limit, allowed, quality.delta)
        if audits is None:
            return
        rng = np.random.default_rng([seed, rounds.number, allowed])
        totals = []
        for _ in range(DRAWS):
            ranks = draw_audit(len(remainder), audits, rng)
            totals.append(len(truth) - walk(len(remainder), ranks, wrong[ranks], allowed).machine_labeled)
        yield allowed, (audits, float(np.mean(totals)))


def best_schedule(traces):
    """Return training labels, allowed errors, audits and mean total of the pair that was best over all seeds."""
    everywhere = set.intersection(*(set(each) for each in traces))
    mean = {pair: float(np.mean([each[pair][1] for each in traces])) for pair in everywhere}
    labels, allowed = min(mean, key=mean.get)
    return labels, allowed, traces[0][labels, allowed][0], mean[labels, allowed]


def off(forecast, outcome):
    """How far a forecast was off, as a share of the outcome."""
    return abs(forecast - outcome) / outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=Path("schedules"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--error", type=float, default=0.05)
    options = parser.parse_args()
    print(
        "| data set (seeds) | planner: train + audit + rest | best fixed schedule | regret "
        "| last forecast off | half-way | if the truth were known |\n|---|---|---|---|---|---|---|",
        flush=True,
    )
    options.output.mkdir(parents=True, exist_ok=True)
    for folder in options.folders:
        own = SETS.get(folder.name, DataSet(folder.name, ""))
        tasks = [own.task(folder, options.output, OURS, seed, error=options.error) for seed in range(options.seeds)]
        rows = compare(tasks, options.output / "rows.jsonl", lambda _done, _all: None)
        reach = int(BEYOND * np.mean([row.train for row in rows]))
        outcomes = [found for _, found in on_every_core(trace, [Trace(task, reach) for task in tasks])]
        traces, floor = [found for found, _ in outcomes], float(np.mean([least for _, least in outcomes]))
        labels, allowed, audits, best = best_schedule(traces)
        total = float(np.mean([row.human for row in rows]))
        parts = [np.mean([getattr(row, part) for row in rows]) for part in ("train", "check", "rest")]
        last = np.median([off(row.forecast, row.human) for row in rows])
        half = np.median([off(row.forecast_half, row.human) for row in rows])
        line = {
            "data": folder.name, "planner": total, "best": best, "labels": labels, "audits": audits,
            "allowed": allowed, "regret": total / best - 1, "last": last, "half": half, "floor": floor,
            "seeds": options.seeds,
        }  # fmt: skip
        with (options.output / "regret.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        print(
            f"| `{folder.name}` ({options.seeds}) | {parts[0]:,.0f} + {parts[1]:,.0f} + {parts[2]:,.0f} = {total:,.0f} "
            f"| {labels:,} + {audits:,}: {best:,.0f} | {total / best - 1:+.1%} "
            f"| {last:.1%} | {half:.1%} | {floor:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

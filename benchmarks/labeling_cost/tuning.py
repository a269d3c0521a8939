"""What training the network brings: the same random labels with frozen features, and with the trained networks beside.

    python -m benchmarks.labeling_cost.tuning FOLDER... [--labels 600] [--seeds 1] [--output tuning] [--jobs]

With ``--jobs`` whole jobs are replayed instead, with and without, the network being trained once, as soon as there are
that many labels. After every round stands what the job would have cost in labels by people had it looked then, with the
best size of audit, on average over draws of it: a job's own total is mostly the luck of its one audit.

Otherwise shown are the share of right predictions among the other objects, the area under the risk-coverage curve, the
most objects that the machine could label while 4 % of all are wrong (an oracle's choice of the threshold, so that no
audit blurs the comparison), and the predicted beside the real share of errors. Seconds are those of training and of
seeing the pool anew.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from autolabel.bench.compare import sample_of
from autolabel.bench.people import People
from autolabel.bench.setting import Setting
from autolabel.policy.replay import Rounds
from autolabel.policy.round import assess
from autolabel.quality.contract import Quality
from autolabel.quality.prospect import Decision
from benchmarks.labeling_cost.schedules import looks
from benchmarks.labeling_cost.sets import SETS, DataSet

WRONG = 0.04


def row(sample, learner, labeled) -> str:
    rest = np.setdiff1d(sample.pool, labeled)
    model, _ = learner.fit(labeled, sample.truth[labeled].tolist(), previous=None, search=True)
    found = learner.score(model, rest)
    wrong = found.predicted != sample.truth[rest]
    errors = np.cumsum(wrong[np.argsort(found.error_probability, kind="stable")])
    machine = int(np.searchsorted(errors, WRONG * len(sample.truth), side="right"))
    area = float(np.mean(errors / np.arange(1, len(rest) + 1)))
    return (
        f"{1 - wrong.mean():.1%} | {area:.4f} | {machine:,} of {len(rest):,} | "
        f"{found.error_probability.mean():.1%} / {wrong.mean():.1%}"
    )


def jobs(sample, seed: int, labels: int) -> None:
    people, quality = People.right(sample.truth), Quality()
    for name in ("frozen", "trained"):
        setting = Setting(sample, people, quality, seed)
        rounds = Rounds.begin(sample.learner, people, setting.terms(), setting.rng, sample.pool)
        totals = {}
        stopped = None
        with sample.tuner() as tune:
            while stopped is None:
                rounds.train()
                if name == "trained" and rounds.tuned_at is None and len(rounds.labeled) >= labels:
                    rounds.tune(tune)
                    rounds.train()
                totals[len(rounds.labeled)] = min(total for _, (_, total) in looks(rounds, sample.truth, seed))
                found = assess(
                    rounds.terms,
                    rounds.remainder,
                    rounds.predictions,
                    rounds.evidence,
                    labeled=len(rounds.labeled),
                    trained_on=len(rounds.labeled),
                    budget=rounds.budget,
                )
                if found.decision is Decision.LOOK:
                    stopped = len(rounds.labeled)
                else:
                    rounds.buy(found.buy)
        course = ", ".join(f"{count:,}: {total:,.0f}" for count, total in totals.items())
        print(f"| {sample.name} | {seed} | {name} | {stopped:,} | **{totals[stopped]:,.0f}** | {course} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--labels", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("tuning"), help="folder of the embeddings")
    parser.add_argument("--jobs", action="store_true", help="whole jobs, in memory")
    options = parser.parse_args()
    if options.jobs:
        print("| data set | seed | | looks at | labels by people | had it looked at |")
        print("|---|---|---|---|---|---|")
        for folder in options.folders:
            own = SETS.get(folder.name) or DataSet(folder.name, "")
            for seed in range(options.seeds):
                jobs(sample_of(own.task(folder, options.output, "autolabel", seed)), seed, options.labels)
        return
    print("| data set | seed | labels | | right | area | the machine's | predicted / real errors | seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for folder in options.folders:
        own = SETS.get(folder.name) or DataSet(folder.name, "")
        sample = sample_of(own.task(folder, options.output, "autolabel", 0))
        for seed in range(options.seeds):
            labeled = np.sort(np.random.default_rng(seed).choice(sample.pool, options.labels, replace=False))
            begin = f"| {folder.name} | {seed} | {options.labels:,} |"
            print(begin, "frozen |", row(sample, sample.learner, labeled), "| |", flush=True)
            with sample.tuner() as tune:
                begun = time.perf_counter()
                tuned = tune(sample.learner, labeled, sample.truth[labeled])
                seconds = time.perf_counter() - begun
                print(begin, "trained |", row(sample, tuned, labeled), f"| {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()

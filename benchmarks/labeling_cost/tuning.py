"""What training the network brings: the same random labels with frozen features, and with the trained networks beside.

    python -m benchmarks.labeling_cost.tuning FOLDER... [--labels 600] [--seeds 1] [--output tuning]

Shown are the share of right predictions among the other objects, the area under the risk-coverage curve, the most
objects that the machine could label while 4 % of all are wrong (an oracle's choice of the threshold, so that no audit
blurs the comparison), and the predicted beside the real share of errors. Seconds are those of training and of seeing
the pool anew.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from autolabel.bench.compare import sample_of
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--labels", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("tuning"), help="folder of the embeddings")
    options = parser.parse_args()
    print("| data set | seed | labels | | right | area | the machine's | predicted / real errors | seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for folder in options.folders:
        own = SETS.get(folder.name) or DataSet(folder.name, "", 1, 1)
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

"""Time and memory of consolidating many answers.

    python -m benchmarks.consolidation.scale [--answers 1000000] [--classes 10] [--each 5] [--workers 2000]
        [--crowd-kit]

Made-up one-coin workers of 60 to 99 %, each object answered by different ones. Every contender runs in a process of its
own; memory is its peak beyond what it held before.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

from autolabel.consolidation.agreement import agreement
from autolabel.consolidation.classes import Consolidation, consolidate_classes
from autolabel.consolidation.redundancy import worth_asking

CONTENDERS = (*(method.value for method in Consolidation), "agreement", "worth-asking")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2000)
    parser.add_argument("--crowd-kit", action="store_true")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(run(options)))
        return 0
    print("| contender | wall s | processor s | memory | right |")
    print("|---|---|---|---|---|")
    for name in (*CONTENDERS, *(["crowd-kit"] if options.crowd_kit else [])):
        command = [sys.executable, "-m", "benchmarks.consolidation.scale", "--only", name]
        for key in ("answers", "classes", "each", "workers"):
            command += [f"--{key}", str(getattr(options, key))]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        right = "" if row["right"] is None else f"{100 * row['right']:.2f} %"
        print(f"| {name} | {row['wall']:.2f} | {row['cpu']:.2f} | {row['memory']:.2f} GB | {right} |", flush=True)
    return 0


def run(options: argparse.Namespace) -> dict:
    truth, objects, workers, labels = crowd(options)
    before = peak()
    wall, cpu = time.perf_counter(), time.process_time()
    right = None
    if options.only == "crowd-kit":
        import pandas as pd
        from crowdkit.aggregation import DawidSkene

        answers = pd.DataFrame({"task": objects, "worker": workers, "label": labels})
        found = DawidSkene(n_iter=10).fit_predict(answers).sort_index().to_numpy()
        right = float((found == truth).mean())
    elif options.only == "agreement":
        agreement(objects, labels)
    elif options.only == "worth-asking":
        rng = np.random.default_rng(1)
        posterior = rng.dirichlet(np.full(options.classes, 0.2), len(truth))
        confusion = np.full((options.classes, options.classes), 0.2 / (options.classes - 1))
        np.fill_diagonal(confusion, 0.8)
        worth_asking(posterior, confusion, np.full(len(truth), 3), price=1.0, error_value=40.0)
    else:
        method = Consolidation(options.only)
        found = consolidate_classes(objects, workers, labels, classes=options.classes, method=method).labels
        right = float((found == truth).mean())
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "memory": (peak() - before) / 1e6,
        "right": right,
    }


def crowd(options: argparse.Namespace):
    """Draw truth and answers: object, worker and class of each."""
    rng = np.random.default_rng(0)
    count = options.answers // options.each
    truth = rng.integers(options.classes, size=count)
    accuracy = np.linspace(0.6, 0.99, options.workers)
    objects = np.repeat(np.arange(count), options.each)
    first = rng.integers(options.workers, size=count)
    workers = (first[:, None] + 1 + np.arange(options.each) * 37) % options.workers
    workers = workers.ravel()
    wrong = (truth[objects] + rng.integers(1, options.classes, size=len(objects))) % options.classes
    labels = np.where(rng.random(len(objects)) < accuracy[workers], truth[objects], wrong)
    return truth, objects, workers, labels


def peak() -> int:
    """Peak resident size in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main())

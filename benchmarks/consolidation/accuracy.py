"""Right labels of each consolidation on crowd answer sets with truth, from all answers and from a few an object.

    python -m benchmarks.consolidation.accuracy CROWD_FOLDER [--answers 3 5] [--seeds 5] [--crowd-kit] [--json]

``--crowd-kit`` (``pip install crowd-kit``, which brings pandas and transformers) sets its Dawid-Skene beside ours, and
counts how often ours with next to no smoothing, which is the same model, gives the same label.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autolabel.consolidation.dawid_skene import dawid_skene
from autolabel.consolidation.ground_truth import ground_truth_em
from autolabel.consolidation.majority import majority
from benchmarks.consolidation.sets import CrowdSet, crowd_sets

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

NEVER = 10**9
PLAIN = partial(dawid_skene, own=1e-6, crowd=1e-6, one_coin_below=0, epochs=100, tolerance=1e-8)
METHODS = {
    "majority": majority,
    "ground-truth": ground_truth_em,
    "one-coin": partial(dawid_skene, one_coin_below=NEVER),
    "plain": PLAIN,
    "pooled": partial(dawid_skene, one_coin_below=0),
    "dawid-skene": dawid_skene,
}
"""``plain`` is the textbook's model; ``pooled`` is the default but for its one-coin workers of few answers."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--answers", type=int, nargs="*", default=[3, 5], help="also with at most so many an object")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--crowd-kit", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sets = list(crowd_sets(options.folder))
    for answers in (None, *options.answers):
        rows = []
        for crowd in sets:
            if answers is not None and crowd.answers_each < answers:
                continue
            rows.append(measure(crowd, answers, options))
            if options.json:
                print(json.dumps(rows[-1]), flush=True)
        if not options.json:
            table(rows, answers)
    return 0


def measure(crowd: CrowdSet, answers: int | None, options: argparse.Namespace) -> dict:
    """Label one set by every method, averaged over random choices of the answers."""
    chosen = [crowd] if answers is None else [crowd.first(answers, seed) for seed in range(options.seeds)]
    row: dict = {"set": crowd.name, "answers": answers or round(crowd.answers_each, 1), "seconds": {}}
    for name, method in METHODS.items():
        begun = time.perf_counter()
        row[name] = float(np.mean([given.accuracy(labels(method, given)) for given in chosen]))
        row["seconds"][name] = round((time.perf_counter() - begun) / len(chosen), 3)
    if options.crowd_kit and answers is None:
        begun = time.perf_counter()
        theirs = crowd_kit_labels(crowd)
        row["seconds"]["crowd-kit"] = round(time.perf_counter() - begun, 3)
        row["crowd-kit"] = crowd.accuracy(theirs)
        row["same as crowd-kit"] = float((labels(PLAIN, crowd) == theirs).mean())
    return row


def labels(method: Callable, crowd: CrowdSet) -> NDArray:
    """Most probable class of each object, the first among equals."""
    posterior = method(crowd.objects, crowd.workers, crowd.labels, classes=crowd.classes).posterior
    return (posterior >= posterior.max(axis=1, keepdims=True) - 1e-9).argmax(axis=1)


def crowd_kit_labels(crowd: CrowdSet) -> NDArray:
    """Labels of crowd-kit's Dawid-Skene with its own defaults, 100 iterations."""
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    answers = pd.DataFrame({"task": crowd.objects, "worker": crowd.workers, "label": crowd.labels})
    return DawidSkene(n_iter=100).fit_predict(answers).reindex(range(len(crowd.truth))).to_numpy()


def table(rows: list[dict], answers: int | None) -> None:
    """Print one line a set, then mean and median."""
    kinds = [key for key in rows[0] if key not in {"set", "answers", "seconds"}]
    print(f"\n| {'all answers' if answers is None else f'{answers} answers an object'} | " + " | ".join(kinds) + " |")
    print("|---" * (len(kinds) + 1) + "|")
    for row in rows:
        print(f"| `{row['set']}` | " + " | ".join(f"{100 * row[kind]:.1f}" for kind in kinds) + " |")
    for name, over in (("mean", np.mean), ("median", np.median)):
        print(f"| {name} | " + " | ".join(f"{100 * over([row[kind] for row in rows]):.2f}" for kind in kinds) + " |")
    timed = rows[0]["seconds"]
    seconds = " | ".join(
        f"{sum(row['seconds'].get(kind, 0) for row in rows):.2f}" if kind in timed else "" for kind in kinds
    )
    print(f"| seconds, all sets | {seconds} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())

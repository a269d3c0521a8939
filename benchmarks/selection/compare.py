"""What a strategy's labels are worth: accuracy of a linear head after the first batch and after five.

    python -m benchmarks.selection.compare DATA_SET_FOLDER [--cache FOLDER] [--seeds 5] [--batch 20] [--rounds 5]
        [--part cold warm start]

A tenth of the objects, at least 1,000, are held out at random and judged; the rest is the pool. A first batch comes
from a strategy that needs no model (part `cold`); then every strategy takes four more batches after the same uniform
first batch, so that only what is chosen differs (part `warm`). Part `start` goes on from every first batch with the
default of a job instead: what a better beginning is still worth later. Figures are mean accuracy over the seeds, and
the mean difference from `random` with its standard error: seeds are paired, since a seed fixes who is held out and the
uniform first batch. Strategies are plain; `explored` rows have a tenth of their batches drawn uniformly, as jobs do.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from autolabel.learning.features import fit_features
from autolabel.learning.head import fit_head
from autolabel.selection.strategies import COLD_STRATEGIES, PLAIN_STRATEGIES, STRATEGIES
from autolabel.selection.view import PoolView
from benchmarks.selection.embeddings import embedded

PENALTY = 0.03
HELD_OUT = 0.1
LEAST_HELD_OUT = 1_000
DEFAULT = "margin-diverse"
EXPLORED = (DEFAULT, "margin", "badge")
HALF = "half medoids"
"""What a job's cold start does: half of the batch medoids, half uniform."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, help="where embeddings are kept (default: a temporary folder)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--batch", type=int, help="objects a batch (default: a job's: a fiftieth of the data)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--part", nargs="*", choices=("cold", "warm", "start"), default=("cold", "warm", "start"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="selection-") as folder:
        vectors, truth = embedded(options.folder, options.cache or Path(folder))
    features = fit_features(vectors).apply(vectors)
    batch = options.batch or max(20, 2 * (int(truth.max()) + 1), len(truth) // 50)
    runs = [one_seed(features, truth, batch, options, seed) for seed in range(options.seeds)]
    for part in options.part:
        labels = batch if part == "cold" else batch * options.rounds
        for row in rows_of(part, [run[part] for run in runs], labels):
            found = {"data": options.folder.name, **row}
            print(json.dumps(found) if options.json else table_row(found), flush=True)
    return 0


def one_seed(features, truth, batch, options, seed) -> dict:
    """Accuracy of every strategy's first batch, and of every strategy after the last."""
    order = np.random.default_rng([seed, 0]).permutation(len(truth))
    held = max(LEAST_HELD_OUT, round(HELD_OUT * len(truth)))
    judged, pool = np.sort(order[:held]), np.sort(order[held:])
    trial = Trial(features, truth, judged)
    firsts = {name: first_batch(trial, pool, name, batch, seed) for name in (*sorted(COLD_STRATEGIES), HALF)}
    go_on = partial(trial.run, pool=pool, batch=batch, rounds=options.rounds, seed=seed)
    found = {}
    if "cold" in options.part:
        found["cold"] = {name: trial.accuracy(first) for name, first in firsts.items()}
    if "warm" in options.part:
        strategies = {**PLAIN_STRATEGIES, **{f"{name}, explored": STRATEGIES[name] for name in EXPLORED}}
        labeled = {name: go_on(strategy, first=firsts["random"]) for name, strategy in strategies.items()}
        found["warm"] = {name: trial.accuracy(objects) for name, objects in labeled.items()}
    if "start" in options.part:
        labeled = {name: go_on(STRATEGIES[DEFAULT], first=first) for name, first in firsts.items()}
        found["start"] = {name: trial.accuracy(objects) for name, objects in labeled.items()}
    return found


def first_batch(trial, pool, name, batch, seed):
    """Objects of a first batch that no model chose."""
    rng = np.random.default_rng([seed, 1])
    view = PoolView(pool, trial.features_of)
    if name != HALF:
        return PLAIN_STRATEGIES[name](view, batch, rng).objects
    uniform = PLAIN_STRATEGIES["random"](view, batch - batch // 2, rng).objects
    left = PoolView(np.setdiff1d(pool, uniform), trial.features_of)
    return np.union1d(uniform, PLAIN_STRATEGIES["medoids"](left, batch // 2, rng).objects)


class Trial:
    """One pool, and how good a head is that was trained on some of it."""

    def __init__(self, features, truth, judged):
        self.features = features
        self.truth = truth
        self.judged = judged
        self.classes = int(truth.max()) + 1

    def features_of(self, objects):
        """Features of some objects."""
        return self.features[objects]

    def head(self, labeled, start=None):
        """Train on some objects' true labels."""
        x, y = self.features[labeled], self.truth[labeled]
        return fit_head(x, y, classes=self.classes, penalty=PENALTY, start=start)

    def accuracy(self, labeled) -> float:
        """Share of the judged objects that a head trained on `labeled` gets right."""
        predicted = self.head(labeled).probabilities(self.features[self.judged]).argmax(axis=1)
        return float((predicted == self.truth[self.judged]).mean())

    def run(self, strategy, *, pool, first, batch, rounds, seed):
        """Label `rounds` batches, the first given; return everyone labeled."""
        labeled, head = first, None
        for number in range(1, rounds):
            head = self.head(labeled, head)
            objects = np.setdiff1d(pool, labeled)
            view = PoolView(objects, self.features_of, head=head.probabilities, labeled=labeled)
            labeled = np.union1d(labeled, strategy(view, batch, np.random.default_rng([seed, 2, number])).objects)
        return labeled


def rows_of(part, runs, labels):
    """One row a strategy: mean accuracy, mean difference from random and its standard error."""
    base = np.asarray([run["random"] for run in runs])
    for name in runs[0]:
        accuracy = np.asarray([run[name] for run in runs])
        gain = accuracy - base
        yield {
            "part": part,
            "labels": labels,
            "strategy": name,
            "accuracy": round(float(accuracy.mean()), 4),
            "gain": round(float(gain.mean()), 4),
            "error": round(float(gain.std(ddof=1) / np.sqrt(len(gain))), 4),
        }


def table_row(row) -> str:
    return (
        f"| `{row['data']}` | {row['part']} | {row['labels']:,} | {row['strategy']} | {row['accuracy']:.1%} | "
        f"{100 * row['gain']:+.1f} ± {100 * row['error']:.1f} |"
    )


if __name__ == "__main__":
    raise SystemExit(main())

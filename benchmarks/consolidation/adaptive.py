"""Answers and errors of adaptive redundancy beside fixed redundancy, on real people's answers.

    python -m benchmarks.consolidation.adaptive CROWD_FOLDER [--most 5] [--cifar TRUTH.jsonl]

Every set is labeled in twenty batches as a job does it: two answers to each object of a batch, then one more where it
is worth its price, with everything answered so far informing the decision. An object's answers come in a random order,
so that what is not asked for is not seen. Cells are answers an object, and the share of right labels in percent.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from autolabel.consolidation.classes import AnswerSheet, Consolidation, consolidate_classes
from autolabel.consolidation.redundancy import worth_asking
from benchmarks.consolidation.sets import CrowdSet, crowd_sets

BATCHES = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--error-value", type=float, nargs="+", default=[40.0], help="of a wrong label, in answers")
    parser.add_argument("--start", type=int, default=2, help="answers an object is first asked for")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cifar", type=Path, help="truth.jsonl of CIFAR-10 with people's answers in it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sets = list(crowd_sets(options.folder))
    sets += [simulated(), *([cifar(options.cifar)] if options.cifar is not None else [])]
    for most in options.most:
        rows = []
        for crowd in sets:
            if crowd.answers_each < most:
                continue
            for seed in range(options.seeds):
                rows.append(compare(crowd, most, options, seed))
                if options.json:
                    print(json.dumps(rows[-1]), flush=True)
        if not options.json:
            table(rows)
    return 0


def compare(crowd: CrowdSet, most: int, options: argparse.Namespace, seed: int) -> dict:
    """Label one set with each fixed redundancy from two, and with adaptive redundancy at each error value."""
    given = crowd.first(most, seed)
    queue = queues(given, seed)
    row = {"set": crowd.name, "most": most, "seed": seed}
    for fixed in range(2, most + 1):
        answers, predicted = label(crowd, queue[:, :fixed], fixed, 0.0, seed)
        row[f"fixed {fixed}"] = [answers, crowd.accuracy(predicted)]
    for value in options.error_value:
        answers, predicted = label(crowd, queue, options.start, value, seed)
        row[f"adaptive, {value:g}"] = [answers, crowd.accuracy(predicted)]
    return row


def queues(crowd: CrowdSet, seed: int) -> np.ndarray:
    """Answers of each object in the order in which they would come: (worker, label) pairs, shape ``(N, most, 2)``.

    Where an object has fewer, pairs of -1 stand for answers that nobody gave.
    """
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(crowd.objects))
    order = order[np.argsort(crowd.objects[order], kind="stable")]
    objects = crowd.objects[order]
    place = np.arange(len(order)) - np.searchsorted(objects, objects)
    found = np.full((len(crowd.truth), int(place.max()) + 1, 2), -1)
    found[objects, place, 0], found[objects, place, 1] = crowd.workers[order], crowd.labels[order]
    return found


def label(crowd: CrowdSet, queue: np.ndarray, start: int, value: float, seed: int) -> tuple[float, np.ndarray]:
    """Return answers an object and the labels; a `start` with all answers of the queue is fixed redundancy."""
    most = queue.shape[1]
    asked = np.zeros(len(queue), int)
    labels = np.zeros(len(queue), int)
    batches = np.array_split(np.random.default_rng([seed, 2]).permutation(len(queue)), BATCHES)
    for batch in batches:
        asked[batch] = start
        for _ in range(most - start):
            sheet = sheet_of(queue, asked, crowd.classes)
            found = sheet.posterior(Consolidation.DAWID_SKENE)
            places = np.searchsorted(sheet.objects, batch)
            left = most - asked[batch]
            more = batch[worth_asking(found.posterior[places], found.confusion, left, price=1.0, error_value=value)]
            if not len(more):
                break
            asked[more] += 1
        sheet = sheet_of(queue, asked, crowd.classes)
        done = consolidate(sheet)
        labels[batch] = done.labels[np.searchsorted(done.objects, batch)]
    given = (queue[:, :, 0] >= 0) & (np.arange(most) < asked[:, None])
    return float(given.sum() / len(queue)), labels


def sheet_of(queue: np.ndarray, asked: np.ndarray, classes: int) -> AnswerSheet:
    rows, places = np.nonzero((np.arange(queue.shape[1]) < asked[:, None]) & (queue[:, :, 0] >= 0))
    return AnswerSheet.of(rows, queue[rows, places, 0], queue[rows, places, 1], classes=classes)


def consolidate(sheet: AnswerSheet):
    return consolidate_classes(sheet.objects[sheet.rows], sheet.workers, sheet.labels, classes=sheet.classes)


def simulated(count: int = 3000, workers: int = 60, answers: int = 9, classes: int = 10) -> CrowdSet:
    """Draw one-coin workers of 70 to 99 %."""
    rng = np.random.default_rng(1)
    truth = rng.integers(classes, size=count)
    who = np.array([rng.choice(workers, answers, replace=False) for _ in truth]).ravel()
    objects = np.repeat(np.arange(count), answers)
    wrong = (truth[objects] + rng.integers(1, classes, size=len(objects))) % classes
    labels = np.where(rng.random(len(objects)) < np.linspace(0.7, 0.99, workers)[who], truth[objects], wrong)
    return CrowdSet("simulated 70-99 %", objects, who, labels, truth, classes)


def cifar(path: Path, workers: int = 200, answers: int = 9) -> CrowdSet:
    """Draw answers from what people said of each image (CIFAR-10H counts); who they were is not known."""
    rng = np.random.default_rng(0)
    weights, truth = [], []
    with path.open() as lines:
        for line in lines:
            record = json.loads(line)
            if "human_counts" in record:
                weights.append(record["human_counts"])
                truth.append(record["class_id"])
    shares = np.cumsum(np.array(weights) / np.sum(weights, axis=1, keepdims=True), axis=1)
    drawn = (rng.random((len(truth), answers))[:, :, None] > shares[:, None, :-1]).sum(axis=2)
    who = np.array([rng.choice(workers, answers, replace=False) for _ in truth])
    objects = np.repeat(np.arange(len(truth)), answers)
    return CrowdSet("cifar-10h", objects, who.ravel(), drawn.ravel(), np.array(truth), shares.shape[1])


def table(rows: list[dict]) -> None:
    """Print one line a set, averaged over the seeds."""
    kinds = [key for key in rows[0] if key not in {"set", "most", "seed"}]
    print(f"\n| at most {rows[0]['most']} | " + " | ".join(kinds) + " |")
    print("|---" * (len(kinds) + 1) + "|")
    names = list(dict.fromkeys(row["set"] for row in rows))
    means = {}
    for name in names:
        cells = {kind: np.mean([row[kind] for row in rows if row["set"] == name], axis=0) for kind in kinds}
        means[name] = cells
        print(f"| `{name}` | " + " | ".join(f"{a:.2f}: {100 * b:.1f}" for a, b in cells.values()) + " |")
    over = {kind: np.mean([means[name][kind] for name in names], axis=0) for kind in kinds}
    print("| mean | " + " | ".join(f"{a:.2f}: {100 * b:.1f}" for a, b in over.values()) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())

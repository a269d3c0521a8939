"""Crowd answer sets: one folder a set, ``answers.csv`` (item, worker, label) and ``truth.csv`` (item, label)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

UNKNOWN = -1


@dataclass(frozen=True)
class CrowdSet:
    """Answers, one entry each, and the truth of every object, `UNKNOWN` where nobody knows it."""

    name: str
    objects: NDArray
    workers: NDArray
    labels: NDArray
    truth: NDArray
    classes: int

    @property
    def answers_each(self) -> float:
        """Mean number of answers an object."""
        return len(self.labels) / len(self.truth)

    def accuracy(self, predicted: NDArray) -> float:
        """Share of right labels among the objects whose truth is known."""
        known = self.truth != UNKNOWN
        return float((predicted[known] == self.truth[known]).mean())

    def first(self, answers: int, seed: int) -> CrowdSet:
        """Keep at most `answers` answers an object, drawn at random."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self.objects))
        order = order[np.argsort(self.objects[order], kind="stable")]
        sorted_objects = self.objects[order]
        begin = np.searchsorted(sorted_objects, sorted_objects)
        kept = np.sort(order[np.arange(len(order)) - begin < answers])
        _, workers = np.unique(self.workers[kept], return_inverse=True)
        return CrowdSet(self.name, self.objects[kept], workers, self.labels[kept], self.truth, self.classes)


def crowd_sets(folder: Path) -> Iterator[CrowdSet]:
    """Read every set below `folder`, by name."""
    for each in sorted(folder.iterdir()):
        if (each / "answers.csv").is_file():
            yield read_set(each)


def read_set(folder: Path) -> CrowdSet:
    """Read one set; of several answers of a worker to an object the first counts."""
    items, workers, labels = zip(*_rows(folder / "answers.csv"), strict=True)
    truth_of = dict(_rows(folder / "truth.csv"))
    names = sorted({*labels, *truth_of.values()})
    class_of = {name: number for number, name in enumerate(names)}
    item_names, objects = np.unique(items, return_inverse=True)
    _, worker = np.unique(workers, return_inverse=True)
    _, first = np.unique(objects * (worker.max() + 1) + worker, return_index=True)
    truth = np.array([class_of[truth_of[name]] if name in truth_of else UNKNOWN for name in item_names])
    label = np.array([class_of[name] for name in labels])
    return CrowdSet(folder.name, objects[first], worker[first], label[first], truth, len(names))


def _rows(path: Path) -> list[tuple[str, ...]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]

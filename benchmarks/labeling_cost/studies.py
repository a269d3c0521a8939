"""What the benchmark asks: all strategies on all data sets, and one thing at a time changed for ours."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from autolabel.bench.strategies import OURS, STRATEGIES
from autolabel.policy.terms import batch_size
from autolabel.quality.contract import Contract
from benchmarks.labeling_cost.sets import FILES, SETS, classes_of, fewer_classes, is_balanced, long_tail, part

if TYPE_CHECKING:
    from pathlib import Path

    from autolabel.bench.compare import Task
    from benchmarks.labeling_cost.sets import DataSet

CLOSEST = ("MCAL", "Ground Truth emulation")
OTHERS = [name for name in STRATEGIES if name not in {OURS, *CLOSEST}]


@dataclass(frozen=True)
class Study:
    """One thing that is changed.

    `points` are data set, value and job; `axis` says what the values are.
    """

    name: str
    title: str
    axis: str
    points: list[tuple[str, object, Task]] = field(default_factory=list)
    is_log: bool = False


@dataclass(frozen=True)
class Here:
    """The data sets that are there, by name, and where the work goes."""

    folders: dict[str, Path]
    work: Path
    scale: float = 1.0
    """Of all numbers of seeds."""

    def seeds(self, count: int) -> range:
        """Scale a number of seeds; one at least."""
        return range(max(1, round(count * self.scale)))

    def chosen(self, *names: str) -> list[tuple[DataSet, Path]]:
        """Return those of the named sets that are there."""
        return [(SETS[name], self.folders[name]) for name in names if name in self.folders]


def strategies(here: Here) -> list[Task]:
    """Everything against everything."""
    tasks = []
    for own, folder in here.chosen(*SETS):
        tasks += [own.task(folder, here.work, OURS, seed) for seed in here.seeds(own.seeds)]
        for count, names in ((own.closest, CLOSEST), (own.rivals, OTHERS)):
            tasks += [own.task(folder, here.work, name, seed) for seed in here.seeds(count) for name in names]
    return tasks


def sensitivity(here: Here) -> list[Study]:
    """One thing at a time."""
    few = ("digits", "trec6", "clothing10")
    studies = [
        _changed(here, few, "error", "promised error", (0.01, 0.02, 0.05, 0.1), "error", is_log=True),
        _changed(here, few, "confidence", "confidence of the promise", (0.8, 0.9, 0.95, 0.99), "confidence"),
        _changed(
            here,
            ("trec6", "clothing10"),
            "contract",
            "contract",
            [each.value for each in Contract],
            "contract",
            seeds=2,
        ),
        _batches(here, few),
        _people(here),
        _tails(here),
        _classes(here),
    ]
    return [study for study in studies if study.points]


def _changed(here: Here, names, name, axis, values, member, *, seeds=6, is_log=False) -> Study:
    points = [
        (own.name, value, own.task(folder, here.work, OURS, seed, **{member: value}))
        for own, folder in here.chosen(*names)
        for value in values
        for seed in here.seeds(seeds)
    ]
    return Study(name, f"Labels by people by {axis}", axis, points, is_log=is_log)


def _batches(here: Here, names) -> Study:
    points = []
    for own, folder in here.chosen(*names):
        objects = len((folder / FILES[0]).read_text(encoding="utf-8").splitlines())
        usual = batch_size(objects, len(classes_of(folder)), asked=None, at_once=objects)
        points += [
            (own.name, times, own.task(folder, here.work, OURS, seed, batch=max(1, round(usual * times))))
            for times in (0.5, 1, 2, 4)
            for seed in here.seeds(4)
        ]
    return Study("batch", "Labels by people by batch size", "batch, times the usual one", points, is_log=True)


def _people(here: Here) -> Study:
    points = [
        (own.name, accuracy, own.task(folder, here.work, OURS, seed, accuracy=accuracy, workers=3))
        for own, folder in here.chosen("digits", "trec6")
        for accuracy in (0.7, 0.8, 0.9, 0.99)
        for seed in here.seeds(4)
    ]
    for own, folder in here.chosen("cifar10-20k"):
        target = here.work / "sets" / "cifar10h"
        if not (target / FILES[2]).is_file():
            lines = (folder / FILES[1]).read_text(encoding="utf-8").splitlines()
            keep = [number for number, line in enumerate(lines) if "human_counts" in json.loads(line)]
            names = [each["label"] for each in json.loads((folder / FILES[2]).read_text())["labels"]]
            part(folder, target, keep, names)
        mean = 0.95  # of CIFAR-10H's people; their mistakes are not spread evenly, which is the point
        points += [
            ("cifar10h, real people", mean, own.task(target, here.work, OURS, seed, human_counts=True, workers=3))
            for seed in here.seeds(2)
        ]
    return Study("people", "Labels by people by how good they are", "accuracy of a worker, three an object", points)


def _tails(here: Here) -> Study:
    points = []
    for own, folder in here.chosen("clothing10", "agnews12k"):
        for ratio in (1, 10, 100):
            target = here.work / "sets" / f"{own.name}-tail{ratio}"
            if ratio == 1 and is_balanced(folder):
                target = folder
            elif not (target / FILES[2]).is_file():
                long_tail(folder, target, ratio)
            points += [(own.name, ratio, own.task(target, here.work, OURS, seed)) for seed in here.seeds(4)]
    return Study("tail", "Labels by people by imbalance", "largest class, times the smallest", points, is_log=True)


def _classes(here: Here) -> Study:
    points = []
    for own, folder in here.chosen("clinc150", "banking77"):
        every = len(classes_of(folder))
        for count in (5, 15, 40, every):
            if count == every:
                target = folder
            else:
                target = here.work / "sets" / f"{own.name}-{count}classes"
                if not (target / FILES[2]).is_file():
                    fewer_classes(folder, target, count)
            seeds = 2 if count == every else 3
            points += [(own.name, count, own.task(target, here.work, OURS, seed)) for seed in here.seeds(seeds)]
    return Study("classes", "Labels by people by number of classes", "classes", points, is_log=True)


def quick(here: Here) -> Here:
    """Return the same with digits alone and a few seeds."""
    return replace(here, folders={"digits": here.folders["digits"]}, scale=0.06)

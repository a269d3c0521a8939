"""The data sets of the benchmark, how each is embedded, and smaller ones made of them."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from autolabel.bench.compare import Task
from autolabel.cli.quickstart import write_digits

if TYPE_CHECKING:
    from pathlib import Path

FILES = ("manifest.jsonl", "truth.jsonl", "labels.json")


@dataclass(frozen=True)
class DataSet:
    """A labeled sample.

    `seeds`, `closest` and `rivals` are how many jobs of ours, of the two strategies that come closest, and of every
    other one the whole table runs: what two cores do in two hours.
    """

    name: str
    below: str
    """Folder below the data's root; nothing for digits, which come with scikit-learn."""
    seeds: int = 1
    closest: int = 0
    rivals: int = 0
    model: str = "auto"
    image_size: int | None = None
    batch: int | None = None

    def folder(self, data: Path | None, work: Path) -> Path | None:
        """Return the folder, or ``None`` where the data are not there."""
        if not self.below:
            if not (work / self.name / FILES[0]).is_file():
                write_digits(work / self.name)
            return work / self.name
        found = None if data is None else data / self.below / self.name
        return found if found is not None and all((found / name).is_file() for name in FILES) else None

    def task(self, folder: Path, work: Path, strategy: str, seed: int, **changes) -> Task:
        """Describe one job."""
        task = Task(
            str(folder),
            str(work / "samples"),
            strategy,
            seed,
            batch=self.batch,
            model=self.model,
            image_size=self.image_size,
        )
        return replace(task, **changes)


SETS = {
    each.name: each
    for each in (
        DataSet("digits", "", 50, 50, 30),
        DataSet("trec6", "text", 50, 50, 50),
        DataSet("clothing10", "image", 50, 50, 50),
        DataSet("agnews12k", "text", 50, 50, 20),
        DataSet("banking77", "text", 50, 6, 2),
        DataSet("cifar10-20k", "image", 50, 6, 2, image_size=128),
        DataSet("20newsgroups", "text", 50, 10, 2),
        DataSet("clinc150", "text", 50, 2, 1),
    )
}


def classes_of(folder: Path) -> dict[str, list[int]]:
    """Lines of every class, the most frequent class first."""
    found = defaultdict(list)
    for number, line in enumerate((folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()):
        found[json.loads(line)["label"]].append(number)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def is_balanced(folder: Path) -> bool:
    """Whether no class has a tenth more objects than another."""
    counts = [len(own) for own in classes_of(folder).values()]
    return max(counts) <= 1.1 * min(counts)


def long_tail(folder: Path, target: Path, ratio: float) -> Path:
    """Thin classes out so that the first has `ratio` times as many objects as the last, falling geometrically."""
    lines = classes_of(folder)
    rng = np.random.default_rng(0)
    least = min(map(len, lines.values()))
    keep = []
    for place, own in enumerate(lines.values()):
        count = round(least * ratio ** (-place / max(1, len(lines) - 1)))
        keep.extend(rng.choice(own, max(2, count), replace=False).tolist())
    return part(folder, target, sorted(keep), list(lines))


def fewer_classes(folder: Path, target: Path, count: int) -> Path:
    """Keep the objects of `count` classes, drawn at random."""
    lines = classes_of(folder)
    names = np.random.default_rng(0).permutation(list(lines))[:count].tolist()
    return part(folder, target, sorted(number for name in names for number in lines[name]), names)


def part(folder: Path, target: Path, keep: list[int], names: list[str]) -> Path:
    """Write some lines of a data set, and links to their pictures, as one of its own."""
    target.mkdir(parents=True, exist_ok=True)
    manifest, truth = ((folder / name).read_text(encoding="utf-8").splitlines() for name in FILES[:2])
    objects = [json.loads(manifest[number]) for number in keep]
    answers = [json.loads(truth[number]) for number in keep]
    for each in objects:
        if "source-ref" in each:
            picture = target / each["source-ref"]
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.unlink(missing_ok=True)
            try:
                os.link(folder / each["source-ref"], picture)
            except OSError:  # another disk
                shutil.copyfile(folder / each["source-ref"], picture)
    for each in answers:
        each.pop("class_id", None)  # of the whole set's classes
    (target / FILES[0]).write_text("".join(json.dumps(each) + "\n" for each in objects), encoding="utf-8")
    (target / FILES[1]).write_text("".join(json.dumps(each) + "\n" for each in answers), encoding="utf-8")
    (target / FILES[2]).write_text(json.dumps({"labels": [{"label": name} for name in names]}), encoding="utf-8")
    return target

"""Run strategies over seeds, on all cores; every finished row is on disk, and is not computed again."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autolabel.bench.cores import on_every_core
from autolabel.bench.labeling import Row, row_of
from autolabel.bench.people import People
from autolabel.bench.sample import Sample
from autolabel.bench.setting import Lessons, Setting
from autolabel.bench.strategies import SAME_TRAINING, STRATEGIES
from autolabel.errors import SettingsError
from autolabel.quality.contract import Contract, Quality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Task:
    """One row to compute; everything is plain, so that it can be sent to another process and be a key."""

    folder: str
    cache: str
    strategy: str
    seed: int
    error: float = 0.05
    confidence: float = 0.95
    contract: str = Contract.DATASET.value
    batch: int | None = None
    accuracy: float = 1.0
    """Of simulated workers; 1 for people who are never wrong."""
    workers: int = 1
    human_counts: bool = False
    """Whether people answer as they really did, by the sample's ``human_counts``."""
    model: str = "auto"
    image_size: int | None = None
    fine_tune: bool = False
    """Whether our own strategy may train the network too."""

    def key(self) -> str:
        """What identifies the row among finished ones."""
        members = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in {"cache", "folder"}}
        for later in ("human_counts", "fine_tune"):  # rows of before there was the choice stay good
            if not members[later]:
                del members[later]
        return json.dumps({"data": Path(self.folder).name, **members}, sort_keys=True)


def compare(tasks: Iterable[Task], log: Path, progress: Callable[[int, int], None]) -> list[Row]:
    """Compute all rows that `log` does not have yet and append them to it; return the row of each of `tasks`.

    Parameters
    ----------
    log
        JSON lines, each a task's key and its row.
    progress
        Called with rows done and rows in all.
    """
    asked = list(tasks)
    wanted = {task.key(): task for task in asked}
    done = {key: row for key, row in _read(log) if key in wanted}
    missing = [task for key, task in wanted.items() if key not in done]
    progress(len(done), len(wanted))
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        for group, rows in on_every_core(run_group, _groups(missing)):
            for task, row in zip(group, rows, strict=True):
                file.write(json.dumps({"key": task.key(), "row": row.to_json()}) + "\n")
                done[task.key()] = row
            file.flush()
            progress(len(done), len(wanted))
    return [done[task.key()] for task in asked]


def _groups(tasks: Iterable[Task]) -> list[tuple[Task, ...]]:
    """Put those together that begin with the same training, all others alone, in the order of their first."""
    groups: dict[Task, list[Task]] = {}
    for task in tasks:
        alike = replace(task, strategy="") if task.strategy in SAME_TRAINING else task
        groups.setdefault(alike, []).append(task)
    return [tuple(group) for group in groups.values()]


def _read(log: Path) -> Iterator[tuple[str, Row]]:
    """Rows of earlier runs; a line that a kill cut short is not one."""
    if not log.is_file():
        return
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
            yield entry["key"], Row(**entry["row"])
        except (ValueError, KeyError, TypeError):
            continue


_SAMPLES: dict[tuple[str, str, int | None], Sample] = {}
"""Samples of this process: opening one takes a second, a run little more."""


def run_group(tasks: tuple[Task, ...]) -> list[Row]:
    """Compute rows of one sample, seed and people."""
    lessons = Lessons()
    return [run_task(task, lessons) for task in tasks]


def run_task(task: Task, lessons: Lessons) -> Row:
    """Compute one row; `lessons` are of tasks with the same sample, seed and people."""
    sample = sample_of(task)
    quality = Quality(task.error, task.confidence, Contract(task.contract))
    people = _people(task, sample, quality)
    setting = Setting(sample, people, quality, task.seed, task.batch, lessons=lessons, fine_tune=task.fine_tune)
    lessons.borrowed, begun = 0.0, time.process_time()
    found = STRATEGIES[task.strategy](setting)
    return row_of(
        found,
        data=sample.name,
        strategy=task.strategy,
        seed=task.seed,
        quality=quality,
        truth=sample.truth,
        classes=sample.classes,
        people=people,
        seconds=time.process_time() - begun + lessons.borrowed,
    )


def _people(task: Task, sample: Sample, quality: Quality) -> People:
    right = People.right(sample.truth)
    crowd = Setting(sample, right, quality, task.seed).rng("people")
    if task.human_counts:
        if sample.counts is None:
            raise SettingsError(f"{task.folder}: truth.jsonl has no human_counts on every line")
        return People.of_counts(sample.counts, workers=task.workers, rng=crowd)
    if task.accuracy < 1.0:
        return People.of_accuracy(sample.truth, sample.classes, accuracy=task.accuracy, workers=task.workers, rng=crowd)
    return right


def sample_of(task: Task) -> Sample:
    """Open the sample of a row, unless this process has it open."""
    key = (task.folder, task.model, task.image_size)
    if key not in _SAMPLES:
        _SAMPLES.clear()  # one at a time: features of a data set may be large
        _SAMPLES[key] = Sample.open(Path(task.folder), Path(task.cache), model=task.model, image_size=task.image_size)
    return _SAMPLES[key]

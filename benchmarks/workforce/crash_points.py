"""Die at every durable operation of a job that people label, and compare what comes of it with a life without deaths.

    python -m benchmarks.workforce.crash_points [--every 1] [--json]

Two to three people answer each object as redundancy is adaptive, and other people answer half of them again. On the way
they return, decline, send twice and change their minds, by rules that look at nothing but the tables. A run is ended at
the k-th durable operation, before or after its commit or rename, for every k; the job is opened again and labeled to
the end. Manifest, certificate and ledger have to be the same bytes, and the job has to verify.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from autolabel import LabelingJob, LabelingJobRequest, Settings
from autolabel.api.example import example_document
from autolabel.api.kinds import TaskKind
from autolabel.errors import JobNotFoundError, StorageError
from autolabel.job.desk import Desk, Submission
from autolabel.storage.durable import failpoints
from autolabel.testing import FixedClock, write_toy_texts
from benchmarks.workforce.people import LABELS, content

OBJECTS = 14
WORKERS = ("ann", "bob", "cid", "dan", "eve", "fay", "gil")
FILES = ("manifests/output/output.manifest", "certificate.json", "ledger.csv")


class Killed(BaseException):
    """Stands for the end of the process: no handler of the job may survive it."""


def label(folder: Path) -> dict[str, bytes]:
    """Open the job in `folder`, or create it, and label it to the end; return the files that it is judged by."""
    folder.mkdir(parents=True, exist_ok=True)
    with _open(folder) as job:
        finished = False
        while not finished:
            with Desk(job) as desk:  # first of all: somebody may have been about to change an answer
                for worker in WORKERS:
                    _work(job, desk, worker)
            finished = job.advance().finished
        job.verify()
        return {name: (job.folder.root / name).read_bytes() for name in FILES}


def label_and_die(folder: Path, point: int) -> dict[str, bytes]:
    """Do the same, but die at the `point`-th durable operation and begin again."""
    calls = 0

    def count(_name: str) -> None:
        nonlocal calls
        calls += 1
        if calls == point:
            raise Killed

    try:
        with failpoints(count):
            label(folder)
    except (Killed, StorageError):  # the latter is what people are told when it was the desk's operation
        return label(folder)
    raise RuntimeError(f"there was no operation {point}")


def count_points(folder: Path) -> tuple[dict[str, bytes], int]:
    """Label without deaths; return the files, and how many durable operations it took."""
    names: list[str] = []
    with failpoints(names.append):
        found = label(folder)
    return found, len(names)


def _open(folder):
    try:
        return LabelingJob.open(folder / "out" / "crash", clock=FixedClock())
    except JobNotFoundError:
        write_toy_texts(folder, OBJECTS)
        document = example_document(
            TaskKind.TEXT_CLASSIFICATION,
            name="crash",
            attribute="topic",
            manifest=str(folder / "manifest.jsonl"),
            output=str(folder / "out"),
            categories=str(folder / "labels.json"),
            workers=3,
            automated=False,
        )
        settings = Settings(redundancy="adaptive", repeats=0.5)
        request = LabelingJobRequest.from_document(document)
        return LabelingJob.create(request, settings=settings, clock=FixedClock())


def _work(job, desk, worker):
    """One person does everything there is for him; what he does depends on nothing but the tables."""
    for answer in desk.recent(worker).result():
        desk.exchange(worker, Submission(answer["lease"], _means(worker, answer["object"]))).result()
    while leases := desk.take(worker).result():
        (lease,) = leases
        chance = (7 * lease.object + len(worker) + WORKERS.index(worker)) % 10
        before = job.walk().store.one(
            "SELECT COUNT(*) AS n FROM lease WHERE object = ? AND worker = ?", lease.object, worker
        )["n"]
        if chance == 0 and before == 1:
            desk.give_back(worker, [lease.id]).result()
        elif chance == 1:
            desk.decline(worker, lease.id, "too short").result()
        else:
            for said in [content(LABELS[0])] * (chance == 2) + [_means(worker, lease.object)] * (1 + (chance == 3)):
                desk.exchange(worker, Submission(lease.id, said, 1.0)).result()


def _means(worker, number):
    """What a worker finally says of an object: mostly the same as the others."""
    return content(LABELS[(number + (number + WORKERS.index(worker)) % 4 // 3) % len(LABELS)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1, help="only every so many-th operation")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        expected, points = count_points(Path(folder) / "clean")
        tried = range(1, points + 1, options.every)
        same = sum(label_and_die(Path(folder) / str(point), point) == expected for point in tried)
    found = {"operations": points, "deaths": len(tried), "same bytes": same}
    print(json.dumps(found) if options.json else ", ".join(f"{name}: {value}" for name, value in found.items()))
    sys.exit(same < len(tried))


if __name__ == "__main__":
    main()

"""Small whole jobs with simulated people, and what is in them."""

from __future__ import annotations

import json

import pytest

from autolabel import LabelingJob
from autolabel.errors import JobNotFoundError
from autolabel.job.models import learner_for
from autolabel.job.settings import resolve_settings
from autolabel.storage.durable import failpoints
from autolabel.testing import FixedClock, SimulatedWorkforce, toy_request, write_toy_texts

FILES = ("manifests/output/output.manifest", "certificate.json", "ledger.csv", "scores/scores.jsonl")


class Killed(BaseException):
    """Stands for the end of the process: no handler of the job may survive it."""


def resolved(**options):
    """Settings of a job that needs no weights, as the command line resolves them."""
    return resolve_settings(options={"model": "tfidf", "batch": 20, **options})


def run_job(folder, settings, *, workers=5, count=100, noise=0.3, people=None, **request):
    """Open the job in `folder` or create it, run it to its end and return it open with the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = write_toy_texts(folder, count, noise=noise)
    try:
        job = LabelingJob.open(folder / "out" / "toy", clock=FixedClock())
    except JobNotFoundError:
        created = toy_request(folder, workers=workers, **request)
        job = LabelingJob.create(created, settings=settings, clock=FixedClock())
    try:
        job.run(SimulatedWorkforce(truth, job.task, **({"accuracy": 0.9, "workers": 18, "seed": 3} | (people or {}))))
    except BaseException:
        job.close()
        raise
    return job, truth


def write_gold(folder, count, numbers, noise=0.3):
    """Write the toy texts and a gold file with the truth of some of them; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_toy_texts(folder, count, noise=noise)
    lines = (folder / "truth.jsonl").read_text().splitlines()
    path = folder / "gold.jsonl"
    path.write_text("".join(lines[number] + "\n" for number in numbers))
    return path


def learner_of(job):
    """The job's learner as it was before the first round, and a walk with it."""
    learner = learner_for(job.folder, job.settings, job.task)
    run = job.walk(learner)
    embedded = run.steps.stored("embed")
    learner.resume(job.folder.embeddings, embedded.result["facts"], embedded.arrays())
    return learner, run


def answers_each(job, panel=1):
    """Answers of a panel, declines included, by object."""
    rows = job.walk().store.rows("SELECT object, COUNT(*) AS n FROM answer WHERE panel = ? GROUP BY object", panel)
    return {row["object"]: row["n"] for row in rows}


def labels_by_people(job):
    """Labels that people gave, by object."""
    rows = job.walk().store.rows("SELECT object, label FROM label WHERE source = 'people'")
    return {row["object"]: json.loads(row["label"]) for row in rows}


def result(job):
    """Bytes of the files that a job is judged by."""
    return {name: (job.folder.root / name).read_bytes() for name in FILES}


def counted_points(run):
    """Run something and return what it returned and how many durable operations it took."""
    names: list[str] = []
    with failpoints(names.append):
        found = run()
    return found, len(names)


def killed_at(point, run):
    """Run something, and die at one of its durable operations."""
    calls = 0

    def count(_name):
        nonlocal calls
        calls += 1
        if calls == point:
            raise Killed

    with pytest.raises(Killed), failpoints(count):
        run()


def drop_triggers(connection):
    """Who tampers does not stop at triggers."""
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")

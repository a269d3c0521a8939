"""Killing a job anywhere and starting it again gives the same bytes, and nobody is asked or paid twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from autolabel import LabelingJob, Settings
from autolabel.errors import JobNotFoundError
from autolabel.storage.durable import failpoints
from autolabel.testing import FixedClock, SimulatedWorkforce, toy_request, write_toy_texts

SETTINGS = Settings(model="tfidf", batch=15)
COUNT = 90


class Killed(BaseException):
    """Stands for the end of the process: no handler of the job may survive it."""


def prepare(folder):
    folder.mkdir()
    return write_toy_texts(folder, COUNT)


def run_to_end(folder, truth):
    """What an orchestrator does after a restart: open the job if it is there, create it otherwise, run it."""
    request = toy_request(folder)
    try:
        job = LabelingJob.open(folder / "out" / "toy", clock=FixedClock())
    except JobNotFoundError:
        job = LabelingJob.create(request, settings=SETTINGS, clock=FixedClock())
    try:
        job.run(SimulatedWorkforce(truth, job.task))
    finally:
        job.close()


def result(folder):
    job = folder / "out" / "toy"
    names = ("manifests/output/output.manifest", "certificate.json", "ledger.csv", "scores/scores.jsonl")
    files = {name: (job / name).read_bytes() for name in names}
    files["model"] = next(job.glob("training/**/model.tar.gz")).read_bytes()
    return files


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean") / "job"
    truth = prepare(folder)
    names: list[str] = []
    with failpoints(names.append):
        run_to_end(folder, truth)
    return result(folder), truth, names


def killed_at(folder, truth, point):
    calls = 0

    def count(_name):
        nonlocal calls
        calls += 1
        if calls == point:
            raise Killed

    with pytest.raises(Killed), failpoints(count):
        run_to_end(folder, truth)


def test_there_are_failpoints_around_every_durable_operation(clean):
    _, _, names = clean
    assert len(names) > 100
    assert {name.split(":")[0] for name in names} >= {"store.commit", "create"}


@pytest.mark.parametrize("part", range(8))
def test_killing_at_a_sample_of_durable_operations_and_resuming_gives_the_same_bytes(clean, tmp_path, part):
    expected, truth, names = clean
    point = 1 + (len(names) * part) // 8
    folder = tmp_path / "job"
    prepare(folder)
    killed_at(folder, truth, point)
    run_to_end(folder, truth)
    assert result(folder) == expected


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(7, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
        pytest.param(1, marks=[pytest.mark.exhaustive, pytest.mark.timeout(3600)]),
    ],
)
def test_killing_at_every_durable_operation_and_resuming_gives_the_same_bytes(clean, tmp_path, step):
    expected, truth, names = clean
    for point in range(1, len(names) + 1, step):
        folder = tmp_path / f"job-{point}"
        prepare(folder)
        killed_at(folder, truth, point)
        run_to_end(folder, truth)
        assert result(folder) == expected, f"killed at {point} of {len(names)}: {names[point - 1]}"


WITHOUT_DATES = re.compile(rb'"creation-date":"[^"]*"')


def without_dates(files):
    """Dates and measured seconds aside; the archive's own facts hold neither."""
    kept = {name: WITHOUT_DATES.sub(b"", data) for name, data in files.items()}
    kept["ledger.csv"] = re.sub(rb",compute,seconds,([^,]*),[^\n]*", rb",compute,seconds,\1", kept["ledger.csv"])
    return kept


def command(folder, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "autolabel", *words, "--json"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize(
    "most",
    [
        pytest.param(12, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
        pytest.param(50, marks=[pytest.mark.exhaustive, pytest.mark.timeout(3600)]),
    ],
)
def test_random_sigkills_leave_the_same_bytes(tmp_path, most):
    words = (
        "label", "manifest.jsonl", "--task", "text-classification", "--categories", "labels.json", "--output", "out",
        "--name", "toy", "--attribute", "topic", "--model", "tfidf", "--batch", "15",
        "--workforce", "simulated:truth.jsonl",
    )  # fmt: skip
    quiet = tmp_path / "quiet"
    prepare(quiet)
    assert command(quiet, *words).wait() == 0
    expected = without_dates(result(quiet))

    folder = tmp_path / "killed"
    prepare(folder)
    rng = np.random.default_rng(0)
    kills = finished = 0
    while kills < most:
        there = (folder / "out" / "toy").is_dir()
        process = command(folder, *(("resume", "out/toy") if there else words))
        try:
            # Every start dies somewhere between its first import and its last step.
            code = process.wait(timeout=float(rng.uniform(0.2, 6.0)))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            continue
        assert code == 0
        finished += 1
        assert without_dates(result(folder)) == expected
        folder = tmp_path / f"killed-{finished}"
        prepare(folder)
    if (folder / "out" / "toy").is_dir() or finished == 0:
        there = (folder / "out" / "toy").is_dir()
        assert command(folder, *(("resume", "out/toy") if there else words)).wait() == 0
        assert without_dates(result(folder)) == expected

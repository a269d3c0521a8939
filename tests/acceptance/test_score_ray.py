"""Scoring by Ray's workers: the bytes of one process, also when a worker is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autolabel.cli.main import main
from autolabel.testing import toy_job, write_toy_texts

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs pip install 'autolabel-engine[ray]'"
)
TEXTS, TIMES = 20_000, 6
COUNT = TEXTS * TIMES


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A folder with a manifest of fifteen shards, a model, and what one local process makes of them."""
    folder = tmp_path_factory.mktemp("ray")
    with toy_job(folder, count=120) as (job, workforce):
        assert job.run(workforce).finished
    next((folder / "out").glob("**/model.tar.gz")).rename(folder / "model.tar.gz")
    write_toy_texts(folder, TEXTS, seed=5)
    manifest = folder / "manifest.jsonl"
    manifest.write_bytes(TIMES * manifest.read_bytes())
    process = start(folder, "local")
    process.communicate()
    assert process.returncode == 0
    return folder


def start(folder, output, *words):
    return subprocess.Popen(
        [
            sys.executable, "-m", "autolabel", "score", "manifest.jsonl", "--model", "model.tar.gz", "--output", output,
            *words, "--json",
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def start_ray(folder, output):
    return start(folder, output, "--engine", "ray", "--workers", "2", "--threads", "1")


def files(folder):
    found = {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return {path: data for path, data in found.items() if not path.name.startswith(".")}


def descendants(pid):
    """Processes that a process has started, and theirs, with their command lines."""
    parents = {}
    for each in Path("/proc").iterdir():
        if each.name.isdecimal():
            try:
                words = (each / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            parents[int(each.name)] = parent, words
    found, wave = {}, {pid}
    while wave:
        wave = {child for child, (parent, _) in parents.items() if parent in wave}
        found |= {child: parents[child][1] for child in wave}
    return found


@needs_ray
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_workers_give_the_bytes_of_one_process(scored):
    process = start_ray(scored, "two")
    result = json.loads(process.communicate()[0])
    assert process.returncode == 0
    assert (result["scored"], result["failed"], result["workers_lost"]) == (COUNT, 0, 0)
    assert files(scored / "two") == files(scored / "local")


@needs_ray
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_killing_of_a_worker_costs_its_shard_and_changes_no_byte(scored):
    process = start_ray(scored, "killed")
    busy = []
    while len(busy) < 2:
        assert process.poll() is None, "it ended before both workers were seen at work"
        time.sleep(0.02)
        busy = [each for each, words in descendants(process.pid).items() if "ShardWorker.score" in words]
    os.kill(busy[0], signal.SIGKILL)
    result = json.loads(process.communicate()[0])
    assert process.returncode == 0
    assert (result["scored"], result["workers_lost"]) == (COUNT, 1)
    assert files(scored / "killed") == files(scored / "local")


@needs_ray
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_a_worker_cannot_do_is_said_in_its_words(scored):
    (scored / "empty.jsonl").write_text("\n")
    process = subprocess.run(
        [
            sys.executable, "-m", "autolabel", "score", "empty.jsonl", "--model", "model.tar.gz", "--output", "none",
            "--engine", "ray",
        ],
        cwd=scored, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 4
    assert "a Ray worker could not go on: EMPTY_MANIFEST" in process.stderr
    assert "Traceback" not in process.stderr


def test_a_part_of_what_ray_spreads_is_refused(capsys):
    words = ("score", "m.jsonl", "--model", "x", "--output", "y", "--engine", "ray", "--shard", "1/2")
    assert main(words) == 2
    assert "leave --shard out" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="says what is said where Ray is missing")
def test_without_ray_the_engine_says_what_to_install(capsys, tmp_path):
    words = ("score", "m.jsonl", "--model", "x", "--output", str(tmp_path), "--engine", "ray")
    assert main(words) == 2
    assert "autolabel-engine[ray]" in capsys.readouterr().err

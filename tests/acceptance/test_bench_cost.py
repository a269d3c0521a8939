"""Replaying strategies on a labeled sample: what is asked is counted, what is finished is kept."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autolabel.bench.compare import Task, compare, run_group
from autolabel.bench.sample import Sample
from autolabel.bench.setting import Setting
from autolabel.bench.strategies import SAME_TRAINING, STRATEGIES
from autolabel.cli.main import main
from autolabel.errors import SettingsError
from autolabel.learning.threads import usable_cores
from autolabel.quality.contract import Quality
from autolabel.testing import write_toy_texts

COUNT = 400


class Asked:
    """People who are never wrong and remember what they were asked."""

    def __init__(self, truth):
        self.truth, self.log = truth, []

    def __call__(self, objects):
        self.log.append(np.asarray(objects))
        return self.truth[objects]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample") / "toy"
    folder.mkdir()
    write_toy_texts(folder, COUNT, seed=3, noise=0.3)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def sample(folder, cache):
    return Sample.open(folder, cache, model="tfidf")


def task(folder, cache, strategy, seed=0, **changes):
    return replace(Task(str(folder), str(cache), strategy, seed, model="tfidf"), **changes)


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_whatever_a_strategy_asks_of_people_is_counted_and_every_object_is_labeled_once(sample, name):
    people = Asked(sample.truth)
    found = STRATEGIES[name](Setting(sample, people, Quality(), seed=1))
    asked = np.unique(np.concatenate([np.empty(0, np.int64), *people.log]))
    assert np.isin(asked, np.concatenate([found.train, found.check])).all()
    parts = [found.train, found.check, found.rest, found.machine]
    assert sorted(np.concatenate(parts).tolist()) == list(range(COUNT))
    assert len(found.machine_labels) == len(found.machine)
    assert (len(found.machine) > 0) == (name != "humans only")


@pytest.mark.slow
def test_training_that_strategies_share_changes_no_row(folder, cache):
    tasks = tuple(task(folder, cache, name) for name in sorted(SAME_TRAINING))
    together = [row.to_json() for row in run_group(tasks)]
    alone = [row.to_json() for each in tasks for row in run_group((each,))]
    for row in (*together, *alone):
        assert row.pop("seconds") >= 0
    assert together == alone


def test_finished_rows_are_kept_and_a_torn_one_is_computed_again(folder, cache, tmp_path):
    log = tmp_path / "rows.jsonl"
    tasks = [task(folder, cache, "MCAL", seed) for seed in (0, 1)]
    first = compare(tasks, log, lambda _done, _all: None)
    whole = log.read_text()
    log.write_text(whole[: len(whole) - 20])
    counts = []
    again = compare([*tasks, tasks[0]], log, lambda done, total: counts.append((done, total)))
    assert counts[0] == (1, 2)
    assert [row.human for row in again] == [row.human for row in (*first, first[0])]


def test_the_command_compares_strategies_and_says_what_it_does_not_know(folder, tmp_path, capsys):
    words = ("bench", "cost", str(folder), "--output", str(tmp_path), "--model", "tfidf", "--seeds", "2")
    assert main((*words, "--strategies", "autolabel", "humans only", "--json")) == 0
    lines = json.loads(capsys.readouterr().out)["lines"]
    assert [line["strategy"] for line in lines] == ["autolabel", "humans only"]
    assert lines[0]["human"] < lines[1]["human"] == COUNT
    assert "| toy | autolabel |" in (tmp_path / "table.md").read_text()
    assert main((*words, "--strategies", "magic")) == 2
    assert "unknown strategy 'magic'" in capsys.readouterr().err
    assert main((*words, "--strategies", "humans only", "--human-counts")) == 2
    assert "no human_counts on every line" in capsys.readouterr().err


def test_people_answer_as_they_really_did(folder, cache, tmp_path):
    copy = tmp_path / "counted"
    copy.mkdir()
    for name in ("manifest.jsonl", "labels.json"):
        (copy / name).write_bytes((folder / name).read_bytes())
    truth = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
    classes = len(json.loads((copy / "labels.json").read_text())["labels"])
    for number, line in enumerate(truth):
        line["human_counts"] = [5 if place == number % classes else 0 for place in range(classes)]
    (copy / "truth.jsonl").write_text("".join(json.dumps(line) + "\n" for line in truth))
    sample = Sample.open(copy, cache, model="tfidf")
    assert sample.counts.shape == (COUNT, classes)
    (row,) = run_group((task(copy, cache, "humans only", human_counts=True),))
    assert row.wrong == 0
    assert row.untrue == int((sample.truth != np.arange(COUNT) % classes).sum())
    for bad in ([1], "many", [0.5] * classes, [0] * classes, [-1] * classes):
        truth[3]["human_counts"] = bad
        (copy / "truth.jsonl").write_text("".join(json.dumps(line) + "\n" for line in truth))
        with pytest.raises(SettingsError, match=rf"truth\.jsonl:4: found human_counts {re.escape(str(bad))}"):
            Sample.open(copy, cache, model="tfidf")


def test_processes_end_when_the_one_that_started_them_is_killed(folder, tmp_path):
    words = ("bench", "cost", str(folder), "--output", str(tmp_path), "--model", "tfidf", "--seeds", "200")
    process = subprocess.Popen(
        [sys.executable, "-m", "autolabel", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 60
    while not (children := children_of(process.pid)) and time.monotonic() < until:
        time.sleep(0.05)
    if usable_cores() < 2:
        process.kill()
        pytest.skip("on one core nothing is started")
    process.kill()
    process.wait()
    assert children
    while any(map(is_alive, children)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [child for child in children if is_alive(child)]


def is_alive(pid):
    """Whether a process is there; one that nobody has fetched its end from is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid):
    """Processes of a pool that `pid` has started."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            words = (each / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"spawn_main" in words:
            found.append(int(each.name))
    return found


def test_a_sample_whose_objects_are_all_out_of_reach_is_refused_with_the_first_reason(folder, tmp_path, capsys):
    copy = tmp_path / "pictures"
    copy.mkdir()
    (copy / "labels.json").write_bytes((folder / "labels.json").read_bytes())
    name = json.loads((copy / "labels.json").read_text())["labels"][0]["label"]
    (copy / "manifest.jsonl").write_text('{"source-ref": "gone.png"}\n')
    (copy / "truth.jsonl").write_text(json.dumps({"source-ref": "gone.png", "label": name}) + "\n")
    assert main(("bench", "cost", str(copy), "--output", str(tmp_path / "out"), "--model", "pixels")) == 2
    assert "no object could be embedded; the first: " in capsys.readouterr().err

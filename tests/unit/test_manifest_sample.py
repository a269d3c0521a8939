from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import chisquare

from autolabel.api.kinds import TaskKind
from autolabel.errors import ManifestError
from autolabel.manifest.sample import sample_lines


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.jsonl"
    lines = [json.dumps({"source": f"text {number}"}) for number in range(12)]
    lines[3] = "no JSON"
    lines[5] = json.dumps(
        {
            "source": "text 5",
            "topic": 1,
            "topic-metadata": {
                "class-name": "b",
                "job-name": "labeling-job/old",
                "confidence": 0.9,
                "type": "groundtruth/text-classification",
                "human-annotated": "yes",
                "creation-date": "2026-01-01T00:00:00.000000",
            },
        }
    )
    path.write_text("\n".join([*lines[:6], "", *lines[6:]]) + "\n")
    return path


def drawn(manifest, size, seed=0):
    rng = np.random.default_rng(seed)
    return sample_lines(manifest, None, "topic", size=size, rng=rng)


def test_a_sample_holds_whole_lines_in_the_manifests_order_none_bad_or_labeled_already(manifest):
    lines = drawn(manifest, 10)
    numbers = [int(json.loads(line)["source"].split()[1]) for line in lines]
    assert numbers == [0, 1, 2, 4, 6, 7, 8, 9, 10, 11]
    given = manifest.read_bytes().splitlines()
    assert all(line in given for line in drawn(manifest, 4))


def test_every_line_that_needs_a_label_is_as_probable_as_every_other(manifest):
    counts = np.zeros(12)
    for seed in range(600):
        for line in drawn(manifest, 3, seed):
            counts[int(json.loads(line)["source"].split()[1])] += 1
    assert counts[3] == counts[5] == 0
    assert chisquare(counts[counts > 0]).pvalue > 0.001


@pytest.mark.parametrize("size", [0, 11, -1])
def test_a_size_that_cannot_be_drawn_says_what_can(manifest, size):
    with pytest.raises(ManifestError, match="found 10 objects to label"):
        sample_lines(manifest, TaskKind.TEXT_CLASSIFICATION, "topic", size=size, rng=np.random.default_rng(0))


def test_the_command_prints_the_lines(manifest):
    command = [
        sys.executable,
        "-m",
        "autolabel",
        "manifest",
        "sample",
        str(manifest),
        "--size",
        "4",
        "--attribute",
        "topic",
    ]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout.splitlines() == drawn(manifest, 4)
    done = subprocess.run([*command[:-3], "99"], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"a sample of 99 was asked for" in done.stderr
    assert b"Traceback" not in done.stderr

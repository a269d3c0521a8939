"""The throughput benchmarks run: those that need a GPU as far as they go without one, the others at small sizes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

PARTS = {"limits", "model only", "pictures", "texts", "re-scoring", "fine-tuning", "selection"}


def run(module, *words):
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.throughput.{module}", *words], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_the_gpu_benchmark_says_so_and_measures_nothing():
    done = run("gpu")
    assert done.returncode == 2
    assert "no CUDA device" in done.stderr
    assert not done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_part_of_the_gpu_benchmark_runs_on_a_processor(tmp_path):
    done = run("gpu", "--device", "cpu", "--quick", "--out", str(tmp_path / "rows.jsonl"))
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {row["part"] for row in rows} == PARTS
    assert not [row for row in rows if "failed" in row]
    assert all(row["value"] > 0 for row in rows if "left_out" not in row)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("rescoring", ("--objects", "20000", "--dim", "64", "--classes", "10", "--turns", "1")),
        ("memory", ("--objects", "50000")),
        ("s3", ("--objects", "1000", "--size", "10000", "--turns", "1")),
        ("kills", ("--kills", "1")),
    ],
)
def test_a_benchmark_compares_its_outputs_and_prints_rows(module, words):
    done = run(module, *words)
    assert done.returncode == 0, done.stderr
    assert all(json.loads(line)["benchmark"] for line in done.stdout.splitlines())

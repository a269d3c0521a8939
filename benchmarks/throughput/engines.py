"""`--engine ray` with two workers of one thread against `--engine local` with two threads, on the same two cores.

    python -m benchmarks.throughput.engines [--objects 200000] [--turns 2]

Needs ``pip install ray``. Whole commands are timed, with starting Ray and loading the model in each worker: that is why
small runs are slower: ten thousand objects, which are nearly nothing to score, tell what starting costs. All files are
compared first.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from autolabel.testing import toy_job, write_toy_texts
from benchmarks.throughput.kills import files
from benchmarks.throughput.measure import Meter, emit, in_turns, rows_of

TEXTS = 10_000
WORDS = {
    "local": ("--threads", "2"),
    "ray": ("--engine", "ray", "--workers", "2", "--threads", "1"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=200_000)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--out", type=Path, help="file that lines of JSON are appended to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="engines-") as name:
        folder = Path(name)
        with toy_job(folder, count=120) as (job, workforce):
            job.run(workforce)
        next((folder / "out").glob("**/model.tar.gz")).rename(folder / "model.tar.gz")
        write_toy_texts(folder, TEXTS, seed=1)
        many = (folder / "manifest.jsonl").read_bytes()
        (folder / "manifest.jsonl").write_bytes(many * (options.objects // TEXTS))
        (folder / "few.jsonl").write_bytes(many)
        for engine in WORDS:
            run(folder, engine, "manifest.jsonl", keep=True)
        if files(folder / "local") != files(folder / "ray"):
            sys.exit("the engines give other files")
        for benchmark, manifest in (("engines", "manifest.jsonl"), ("engines, 10,000 objects", "few.jsonl")):
            contenders = {engine: lambda engine=engine, m=manifest: run(folder, engine, m) for engine in WORDS}
            runs = in_turns(contenders, options.turns)
            count = options.objects if benchmark == "engines" else TEXTS
            for row in rows_of(benchmark, count, runs, ours="local"):
                emit(row, options.out)
    return 0


def run(folder: Path, engine: str, manifest: str, *, keep: bool = False) -> dict:
    """Score everything from nothing."""
    output = folder / (engine if keep else f"{engine}-timed")
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "autolabel", "score", manifest, "--model", "model.tar.gz", "--output", str(output)]
    with Meter() as meter:
        done = subprocess.run([*command, *WORDS[engine], "--json"], cwd=folder, stdout=subprocess.PIPE, check=True)
    return {"wall": meter.wall, "cpu": meter.cpu, "failed": json.loads(done.stdout)["failed"]}


if __name__ == "__main__":
    raise SystemExit(main())

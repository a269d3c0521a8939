"""`autolabel score` by two processes, each killed with SIGKILL at random moments, until enough kills are counted.

    python -m benchmarks.throughput.kills [--kills 50]

Each process does one half (``--shard 1/2`` and ``2/2``) and is started again after every kill; at the end a run without
a part writes the scores file, and all files are compared with those of an undisturbed run. What a kill lost is what had
no receipt: a receipt that was there and is gone, or a file of vectors that was written twice, would be counted.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from autolabel.testing import toy_job, write_toy_texts
from benchmarks.throughput.measure import emit, machine

TEXTS, TIMES = 10_000, 20
PARTS = 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--out", type=Path, help="file that lines of JSON are appended to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        emit(measure(Path(folder), options.kills), options.out)
    return 0


def measure(folder: Path, wanted: int) -> dict:
    with toy_job(folder, count=120) as (job, workforce):
        job.run(workforce)
    next((folder / "out").glob("**/model.tar.gz")).rename(folder / "model.tar.gz")
    write_toy_texts(folder, TEXTS, seed=1)
    manifest = folder / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes() * TIMES)
    begun = time.perf_counter()
    start(folder, "quiet").wait()
    whole = time.perf_counter() - begun
    quiet = files(folder / "quiet")
    kills = rounds = redone = gone = 0
    while kills < wanted:
        found = [Half(folder, f"killed-{rounds}", part, whole) for part in range(1, PARTS + 1)]
        threads = [threading.Thread(target=half.run) for half in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if start(folder, f"killed-{rounds}").wait() != 0:
            sys.exit("the last run failed")
        kept = {name: data for name, data in files(folder / f"killed-{rounds}").items() if not name.startswith(".")}
        if kept != quiet:
            sys.exit(f"files differ: {sorted(name for name in kept | quiet if kept.get(name) != quiet.get(name))}")
        kills += sum(half.kills for half in found)
        redone += sum(half.redone for half in found)
        gone += sum(half.gone for half in found)
        shutil.rmtree(folder / f"killed-{rounds}")
        rounds += 1
    ids = [json.loads(line)["id"] for line in quiet["scores.jsonl"].splitlines()]
    return {
        "benchmark": "kills",
        "objects": len(ids),
        "kills": kills,
        "runs_to_the_end": rounds,
        "finished_shards_lost": gone,
        "finished_shards_made_again": redone,
        "duplicates": len(ids) - len(set(ids)),
        "byte_identical": True,
        "wall": time.perf_counter() - begun,
        **machine(),
    }


class Half:
    """One process that is killed and started again until it gets to the end.

    Moments are uniform over the seconds of an undisturbed run of both halves, however busy the machine is.
    """

    def __init__(self, folder: Path, output: str, part: int, whole: float) -> None:
        self._folder = folder
        self._whole = whole
        self._output = output
        self._part = part
        self._random = random.Random(f"{output} {part}")
        self.kills = self.redone = self.gone = 0

    def run(self) -> None:
        while True:
            before = self._finished()
            process = start(self._folder, self._output, "--shard", f"{self._part}/{PARTS}")
            try:
                process.wait(timeout=self._random.uniform(0.05, 1.0) * self._whole)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                self.kills += 1
            after = self._finished()
            self.gone += sum(name not in after for name in before)
            self.redone += sum(after.get(name, written) != written for name, written in before.items())
            if process.returncode == 0:
                return

    def _finished(self) -> dict[str, int]:
        """Shards with a receipt, and when their vectors were written; of both halves."""
        receipts = (self._folder / self._output / "embeddings").glob("shard-*.json")
        return {path.name: path.with_suffix(".npy").stat().st_mtime_ns for path in receipts}


def start(folder: Path, output: str, *words: str) -> subprocess.Popen:
    command = ["score", "manifest.jsonl", "--model", "model.tar.gz", "--output", output, "--threads", "1", "--json"]
    return subprocess.Popen(
        [sys.executable, "-m", "autolabel", *command, *words], cwd=folder, stdout=subprocess.DEVNULL
    )


def files(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if not Path(name).name.startswith(".")}


if __name__ == "__main__":
    raise SystemExit(main())

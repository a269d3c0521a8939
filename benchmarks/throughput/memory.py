"""Memory of `autolabel score` while it goes through a million objects: it must not grow.

    python -m benchmarks.throughput.memory [--objects 1000000]

Short made-up texts, the tfidf encoder, one process of the command line. Its resident memory is sampled from outside;
the slope is that of a line through the samples of the second half of the embedding phase, in bytes an object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from autolabel.testing import toy_job, write_toy_texts
from benchmarks.throughput.measure import MIB, Memory, emit, machine

TEXTS = 10_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, help="file that lines of JSON are appended to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        emit(measure(Path(folder), options.objects), options.out)
    return 0


def measure(folder: Path, objects: int) -> dict:
    with toy_job(folder, count=120) as (job, workforce):
        job.run(workforce)
    model = next((folder / "out").glob("**/model.tar.gz"))
    write_toy_texts(folder, TEXTS, seed=1)
    manifest = folder / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes() * (objects // TEXTS))
    command = [sys.executable, "-m", "autolabel", "score", str(manifest), "--model", str(model), "--json"]
    process = subprocess.Popen([*command, "--output", str(folder / "scored")], stdout=subprocess.PIPE)
    shards = folder / "scored" / "embeddings"
    finished = []
    with Memory(process.pid, every=0.2) as memory:
        while process.poll() is None:
            time.sleep(0.5)
            if memory.samples:
                finished.append((memory.samples[-1], sum(1 for _ in shards.glob("shard-*.json"))))
    result = json.loads(process.stdout.read())
    if (process.returncode, result["scored"]) != (0, objects):
        sys.exit(f"found {result['scored']} scored and status {process.returncode}")
    most = max(count for _, count in finished)
    during = [(count * 8_192, rss, anonymous) for (_, rss, anonymous), count in finished if most / 2 <= count < most]
    done, rss, anonymous = np.array(during).T
    writing = max(rss for (_, rss, _), count in finished if count == most)
    return {
        "benchmark": "memory of scoring",
        "objects": objects,
        "wall": memory.samples[-1][0],
        "resident_at_half_mib": rss[0] / MIB,
        "resident_at_end_mib": rss[-1] / MIB,
        "without_files_at_half_mib": anonymous[0] / MIB,
        "without_files_at_end_mib": anonymous[-1] / MIB,
        "slope_bytes_an_object": float(np.polyfit(done, anonymous, 1)[0]),
        "peak_while_writing_mib": writing / MIB,
        "peak_mib": memory.peak / MIB,
        "peak_without_files_mib": memory.peak_anonymous / MIB,
        **machine(),
    }


if __name__ == "__main__":
    raise SystemExit(main())

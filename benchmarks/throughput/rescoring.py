"""A later round: a new head over vectors that lie on disk, shard by shard, in memory that does not grow.

    python -m benchmarks.throughput.rescoring [--objects 10000000] [--dim 512] [--classes 100] [--folder FOLDER]

Writes random float16 vectors as the shards of `embed_pool` (10,000,000 x 512 are 10 GB of disk), then scores all of
them in a fresh process by the code that a job's round runs: class, confidence, margin, entropy, gap and length of every
object. The floor is measured in the same process: the bare product of matrices at the rate of a large one, and reading
the files. Last, a head that has moved a little: how long the certificate takes, and how many objects it spares from
being read; on the first shard it is compared with scoring by the new head.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from autolabel.inference.shards.embeddings import Embeddings
from autolabel.inference.shards.layout import Origin, lay_out
from autolabel.inference.shards.streaming import each_shard
from autolabel.learning.head import LinearHead
from autolabel.learning.rescoring import SCORE, CentredHead, certainly_unchanged
from benchmarks.throughput.measure import MIB, Memory, Meter, child, emit, gemm_flops, machine

SELF = "benchmarks.throughput.rescoring"
FINGERPRINT = "random"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=10_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the vectors are written, and left; default: a temporary one")
    parser.add_argument("--out", type=Path, help="file that lines of JSON are appended to")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(score(options)))
        return 0
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rescoring-")))
        write_vectors(folder, options.objects, options.dim)
        words = ["--run", "--folder", str(folder), "--classes", str(options.classes), "--dim", str(options.dim)]
        runs = [child(SELF, *words) for _ in range(options.turns)]
    best = min(runs, key=lambda run: run["wall"])
    facts = {"objects": options.objects, "dim": options.dim, "classes": options.classes, "turns": options.turns}
    emit({"benchmark": "rescoring", **facts, **best, **machine()}, options.out)
    return 0


def write_vectors(folder: Path, objects: int, dim: int) -> None:
    """Random vectors; one block of them in different orders, because drawing 5e9 numbers takes longer than the test."""
    shards = lay_out(folder, np.arange(objects))
    rng = np.random.default_rng(0)
    block = rng.standard_normal((len(shards[0].objects), dim), np.float32).astype(np.float16)
    origin = Origin(FINGERPRINT, "numpy", "random")
    for shard in shards:
        if shard.read_receipt() is None:
            shard.write(np.roll(block, shard.place, axis=0)[: len(shard.objects)], {}, origin)


def score(options) -> dict:
    rng = np.random.default_rng(1)
    weight = 0.1 * rng.standard_normal((options.classes, options.dim), np.float32)
    head = CentredHead(LinearHead(weight, np.zeros(options.classes, np.float32)), np.zeros(options.dim, np.float32))
    with Memory() as memory:
        embeddings = Embeddings.open(options.folder, FINGERPRINT)
        scores = np.empty(len(embeddings), SCORE)
        with Meter() as meter:
            done = 0
            for part in each_shard(lambda shard: head.score(shard.vectors()), embeddings.shards):
                scores[done : done + len(part)] = part
                done += len(part)
    with Meter() as reading:
        for shard in embeddings.shards:
            shard.vectors().view(np.uint16).max()
    moved = CentredHead(
        LinearHead(weight + 1e-5 * rng.standard_normal(weight.shape, np.float32), head.head.bias), head.centre
    )
    with Meter() as certificate:
        unchanged = certainly_unchanged(scores, head, moved)
    first = moved.score(embeddings.shards[0].vectors())["predicted"]
    if (first != scores["predicted"][: len(first)])[unchanged[: len(first)]].any():
        sys.exit("the certificate is wrong")
    product = 2 * len(embeddings) * options.dim * options.classes / gemm_flops()
    return {
        "wall": meter.wall,
        "cpu": meter.cpu,
        "per_cpu_second": len(embeddings) / meter.cpu,
        "product_alone_cpu": product,
        "reading_alone_wall": reading.wall,
        "peak_mib": memory.peak / MIB,
        "peak_without_files_mib": memory.peak_anonymous / MIB,
        "scores_mib": scores.nbytes / MIB,
        "certificate_wall": certificate.wall,
        "certificate_skips": float(unchanged.mean()),
    }


if __name__ == "__main__":
    raise SystemExit(main())

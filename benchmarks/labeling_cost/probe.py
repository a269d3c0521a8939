"""What an encoder is worth and what it costs: a linear probe on its vectors, and milliseconds an object.

    python -m benchmarks.labeling_cost.probe DATA_SET_FOLDER --model NAME [--labels 500] [--first 2000] [--json]

A data set folder holds ``truth.jsonl`` with ``class_id`` and ``source`` or ``source-ref``; where lines carry a
``split`` the probe trains on ``train`` and is judged on ``test``, else three folds are averaged. The vectors are those
of the embedding shards, half precision included. Milliseconds are of `embed_pool` from files to shards: wall clock, and
processor time of all threads.
``DIGITS`` instead of a folder means scikit-learn's digits.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from autolabel.inference.catalogue import encoder_for
from autolabel.inference.embed import embed_pool
from autolabel.inference.encoder import PoolFitted
from autolabel.learning.head import fit_head

PENALTY = 0.03
FOLDS = 3


class Sources:
    """Objects of a data set, read when they are asked for."""

    content, ahead = "one run, one data set", 0

    def __init__(self, rows, folder):
        self.rows = rows
        self.folder = folder

    def get(self, number):
        """Bytes or text of one object."""
        row = self.rows[number]
        if "png" in row:
            return row["png"]
        return row["source"] if "source" in row else (self.folder / row["source-ref"]).read_bytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--model", required=True)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--first", type=int, help="only so many objects, drawn at random")
    parser.add_argument("--labels", type=int, help="train on so many labels only")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2, help="threads that decode and encode")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = digits() if options.folder == "DIGITS" else read_rows(Path(options.folder))
    if options.first is not None and options.first < len(rows):
        chosen = np.sort(np.random.default_rng(0).choice(len(rows), options.first, replace=False))
        rows = [rows[number] for number in chosen]
    result = measure(options, rows)
    print(json.dumps(result) if options.json else "\n".join(f"{name:>14} {value}" for name, value in result.items()))
    return 0


def measure(options, rows) -> dict:
    encoder = encoder_for(options.model, size=options.image_size, device=options.device)
    sources = Sources(rows, Path(options.folder))
    if isinstance(encoder, PoolFitted):
        encoder.fit([encoder.prepare(sources.get(number)) for number in range(len(rows))])
    with tempfile.TemporaryDirectory(prefix="probe-") as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        found = embed_pool(encoder, sources, Path(folder), rows=np.arange(len(rows)), threads=options.threads)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        vectors = found.rows(np.arange(len(rows)))
    return {
        "data": Path(options.folder).name,
        "model": encoder.name,
        "objects": len(rows),
        "failures": len(found.failures),
        "dim": encoder.dim,
        "labels": options.labels or "all",
        "accuracy": round(accuracy(vectors, rows, options.labels), 4),
        "ms_wall": round(1000 * wall / len(rows), 2),
        "ms_cpu": round(1000 * cpu / len(rows), 2),
        "threads": options.threads,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.now(UTC).date().isoformat(),
    }


def accuracy(vectors, rows, labels) -> float:
    """Mean accuracy over the given split or three folds, trained on all other objects or on `labels` of them."""
    truth = np.asarray([row["class_id"] for row in rows])
    centred = vectors - vectors.mean(axis=0)
    features = centred / np.sqrt((centred**2).sum(axis=1).mean())
    scores = []
    for judged in held_out(rows):
        train = np.flatnonzero(~judged)
        if labels is not None:
            train = np.random.default_rng(0).permutation(train)[:labels]
        head = fit_head(features[train], truth[train], classes=int(truth.max()) + 1, penalty=PENALTY)
        predicted = head.probabilities(features[judged]).argmax(axis=1)
        scores.append((predicted == truth[judged]).mean())
    return float(np.mean(scores))


def held_out(rows):
    """Masks of the objects to judge on."""
    split = np.asarray([row.get("split") == "test" for row in rows])
    if split.any() and not split.all():
        return [split]
    order = np.random.default_rng(1).permutation(len(rows))
    masks = np.zeros((FOLDS, len(rows)), bool)
    for fold in range(FOLDS):
        masks[fold, order[fold::FOLDS]] = True
    return list(masks)


def read_rows(folder):
    with (folder / "truth.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def digits():
    from PIL import Image
    from sklearn.datasets import load_digits

    rows = []
    data = load_digits()
    for pixels, label in zip(data.images, data.target.tolist(), strict=True):
        file = io.BytesIO()
        Image.fromarray((pixels * (255 / 16)).round().astype("uint8")).save(file, "PNG")
        rows.append({"png": file.getvalue(), "class_id": label})
    return rows


if __name__ == "__main__":
    raise SystemExit(main())

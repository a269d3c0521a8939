"""Embeddings of a data set's objects, made once by the packaged encoder of its kind and kept in a cache folder."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from autolabel.inference.catalogue import LITE0, MINILM, encoder_for
from autolabel.inference.embed import embed_pool

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class Sources:
    """Objects of a data set folder, read when they are asked for."""

    ahead = 0

    def __init__(self, rows, folder):
        self.rows = rows
        self.content = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
        self.folder = folder

    def get(self, number):
        """Bytes or text of one object."""
        row = self.rows[number]
        return row["source"] if "source" in row else (self.folder / row["source-ref"]).read_bytes()


def embedded(folder: Path, cache: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return embeddings ``(N, D)`` and true class ids ``(N,)`` of a data set; what is cached is not done again."""
    with (folder / "truth.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    encoder = encoder_for(MINILM if "source" in rows[0] else LITE0, device="cpu")
    numbers = np.arange(len(rows))
    found = embed_pool(encoder, Sources(rows, folder), cache / f"{folder.name}-{encoder.name}", rows=numbers)
    return found.rows(numbers), np.asarray([row["class_id"] for row in rows], np.int64)

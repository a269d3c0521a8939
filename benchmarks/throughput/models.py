"""Models to measure with: a network, and a head trained on some labels of the very data set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from autolabel.inference.catalogue import encoder_for
from autolabel.learning.learner import ClassificationLearner

if TYPE_CHECKING:
    from pathlib import Path

    from autolabel import TaskKind

LABELS = 400


class Sources:
    """Objects of a data set by their numbers."""

    content, ahead = "one run, one data set", 0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]

    def get(self, number):
        """Bytes or text."""
        row = self.rows[number]
        return row["source"] if "source" in row else (self.folder / row["source-ref"]).read_bytes()


def train(data: Path, encoder: str, kind: TaskKind, work: Path) -> Path:
    """Train a head on labels of the data set's end; return the model's archive."""
    sources = Sources(data)
    classes = 1 + max(row["class_id"] for row in sources.rows)
    learner = ClassificationLearner(
        encoder_for(encoder, device="cpu"), kind=kind, categories=tuple(map(str, range(classes))), seed=0
    )
    drawn = np.random.default_rng(0).permutation(len(sources.rows) // 2)[:LABELS]
    objects = np.sort(len(sources.rows) // 2 + drawn)
    pool = work / "trained-on"
    prepared = learner.prepare(sources, objects, pool, lambda _done, _all: None)
    learner.resume(pool, prepared.facts, prepared.arrays)
    labels = [sources.rows[number]["class_id"] for number in objects]
    arrays, _ = learner.fit(objects, labels, previous=None, search=True)
    path = work / "model.tar.gz"
    path.write_bytes(learner.checkpoint(arrays, {}).pack())
    return path


def resnet(name: str, work: Path) -> str:
    """Write a torchvision network with random weights as a folder: no package holds trained ones of every size.

    Nothing of its speed depends on the weights. They are scaled as for training, so that activations are of order one.
    """
    import torch
    import torchvision
    from safetensors.torch import save_file

    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    state = torchvision.models.get_model(name, weights=None).state_dict()
    save_file(state, folder / "model.safetensors")
    (folder / "model.json").write_text(json.dumps({"architecture": f"torchvision:{name}"}))
    return str(folder)


def first_lines(data: Path, work: Path, objects: int) -> Path:
    """Write a manifest of objects drawn from the data set's first half, where no label was trained on."""
    lines = (data / "manifest.jsonl").read_text().splitlines()
    chosen = np.sort(np.random.default_rng(1).permutation(len(lines) // 2)[:objects])
    path = work / "manifest.jsonl"
    path.write_text("".join(lines[number] + "\n" for number in chosen))
    return path

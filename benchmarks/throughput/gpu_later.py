"""Texts on the device, a new head over vectors that lie there, training a network, and the choice of a batch."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.throughput.gpu_limits import seconds_of

WORDS = ("people", "think", "often", "about", "weather", "storms", "travel", "tickets", "bread", "ovens", "music")


def texts(setting):
    """Texts of mixed lengths to vectors; sentence-transformers beside it, where it is installed."""
    from autolabel.errors import CheckpointError
    from autolabel.inference.catalogue import encoder_for
    from autolabel.inference.shards.lane import open_lane

    try:
        encoder = encoder_for("minilm-l6-v2", device=setting.device.type)
    except (CheckpointError, ImportError) as error:
        yield {"what": "texts", "left_out": str(error)}
        return
    count = 40 if setting.quick else 60_000
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(3.3, 0.8, count), 3, 200).astype(int)
    made = [" ".join(rng.choice(WORDS, length)) for length in lengths]
    lane = open_lane(encoder, Texts(made))

    def run(objects):
        windows = (objects[begin : begin + lane.window] for begin in range(0, len(objects), lane.window))
        return np.concatenate([part.vectors for part in lane.encode(windows)])

    run(np.arange(min(count, 2_000)))
    begun = time.perf_counter()
    found = run(np.arange(count))
    ours = count / (time.perf_counter() - begun)
    yield {"what": "minilm, texts to vectors, autolabel", "value": ours, "unit": "texts/s", "route": lane.route}
    yield from sentence_transformers(setting, made, found, ours)


class Texts:
    """Objects from a list."""

    content, ahead = "made here", 0

    def __init__(self, made: list[str]) -> None:
        self.made = made

    def get(self, number):
        return self.made[number]


def sentence_transformers(setting, made, found, ours):
    from autolabel.inference.catalogue import _packaged_sentences

    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        yield {"what": "sentence-transformers", "left_out": "not installed"}
        return
    dtype = {} if setting.device.type == "cpu" else {"dtype": torch.bfloat16}
    model = SentenceTransformer(str(_packaged_sentences()), device=setting.device.type, model_kwargs=dtype)
    model.encode(made[:32])
    begun = time.perf_counter()
    theirs = model.encode(made, batch_size=256, show_progress_bar=False)
    rate = len(made) / (time.perf_counter() - begun)
    own = found[:, : theirs.shape[1]].astype(np.float32)
    cosine = (own * theirs).sum(1) / np.linalg.norm(own, axis=1) / np.linalg.norm(theirs, axis=1)
    yield {
        "what": "minilm, sentence-transformers encode, batches of 256", "value": rate, "unit": "texts/s",
        "ours_times_as_fast": ours / rate, "cosine_least": float(cosine.min()),
    }  # fmt: skip


def rescoring(setting):
    """A head of 100 classes over float16 vectors in the device's memory, reduced as jobs reduce."""
    from autolabel.inference.gpu.module import Reduction

    count, dim, classes = (20_000, 64, 10) if setting.quick else (10_000_000, 768, 100)
    device, block = setting.device, 262_144
    torch.manual_seed(0)
    vectors = torch.empty((count, dim), dtype=torch.float16, device=device)
    for begin in range(0, count, block):
        vectors[begin : begin + block].normal_()
    weight, bias = torch.randn(classes, dim) / dim**0.5, torch.zeros(classes)
    head = Reduction(weight, bias, torch.zeros(dim)).to(device)
    sample = vectors[:1_000]
    expected = (sample.float() @ weight.to(device).T).argmax(1)
    same = float((head(sample)[0] == expected).float().mean())

    def run():
        with torch.inference_mode():
            for begin in range(0, count, block):
                head(vectors[begin : begin + block])

    seconds = seconds_of(setting, run, 1)
    copy = setting.limits.get("device copy", 0.0)
    limit = {"of_copy_limit": vectors.nbytes / seconds / (copy * 1e12)} if copy else {}
    yield {
        "what": f"re-scoring {count:,} x {dim}, {classes} classes", "value": seconds, "unit": "s", "same_labels": same,
        **limit,
    }  # fmt: skip


def fine_tuning(setting):
    """Three copies of a network trained on two thirds of the labels each, as a job trains them, crops included."""
    from autolabel.inference.backbone import ImageEncoder, ImageInput
    from autolabel.inference.encoder import View
    from autolabel.inference.framing import Framing
    from autolabel.inference.runtimes.base import RuntimeKind
    from autolabel.inference.runtimes.device import Compute
    from autolabel.inference.torchvision_models import headless
    from autolabel.learning.tuning import EPOCHS, TUNINGS, Lessons, tuned_networks

    if setting.quick:
        name, side, count, dim = "four filters", 16, 60, 4
        network = nn.Sequential(nn.Conv2d(3, dim, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    else:
        name, side, count = "resnet50", 224, 3_000
        network, _, dim = headless(name)
    wants = ImageInput(Framing(side), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    compute = Compute(setting.device.type, RuntimeKind.TORCH)
    encoder = ImageEncoder(name, network.eval(), (View(dim),), weights="", wants=wants, compute=compute)
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=count)
    squares = list(rng.integers(0, 256, (count, side, side, 3), np.uint8))
    lessons = Lessons(squares, np.arange(count), labels, 10, 0)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tuned_networks(encoder, lessons, Path(folder), progress=lambda _done, _all: None)
    passes = EPOCHS * (TUNINGS - 1) * count
    yield {
        "what": f"fine-tuning {name}, {side} px, {count:,} labels, {TUNINGS} copies",
        "value": passes / (time.perf_counter() - begun), "unit": "pictures/s, forward and backward",
    }  # fmt: skip


def selection(setting):
    """Exact k-center on the processors of this machine: selection does not use the device."""
    from autolabel.selection.k_center import k_center

    count, dim, picks = (2_000, 32, 10) if setting.quick else (200_000, 512, 500)
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, dim), np.float32)
    pool = 0.5 * rng.standard_normal((count, dim), np.float32) + centres[rng.integers(200, size=count)]
    begun = time.perf_counter()
    k_center(partial(np.take, pool, axis=0), count, picks, centres=np.empty((0, dim), np.float32), first=0)
    yield {
        "what": f"exact k-center, {count:,} x {dim}, {picks} picks, on processors",
        "value": time.perf_counter() - begun, "unit": "s",
    }  # fmt: skip

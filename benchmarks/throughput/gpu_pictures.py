"""JPEG files to vectors on the device: our lane against DataLoader workers, transforms and a network."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch

from autolabel.inference.catalogue import encoder_for
from autolabel.inference.framing import Framing
from autolabel.inference.gpu.lane import DeviceLane
from autolabel.inference.gpu.plan import DevicePlan
from autolabel.inference.runtimes.graph_cache import keep
from benchmarks.throughput.gpu_limits import natural_jpegs

if TYPE_CHECKING:
    from pathlib import Path

WORKERS = 16
BATCH = 256


class Files:
    """Objects of a folder, over and over."""

    content, ahead = "made here", 0

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def get(self, number):
        return self.files[number % len(self.files)].read_bytes()


def pictures(setting):
    """Ours and the peer, each warmed up, then timed; vectors are compared with eager float32."""
    quick = setting.quick
    files = write_pictures(setting.work / "pictures", 12 if quick else 2_048)
    for name, count in {"resnet18": 20}.items() if quick else {"resnet50": 60_000, "vit_b_16": 40_000}.items():
        folder = network_folder(setting.work, name, side=64 if quick else 224)
        lane, batch = our_lane(setting, folder, Files(files), count)
        compared = np.arange(min(len(files), 256))
        worst = compare(setting, folder, files, run_lane(lane, compared, batch)[0])
        alone = setting.limits.get(f"{name} alone")
        _, seconds = run_lane(lane, np.arange(count), batch)
        ours = count / seconds
        yield {
            "what": f"{name}, JPEG to vectors, autolabel", "value": ours, "unit": "pictures/s", "objects": count,
            "cosine_least": worst, "route": lane.route, **({"of_model_alone": ours / alone} if alone else {}),
        }  # fmt: skip
        peer = peer_rate(setting, folder, files, 8 if quick else 8_192)
        yield {
            "what": f"{name}, JPEG to vectors, DataLoader({workers(quick=quick)}) + channels last bf16",
            "value": peer, "unit": "pictures/s", "ours_times_as_fast": ours / peer,
        }  # fmt: skip


def write_pictures(folder: Path, count: int) -> list[Path]:
    """Write a few hundred different pictures, each several times: they are read as files every time."""
    folder.mkdir()
    raws = natural_jpegs(min(count, 256), (120, 90) if count < 100 else (500, 375))
    files = []
    for number in range(count):
        files.append(folder / f"{number:05d}.jpg")
        files[-1].write_bytes(raws[number % len(raws)])
    return files


def network_folder(work: Path, name: str, side: int) -> str:
    """A torchvision network with random weights that sees squares of ImageNet's evaluation."""
    import torchvision
    from safetensors.torch import save_file

    folder = work / name
    folder.mkdir()
    torch.manual_seed(0)
    save_file(
        torchvision.models.get_model(name, weights=None, **image_size(name, side)).state_dict(),
        folder / "model.safetensors",
    )
    wants = {"size": side, "short_side": side * 256 // 224, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    (folder / "model.json").write_text(json.dumps({"architecture": f"torchvision:{name}", "input": wants}))
    return str(folder)


def image_size(name: str, side: int) -> dict:
    return {"image_size": side} if name.startswith("vit") else {}


def our_lane(setting, folder: str, sources: Files, count: int) -> tuple[DeviceLane, int]:
    trials = setting.work / "trials"
    encoder = encoder_for(folder, device=setting.device.type, trials=trials)
    if setting.quick:  # no second of a smoke test goes to looking for the best batch
        plan = DevicePlan(4, compiled=False, hardware=0, reduced=True)
        keep(f"device-{encoder.fingerprint[:16]}.json", msgspec.json.encode(plan), folder=trials)
    lane = DeviceLane(encoder, sources, threads=len(os.sched_getaffinity(0)), objects=count)
    return lane, lane.window


def run_lane(lane, objects, batch) -> tuple[np.ndarray, float]:
    begun = time.perf_counter()
    windows = (objects[begin : begin + batch] for begin in range(0, len(objects), batch))
    parts = [encoded.vectors for encoded in lane.encode(windows)]
    return np.concatenate(parts), time.perf_counter() - begun


def compare(setting, folder: str, files: list[Path], vectors) -> float:
    """Least cosine between our vectors and those of the encoder itself, in float32, on the same pixels."""
    encoder = encoder_for(folder, device=setting.device.type, reduced=False)
    expected = encoder.encode([encoder.prepare(file.read_bytes()) for file in files[: len(vectors)]])
    ours = vectors.astype(np.float64)
    cosine = (ours * expected).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(expected, axis=1)
    worst = float(cosine.min())
    if worst < 0.98:
        raise ValueError(f"vectors differ from eager float32: the least cosine is {worst:.3f}; no speed is reported")
    return worst


def workers(*, quick: bool) -> int:
    return 1 if quick else WORKERS


def peer_rate(setting, folder: str, files: list[Path], count: int) -> float:
    """The recipe that timm's and torchvision's inference scripts share; the first batch is not counted."""
    from torch.utils.data import DataLoader

    from benchmarks.throughput.pictures import Pictures

    encoder = encoder_for(folder, device=setting.device.type)
    network = encoder.network.module.network.to(setting.device, memory_format=torch.channels_last)
    side = encoder.network.example.shape[1]
    data = Pictures(
        [files[number % len(files)] for number in range(count)],
        Framing(side, short_side=side * 256 // 224), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225],
    )  # fmt: skip
    batch = 4 if setting.quick else BATCH
    loader = DataLoader(
        data, batch_size=batch, num_workers=workers(quick=setting.quick), pin_memory=setting.device.type == "cuda",
        prefetch_factor=4,
    )  # fmt: skip
    begun, done = 0.0, -batch
    with torch.inference_mode(), torch.autocast(setting.device.type, torch.bfloat16):
        for pixels in loader:
            moved = pixels.to(setting.device, non_blocking=True, memory_format=torch.channels_last)
            network(moved).float().cpu()
            begun = begun or time.perf_counter()
            done += len(pixels)
    return done / (time.perf_counter() - begun)

"""JPEG files to scores on processors: `autolabel score` against a DataLoader with two workers and eager PyTorch.

    python -m benchmarks.throughput.pictures FOLDER [--model NAME ...] [--objects 512] [--turns 3]

FOLDER holds ``manifest.jsonl``, ``truth.jsonl`` and pictures, as `clothing10` does. A model's head is trained on 400
of its labels; ResNets have random weights, which nothing of their speed depends on, EfficientNet-Lite0 its own. Both
sides have the same weights and geometry. Outputs are compared before a second is reported: share of equal labels and
differences of confidence. Then contenders run in turn, each in a process of its own, which is timed from the manifest
to the last score; imports and loading the model are not counted. Processor seconds are of the process and its workers.

The limit is that of two terms, for a core second: decode every JPEG (simplejpeg, nothing else), and multiply (the
network's multiplications at the rate of a large product of matrices: float32 by torch, 8 bits by ONNX Runtime), both
measured in the same run. `autolabel score --int8` uses 8 bits only past its agreement test; where that test refuses
them the row says so, and how fast they would have been.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
from pathlib import Path

import numpy as np

from autolabel import TaskKind
from autolabel.inference.catalogue import encoder_for
from autolabel.inference.checkpoint import Checkpoint
from autolabel.inference.embed import embed_pool
from autolabel.job.scoring import ScoreRequest, open_scoring
from autolabel.learning.rescoring import head_on_embeddings
from benchmarks.throughput.measure import (
    Meter,
    calls_a_second,
    child,
    emit,
    gemm_flops,
    in_turns,
    int8_gemm_flops,
    rows_of,
)
from benchmarks.throughput.models import first_lines, resnet, train

MODELS = ("efficientnet-lite0", "resnet18", "resnet50")
SELF = "benchmarks.throughput.pictures"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", nargs="*", default=list(MODELS))
    parser.add_argument("--objects", type=int, default=512)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, help="file that lines of JSON are appended to")
    parser.add_argument("--run", choices=("ours", "ours-int8", "peer", "limits"), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(RUNS[options.run](options)))
        return 0
    for model in options.model:
        with tempfile.TemporaryDirectory(prefix="pictures-") as work:
            for row in compare(options, model, Path(work)):
                emit(row, options.out)
    return 0


def compare(options, model, work):
    encoder = resnet(model, work) if model.startswith("resnet") else model
    train(options.folder, encoder, TaskKind.IMAGE_CLASSIFICATION, work)
    first_lines(options.folder, work, options.objects)
    words = [str(options.folder), "--work", str(work)]
    # Once to export, quantise and decide; what a kept graph saves is the same for every later run.
    warm = {name: child(SELF, *words, "--run", name) for name in ("ours", "ours-int8", "peer")}
    outputs = {name: np.load(work / f"{name}.npy") for name in warm}
    agreement = {name: agree(outputs[name], outputs["peer"]) for name in ("ours", "ours-int8")}
    contenders = {name: lambda name=name: child(SELF, *words, "--run", name) for name in ("ours", "ours-int8")}
    contenders["DataLoader(2) + eager"] = lambda: child(SELF, *words, "--run", "peer")
    runs = in_turns(contenders, options.turns)
    limits = child(SELF, *words, "--run", "limits")
    for name, row in zip(runs, rows_of(f"pictures {model}", options.objects, runs, ours="ours"), strict=True):
        facts = {}
        if name in agreement:
            flops = limits["int8_flops" if name == "ours-int8" else "flops"]
            limit = 1.0 / (1.0 / limits["decodes"] + limits["operations"] / flops)
            facts = {**agreement[name], "limit_per_cpu_second": limit, "of_limit": row["per_cpu_second"] / limit}
            facts["refused"] = warm[name].get("refused", "")
            best = [min(run["cpu"] for run in runs[each]) for each in ("DataLoader(2) + eager", name)]
            walls = [min(run["wall"] for run in runs[each]) for each in ("DataLoader(2) + eager", name)]
            facts["times_less_cpu_than_peer"] = best[0] / best[1]
            facts["times_as_fast_as_peer"] = walls[0] / walls[1]
        yield {**row, **facts}
    yield {"benchmark": f"pictures {model}", "contender": "limits", **limits}


def agree(ours, peer) -> dict:
    """How two tables of ``(class, confidence)`` compare."""
    difference = np.abs(ours[:, 1] - peer[:, 1])
    return {
        "same_labels": float((ours[:, 0] == peer[:, 0]).mean()),
        "confidence_differs_mean": float(difference.mean()),
        "confidence_differs_max": float(difference.max()),
    }


def request_of(options, *, int8):
    return ScoreRequest(
        manifest=str(options.work / "manifest.jsonl"), model=str(options.work / "model.tar.gz"),
        output=str(options.work / ("int8" if int8 else "fp32")), root=str(options.folder), device="cpu", int8=int8,
    )  # fmt: skip


def run_ours(options, *, int8=False):
    """Score the manifest from nothing but the kept graph, and write the scores file."""
    request = request_of(options, int8=int8)
    for old in (Path(request.output) / "embeddings").glob("s*-*"):
        old.unlink()
    with open_scoring(request) as (scoring, _):
        precision = scoring.precision
        if precision is not None and precision.refusal:
            return run_refused(options, Path(request.output), precision)
        with Meter() as meter:
            scoring.score(scoring.shards)
            scores = [json.loads(line) for text in scoring.lines() for line in text.splitlines()]
    name = "ours-int8" if int8 else "ours"
    np.save(options.work / f"{name}.npy", np.array([[line["class_id"], line["confidence"]] for line in scores]))
    return {"wall": meter.wall, "cpu": meter.cpu, "refused": ""}


def run_refused(options, output, precision):
    """Time the graphs that the agreement test refused, as if it had not: no command does this."""
    encoder, head = network_and_head(options, int8=precision.load(output / "reduced"))
    sources = Files(options)
    warm, folder = options.work / "refused-warm", options.work / "refused"
    for old in folder.glob("s*-*"):
        old.unlink()
    embed_pool(encoder, sources, warm, rows=np.arange(16))
    with Meter() as meter:
        found = embed_pool(encoder, sources, folder, rows=np.arange(len(sources.files)))
        scores = np.concatenate([head.score(shard.vectors()) for shard in found.shards])
    np.save(options.work / "ours-int8.npy", np.stack([scores["predicted"], scores["confidence"]], axis=1))
    return {"wall": meter.wall, "cpu": meter.cpu, "refused": precision.refusal}


class Files:
    """The manifest's pictures."""

    content, ahead = "the manifest", 0

    def __init__(self, options) -> None:
        lines = (options.work / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
        self.files = [options.folder / json.loads(line)["source-ref"] for line in lines]

    def get(self, number):
        return self.files[number].read_bytes()


def run_peer(options):
    """The recipe of timm's and torchvision's inference scripts: a data set, a DataLoader, transforms, a loop."""
    import torch
    from torch.utils.data import DataLoader

    encoder, head = network_and_head(options)
    files = Files(options).files
    wants = encoder.network.module
    network = wants.network
    mean = -wants.shift.flatten() / (wants.scale.flatten() * 255.0)
    weight, bias = torch.from_numpy(head.head.weight), torch.from_numpy(head.head.bias)
    found = []
    with Meter() as meter, torch.inference_mode():
        data = Pictures(files, encoder._framing, mean.tolist(), (1.0 / (255.0 * wants.scale.flatten())).tolist())  # noqa: SLF001 - to do exactly what it does
        for pixels in DataLoader(data, batch_size=32, num_workers=2):
            top = (network(pixels) @ weight.T + bias).softmax(dim=1).max(dim=1)
            found.append(torch.stack([top.indices.float(), top.values], dim=1))
        found = torch.cat(found).numpy()
    np.save(options.work / "peer.npy", found)
    return {"wall": meter.wall, "cpu": meter.cpu}


class Pictures:
    """A data set with torchvision's own transforms."""

    def __init__(self, files, framing, mean, std) -> None:
        from torchvision import transforms

        self.files = files
        self.framing = framing
        self.tail = transforms.Compose(
            [transforms.CenterCrop(framing.size), transforms.ToTensor(), transforms.Normalize(mean, std)]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number):
        from PIL import Image
        from torchvision.transforms.functional import resize

        image = Image.open(self.files[number]).convert("RGB")
        width, height = self.framing.scaled(*image.size)
        return self.tail(resize(image, [height, width]))


def network_and_head(options, int8=None):
    checkpoint = Checkpoint.load_tar((options.work / "model.tar.gz").read_bytes())
    return encoder_for(checkpoint.encoder, device="cpu", int8=int8), head_on_embeddings(checkpoint.arrays)


def run_limits(options):
    """What a core second can do at most: JPEGs decoded, operations multiplied; and what the network needs."""
    import simplejpeg
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    encoder, _ = network_and_head(options)
    files = Files(options).files
    raws = [file.read_bytes() for file in files[:128]]
    plain = [raw for raw in raws if is_plain(raw)]
    decodes = len(plain) * calls_a_second(lambda: [simplejpeg.decode_jpeg(raw, "RGB") for raw in plain], 1.0)
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        encoder.network.module(encoder.network.example)
    return {
        "decodes": decodes,
        "flops": gemm_flops(),
        "int8_flops": int8_gemm_flops(),
        "operations": counter.get_total_flops() / len(encoder.network.example),
    }


def is_plain(raw) -> bool:
    from PIL import Image

    return Image.open(io.BytesIO(raw)).mode == "RGB"


RUNS = {
    "ours": run_ours,
    "ours-int8": lambda options: run_ours(options, int8=True),
    "peer": run_peer,
    "limits": run_limits,
}

if __name__ == "__main__":
    raise SystemExit(main())

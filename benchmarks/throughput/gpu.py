"""The GPU part whole, in one call of less than ten minutes: limits, networks alone, JPEG to scores, texts, re-scoring.

    python -m benchmarks.throughput.gpu [--minutes 9] [--out rows.jsonl]
    python -m benchmarks.throughput.gpu --device cpu --quick        # a smoke test of everything that runs without CUDA

Without a CUDA device it says so and ends with status 2. It needs torch >= 2.11, torchvision >= 0.26 and msgspec; what
else is missing (simplejpeg, tokenizers and the packaged sentences, sentence-transformers) costs its rows and is said.
Pictures are made here: 500 x 375, noise of a natural spectrum, about 90 KB. Networks have random weights, which nothing
of their speed depends on. Every part prints its rows as it ends; one that fails prints why, and the next begins; parts
that would not end in time are left out and named. Vectors are compared with eager float32 before a speed is printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.throughput import gpu_later, gpu_limits, gpu_pictures
from benchmarks.throughput.measure import emit, machine


@dataclass
class Setting:
    """What all parts are told."""

    device: torch.device
    quick: bool
    work: Path
    limits: dict[str, float]
    """Rates that were measured, for later parts to be compared with."""


PARTS = (
    # name, what runs it, seconds that it takes at most
    ("limits", gpu_limits.limits, 60),
    ("model only", gpu_limits.model_only, 120),
    ("pictures", gpu_pictures.pictures, 180),
    ("texts", gpu_later.texts, 60),
    ("re-scoring", gpu_later.rescoring, 30),
    ("fine-tuning", gpu_later.fine_tuning, 60),
    ("selection", gpu_later.selection, 30),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="sizes of a smoke test; its figures mean nothing")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--part", nargs="*", choices=[name for name, _, _ in PARTS])
    parser.add_argument("--out", type=Path, help="file that lines of JSON are appended to")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA device here: nothing was measured (--device cpu --quick tries the code)", file=sys.stderr)
        return 2
    facts = {"device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu", "torch": torch.__version__}
    if options.quick:
        facts["quick"] = True
    begun, failed = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="gpu-") as work:
        setting = Setting(torch.device(options.device), options.quick, Path(work), {})
        for name, part, seconds in PARTS:
            if options.part and name not in options.part:
                continue
            left = 60 * options.minutes - (time.monotonic() - begun)
            if left < seconds and not options.quick:
                emit({"part": name, "left_out": f"{left:.0f} s are left, it may take {seconds}"}, options.out)
                continue
            try:
                for row in part(setting):
                    emit({"part": name, **row, **facts, **machine()}, options.out)
            except Exception as error:  # noqa: BLE001 - one part must not cost the others
                failed += 1
                traceback.print_exc()
                emit({"part": name, "failed": f"{type(error).__name__}: {error}"}, options.out)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""What the device, the link to it and the decoders can do, and networks alone on it."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch

from autolabel.inference.gpu.graph import StaticGraph
from autolabel.inference.gpu.hardware import HardwareDecoder
from autolabel.inference.images import decode

SIZE = (500, 375)
THREADS = (1, 2, 4, 8, 16)
NETWORKS = {"resnet50": (256, 512), "vit_b_16": (128, 256)}
"""Networks, and batches that each is tried with."""
WANTED = 2 * 256


def seconds_of(setting, call, repeats: int) -> float:
    """Best seconds of a call, the device waited for."""
    wait = torch.cuda.synchronize if setting.device.type == "cuda" else lambda: None
    call()
    wait()
    best = float("inf")
    for _ in range(1 if setting.quick else 3):
        begun = time.perf_counter()
        for _ in range(repeats):
            call()
        wait()
        best = min(best, (time.perf_counter() - begun) / repeats)
    return best


def natural_jpegs(count: int, size: tuple[int, int] = SIZE) -> list[bytes]:
    """Pictures whose spectrum falls with frequency as photographs' does."""
    from PIL import Image

    width, height = size
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    fall = 1.0 / np.maximum(np.hypot(fy, fx), 1.0 / max(size))
    found = []
    for number in range(count):
        noise = np.random.default_rng(number).standard_normal((3, height, width))
        field = np.fft.irfft2(np.fft.rfft2(noise) * fall, s=(height, width))
        field = (field - field.mean()) / field.std() * 55 + 128
        file = io.BytesIO()
        Image.fromarray(field.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)).save(file, "JPEG", quality=90)
        found.append(file.getvalue())
    return found


def limits(setting):
    device, quick = setting.device, setting.quick
    bytes_ = (1 << 24) if quick else (1 << 30)
    source = torch.zeros(bytes_, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = seconds_of(setting, partial(target.copy_, source), 10)
    yield row(setting, "device copy", 2 * bytes_ / seconds / 1e12, "TB/s")
    side = 512 if quick else 8_192
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = seconds_of(setting, partial(torch.mm, a, b), 2 if quick else 20)
    yield row(setting, "bf16 product", 2 * side**3 / seconds / 1e12, "TFLOP/s")
    del a, b, source, target
    batch = (8 if quick else 256) * 640 * 640 * 3
    for pinned in (True, False):
        if pinned and device.type != "cuda":
            continue
        host = torch.zeros(batch, dtype=torch.uint8, pin_memory=pinned)
        over = torch.empty(batch, dtype=torch.uint8, device=device)
        seconds = seconds_of(setting, lambda host=host, over=over: over.copy_(host, non_blocking=True), 5)
        yield row(setting, f"copy to the device, {'pinned' if pinned else 'pageable'}", batch / seconds / 1e9, "GB/s")
    raws = natural_jpegs(16 if quick else 512)
    yield row(setting, "mean size of a JPEG", sum(map(len, raws)) / len(raws) / 1e3, "kB")
    for threads in THREADS[:2] if quick else THREADS:
        with ThreadPoolExecutor(threads) as pool:
            work = partial(decode, wanted=WANTED)
            seconds = seconds_of(setting, lambda pool=pool, work=work: list(pool.map(work, raws)), 1)
        yield row(setting, f"decode, {threads} threads", len(raws) / seconds, "pictures/s")
    if device.type == "cuda":
        hardware = HardwareDecoder(device)
        for count in (32, 128, 512):
            seconds = seconds_of(setting, lambda count=count: hardware.decode(raws[:count]), 1)
            yield row(setting, f"nvJPEG, lists of {count}", count / seconds, "pictures/s")


def row(setting, what: str, value: float, unit: str) -> dict:
    setting.limits[what] = value
    return {"what": what, "value": value, "unit": unit}


def model_only(setting):
    """Networks on random pixels that lie on the device: eager, channels last, and our captured graph."""
    import torchvision
    from torch.utils.flop_counter import FlopCounterMode

    device = setting.device
    side = 64 if setting.quick else 224
    for name, batches in {"resnet18": (1, 2)}.items() if setting.quick else NETWORKS.items():
        torch.manual_seed(0)
        network = torchvision.models.get_model(name, weights=None).eval().to(device)
        counter = FlopCounterMode(display=False)
        with counter, torch.inference_mode():
            network(torch.randn(1, 3, side, side, device=device))
        operations = counter.get_total_flops()
        for batch in batches:
            pixels = torch.randn(batch, 3, side, side, device=device)
            for what, call in ways(network, pixels, device, compile_it=batch == batches[-1] and not setting.quick):
                rate = batch / seconds_of(setting, call, 1 if setting.quick else 10)
                peak = 1e12 * setting.limits.get("bf16 product", 0.0)
                share = {"of_product_limit": rate * operations / peak} if peak else {}
                setting.limits[f"{name} alone"] = max(rate, setting.limits.get(f"{name} alone", 0.0))
                yield {"what": f"{name}, {what}", "batch": batch, "value": rate, "unit": "pictures/s", **share}


def ways(network, pixels, device, *, compile_it: bool):
    """Ways to run a network in bfloat16."""

    class Reduced(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x):
            with torch.autocast(device.type, torch.bfloat16):
                return self.network(x)

    module = Reduced().eval()

    def eager():
        with torch.inference_mode():
            module(pixels)

    yield "eager NCHW", eager
    last = pixels.to(memory_format=torch.channels_last)
    network.to(memory_format=torch.channels_last)

    def eager_last():
        with torch.inference_mode():
            module(last)

    yield "eager channels last", eager_last
    yield "captured graph", StaticGraph(module, (last,)).run
    if compile_it:
        yield "compiled and captured", StaticGraph(module, (last,), compiled=True).run

"""Which runtime computes a network here."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import SettingsError
from autolabel.inference.runtimes.base import RuntimeKind
from autolabel.inference.runtimes.eager import EagerRuntime
from autolabel.inference.runtimes.export import ExportError, can_export, onnx_graph
from autolabel.inference.runtimes.graph_cache import cached
from autolabel.inference.runtimes.openvino import OpenVinoRuntime, has_openvino
from autolabel.inference.runtimes.ort import OnnxRuntime

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from autolabel.inference.runtimes.base import Network, Runtime
    from autolabel.inference.runtimes.device import Compute

TRIAL = 1.0
"""Seconds of processor time that each runtime is tried for."""
WORTH = 1.05
"""Times that OpenVINO has to be faster to be chosen: less than that is noise."""


def open_runtime(network: Network, device: torch.device, compute: Compute) -> Runtime:
    """Return what computes a network on a device.

    A graph of 8-bit products is taken where there is one. Else a graph is exported on processors, and kept (see
    `graph_cache`). A network that cannot be exported, any network where ONNX Runtime is not installed, and every
    network in bfloat16 or on another device, runs eagerly.

    Raises
    ------
    SettingsError
        A runtime was asked for by name that is not installed, or that cannot read this network.
    """
    kind = compute.runtime
    if device.type == "cpu" and network.fingerprint in compute.int8:
        return OnnxRuntime(compute.int8[network.fingerprint], precision="int8")
    if device.type != "cpu" or compute.bf16 or kind is RuntimeKind.TORCH:
        return EagerRuntime(network, device, bf16=compute.bf16)
    if kind is not RuntimeKind.AUTO:
        _require(kind)
    elif not can_export():
        return EagerRuntime(network, device)
    try:
        graph = onnx_graph(network)
    except ExportError as error:
        if kind is RuntimeKind.AUTO:
            return EagerRuntime(network, device)
        raise SettingsError(f"{kind} cannot compute this network ({error}); use the runtime torch") from error
    if kind is RuntimeKind.AUTO:
        kind = fastest(graph, network, compute.trials) if has_openvino() else RuntimeKind.ONNX
    return OpenVinoRuntime(graph) if kind is RuntimeKind.OPENVINO else OnnxRuntime(graph)


class LazyRuntime:
    """A runtime that is opened when it is first asked for: exporting a graph takes seconds, and many never need it."""

    def __init__(self, network: Network, device: torch.device, compute: Compute) -> None:
        self._open = partial(open_runtime, network, device, compute)
        self._runtime: Runtime | None = None
        self._lock = threading.Lock()

    def get(self) -> Runtime:
        """Return the runtime."""
        with self._lock:
            if self._runtime is None:
                self._runtime = self._open()
            return self._runtime


def fastest(graph: bytes, network: Network, folder: Path | None = None) -> RuntimeKind:
    """Try ONNX Runtime and OpenVINO in turns for a second each; the answer is remembered.

    Parameters
    ----------
    folder
        Where the answer is kept for everybody who writes into it, whatever their processors; ``None``: in the cache,
        for this processor.
    """
    digest = hashlib.sha256(graph).hexdigest()
    if folder is not None:
        name = f"runtime-{digest[:16]}.txt"
        return RuntimeKind(cached(name, lambda: fastest(graph, network).encode(), folder=folder).decode())
    settings = [digest, version("onnxruntime"), version("openvino"), _processor()]
    key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
    return RuntimeKind(cached(f"trials/{key}.txt", lambda: _try(graph, network).encode()).decode())


def _try(graph: bytes, network: Network) -> RuntimeKind:
    batch = network.example.numpy()
    seconds = _seconds_in_turns(OnnxRuntime(graph), OpenVinoRuntime(graph), batch)
    return RuntimeKind.OPENVINO if seconds[0] > WORTH * seconds[1] else RuntimeKind.ONNX


def _seconds_in_turns(first: Runtime, second: Runtime, batch: NDArray[Any]) -> tuple[float, float]:
    """Median seconds of a call of each; calls alternate, so that what else the machine does slows both."""
    taken: tuple[list[float], list[float]] = ([], [])
    for each in (first, second):
        each.run(batch)
    begun = time.perf_counter()
    while time.perf_counter() - begun < 2 * TRIAL or len(taken[1]) < 3:
        for each, seconds in zip((first, second), taken, strict=True):
            started = time.perf_counter()
            each.run(batch)
            seconds.append(time.perf_counter() - started)
    return float(np.median(taken[0])), float(np.median(taken[1]))


def _require(kind: RuntimeKind) -> None:
    if not can_export():
        raise SettingsError(f"the runtime {kind} needs onnxruntime, onnx and onnxscript; install them, or use torch")
    if kind is RuntimeKind.OPENVINO and not has_openvino():
        raise SettingsError("the runtime openvino is not installed; pip install 'autolabel-engine[openvino]'")


def _processor() -> str:
    """Name of the processor's model, where Linux tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - not a file of ours
            return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return ""

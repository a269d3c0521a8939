"""Where and how networks are computed, as a user says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autolabel.errors import SettingsError
from autolabel.inference.runtimes.base import RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch


@dataclass(frozen=True, slots=True)
class Compute:
    """What an encoder is told about the machine it runs on."""

    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    runtime: RuntimeKind = RuntimeKind.AUTO
    """What computes networks on a processor."""
    bf16: bool = False
    """Compute in bfloat16; on a processor without the instructions four times slower."""
    trials: Path | None = None
    """Folder that remembers which runtime won, so that all who write into it use the same; ``None``: the cache."""
    int8: Mapping[str, bytes] = field(default_factory=dict)
    """Graphs of 8-bit products, by the fingerprint of their network: see `autolabel.inference.runtimes.int8`."""

    def torch_device(self) -> torch.device:
        """Return the device; `SettingsError` when it is not there."""
        return choose_device(self.device)


def choose_device(wanted: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` into a device that is there; `SettingsError` otherwise."""
    import torch

    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = wanted.partition(":")
    if kind == "cpu" and not index:
        return torch.device("cpu")
    if kind != "cuda" or (index and not index.isdecimal()):
        raise SettingsError(f"device {wanted!r} is unknown; use auto, cpu, cuda or cuda:N")
    if int(index or 0) >= torch.cuda.device_count():
        raise SettingsError(f"device {wanted!r} is not there: {torch.cuda.device_count()} CUDA devices found; use auto")
    return torch.device(wanted)

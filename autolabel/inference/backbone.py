"""A frozen torch image network as an `Encoder`: decode in threads, normalise and run on the device."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from autolabel.errors import ObjectError, SettingsError
from autolabel.inference.encoder import Modality, State, View, fingerprint_of
from autolabel.inference.images import DEFAULT_LIMITS, INVALID_IMAGE, Framing, ImageLimits, decode_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

VERSION = 2
"""Part of the fingerprint: raise it when the same weights and settings begin to give other vectors."""

CPU_BATCH = 32
"""Small enough for the activations to stay near the caches."""
CUDA_BATCH = 256


@dataclass(frozen=True, slots=True)
class ImageInput:
    """What a network wants to see.

    Attributes
    ----------
    framing
        Size and shape of the square.
    mean, std
        Of each colour channel on the scale [0, 1]: the network sees ``(pixel / 255 - mean) / std``.
    """

    framing: Framing
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class TorchImageEncoder:
    """Any network from ``(B, 3, S, S)`` pictures to ``(B, D)`` features, all views side by side.

    Parameters
    ----------
    network
        In evaluation mode.
    weights
        Hexadecimal SHA-256 of its weights.
    bf16
        Run in bfloat16 where that is safe. Off, because on a CPU without the instructions it is four times slower.
    """

    def __init__(
        self,
        name: str,
        network: torch.nn.Module,
        views: tuple[View, ...],
        *,
        weights: str,
        wants: ImageInput,
        device: torch.device,
        bf16: bool = False,
        limits: ImageLimits = DEFAULT_LIMITS,
    ) -> None:
        self.name = name
        self.views = views
        self.dim = sum(view.width for view in views)
        self.modality = Modality.IMAGE
        self.window = CUDA_BATCH if device.type == "cuda" else CPU_BATCH
        settings: dict[str, Any] = {"kind": "torch-image", "version": VERSION, "input": asdict(wants), "bf16": bf16}
        self.fingerprint = fingerprint_of(weights, settings)
        self._framing = wants.framing
        self._limits = limits
        self._device = device
        self._bf16 = bf16
        self._network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs know no memory_format beside a device
        # Folded into one multiplication and one addition: pixel * scale + shift.
        std = torch.tensor(wants.std, device=device)
        self._scale = (1.0 / (255.0 * std)).view(1, 3, 1, 1)
        self._shift = (-torch.tensor(wants.mean, device=device) / std).view(1, 3, 1, 1)

    def prepare(self, raw: bytes | str) -> NDArray[np.uint8]:
        """Decode to a ``(S, S, 3)`` uint8 square; a text is `ObjectError`."""
        if isinstance(raw, str):
            raise ObjectError(INVALID_IMAGE, f"a text, but {self.name} reads pictures; use a text encoder")
        return decode_image(raw, self._framing, self._limits)

    def encode(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Run the network over ``(S, S, 3)`` squares, `window` at a time; shape ``(B, D)``, float32."""
        parts = [
            self._run(torch.from_numpy(np.stack(batch[start : start + self.window])))
            for start in range(0, len(batch), self.window)
        ]
        if not parts:
            return np.empty((0, self.dim), np.float32)
        return torch.cat(parts).cpu().numpy()

    def state(self) -> State:
        """Nothing is fitted on the pool."""
        return {}

    def _run(self, pixels: torch.Tensor) -> torch.Tensor:
        # (B, S, S, 3) in memory seen as (B, 3, S, S) is what torch calls channels_last: nothing is moved.
        x = pixels.to(self._device).permute(0, 3, 1, 2)
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            features: torch.Tensor = self._network(x.float().mul_(self._scale).add_(self._shift))
        return features.float()


def choose_device(wanted: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` into a device that is there; `SettingsError` otherwise."""
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

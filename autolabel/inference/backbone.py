"""A frozen network for pictures as an `Encoder`: decoded and framed in threads, computed by a `Runtime`."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from autolabel.errors import ObjectError
from autolabel.inference.augment import cropped_and_mirrored
from autolabel.inference.encoder import Modality, State, View, fingerprint_of
from autolabel.inference.framing import Framing, framed
from autolabel.inference.images import DEFAULT_LIMITS, INVALID_IMAGE, ImageLimits, Picture, decode
from autolabel.inference.jpeg import decoder
from autolabel.inference.runtimes.base import Network
from autolabel.inference.runtimes.choose import LazyRuntime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from autolabel.inference.gpu.module import DevicePart
    from autolabel.inference.runtimes.device import Compute

VERSION = 3
"""Part of the fingerprint: raise it when the same weights and settings begin to give other vectors."""

CPU_BATCH = 16
"""Small enough for the activations to stay near the caches, and for threads to finish together."""
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


class FromPixels(torch.nn.Module):
    """A network for ``(B, 3, S, S)`` normalised pictures, fed with ``(B, S, S, 3)`` uint8 pixels."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, network: torch.nn.Module, wants: ImageInput) -> None:
        super().__init__()
        self.network = network
        # Folded into one multiplication and one addition: pixel * scale + shift.
        std, mean = torch.tensor(wants.std), torch.tensor(wants.mean)
        self.register_buffer("scale", (1.0 / (255.0 * std)).view(1, 3, 1, 1))
        self.register_buffer("shift", (-mean / std).view(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """``(B, S, S, 3)`` uint8 to features ``(B, D)``."""
        # (B, S, S, 3) in memory seen as (B, 3, S, S) is what torch calls channels_last: nothing is moved.
        x = pixels.permute(0, 3, 1, 2).float()
        features: torch.Tensor = self.network(x * self.scale + self.shift)
        return features


class ImageEncoder:
    """Any network from pictures to ``(B, D)`` features, all views side by side.

    Parameters
    ----------
    network
        From ``(B, 3, S, S)`` normalised pictures, in evaluation mode.
    weights
        Hexadecimal SHA-256 of its weights.
    compute
        Where and how. The runtime is opened when it is first needed.
    """

    def __init__(
        self,
        name: str,
        network: torch.nn.Module,
        views: tuple[View, ...],
        *,
        weights: str,
        wants: ImageInput,
        compute: Compute,
        limits: ImageLimits = DEFAULT_LIMITS,
    ) -> None:
        self.name = name
        self.views = views
        self.dim = sum(view.width for view in views)
        self.modality = Modality.IMAGE
        device = compute.torch_device()
        self.window = CUDA_BATCH if device.type == "cuda" else CPU_BATCH
        settings: dict[str, Any] = {
            "kind": "torch-image",
            "version": VERSION,
            "input": asdict(wants),
            "bf16": compute.bf16,
        }
        self.fingerprint = fingerprint_of(weights, settings)
        self.wanted = wants.framing.wanted
        self._framing = wants.framing
        self.compute = compute
        self.limits = limits
        side = wants.framing.size
        example = torch.arange(2 * side * side * 3).mul(2_654_435_761).remainder(256).to(torch.uint8)
        self.network = Network(
            FromPixels(network, wants).eval(), example.view(2, side, side, 3), fingerprint=self.fingerprint
        )
        self._runtime = LazyRuntime(self.network, device, compute)

    @property
    def route(self) -> str:
        """Decoder, torch's resizing, and the runtime."""
        return f"{decoder()}, torch {torch.__version__}; {self._runtime.get().route}"

    def prepare(self, raw: bytes | str) -> NDArray[np.uint8]:
        """Decode to a ``(S, S, 3)`` uint8 square; a text is `ObjectError`."""
        if isinstance(raw, str):
            raise ObjectError(INVALID_IMAGE, f"a text, but {self.name} reads pictures; use a text encoder")
        return self.prepare_picture(decode(raw, self.wanted, self.limits))

    def prepare_picture(self, picture: Picture) -> NDArray[np.uint8]:
        """Frame a decoded picture."""
        return framed(picture, self._framing)

    def encode(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Run the network over ``(S, S, 3)`` squares, `window` at a time; shape ``(B, D)``, float32."""
        if not batch:
            return np.empty((0, self.dim), np.float32)
        runtime = self._runtime.get()
        starts = range(0, len(batch), self.window)
        return np.concatenate([runtime.run(np.stack(batch[start : start + self.window])) for start in starts])

    def kinds(self, prepared: Sequence[NDArray[np.uint8]]) -> NDArray[np.int64]:
        """All squares are of one size."""
        return np.zeros(len(prepared), np.int64)

    def stack(self, prepared: Sequence[NDArray[np.uint8]], rng: np.random.Generator | None) -> torch.Tensor:
        """Stack squares to ``(B, S, S, 3)`` uint8, cropped and mirrored when there is a generator."""
        squares = torch.from_numpy(np.stack(prepared))
        return squares if rng is None else cropped_and_mirrored(squares, rng)

    def with_network(self, module: torch.nn.Module, *, weights: str, width: int) -> ImageEncoder:
        """Put another network behind the same framing; see `Tunable`."""
        other = copy.copy(self)
        other.views, other.dim = (View(width),), width
        other.fingerprint = fingerprint_of(weights, {"kind": "another network", "behind": self.fingerprint})
        other.network = Network(module.eval(), self.network.example, fingerprint=other.fingerprint, keep=False)
        other._runtime = LazyRuntime(other.network, self.compute.torch_device(), self.compute)  # noqa: SLF001 - ours
        return other

    @property
    def on_device(self) -> bool:
        """Whether it runs on another device than the processor."""
        return self.compute.torch_device().type != "cpu"

    def device_parts(self) -> tuple[DevicePart, ...]:
        """Itself."""
        from autolabel.inference.gpu.module import DevicePart

        return (DevicePart(self._framing, self.network.module, self.views),)

    def state(self) -> State:
        """Nothing is fitted on the pool."""
        return {}

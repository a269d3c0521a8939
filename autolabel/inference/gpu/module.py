"""A whole encoder, parts side by side, as one torch module: squares of pixels in, vectors in half precision out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from autolabel.inference.encoder import View
    from autolabel.inference.framing import Framing

LARGEST = 65504.0
"""The largest number of half precision."""


@dataclass(frozen=True, slots=True, eq=False)
class DevicePart:
    """One network of an encoder.

    Attributes
    ----------
    framing
        What squares it sees.
    module
        ``(B, S, S, 3)`` uint8 to ``(B, D)``.
    views
        Of the part.
    """

    framing: Framing
    module: nn.Module
    views: tuple[View, ...]


class WholeEncoder(nn.Module):
    """Networks side by side; with several, each view is brought to unit length as `FusedEncoder` does.

    Parameters
    ----------
    reduced
        Compute in bfloat16 where that is safe.
    """

    def __init__(self, parts: tuple[DevicePart, ...], *, reduced: bool) -> None:
        super().__init__()
        self.networks = nn.ModuleList(part.module for part in parts)
        self.views = [part.views for part in parts]
        self.reduced = reduced
        self.dim = sum(view.width for views in self.views for view in views)

    def forward(self, *squares: Tensor) -> Tensor:
        """Squares ``(B, S, S, 3)`` uint8 of each part to vectors ``(B, D)``, float16."""
        found = []
        for network, views, pixels in zip(self.networks, self.views, squares, strict=True):
            with torch.autocast(pixels.device.type, torch.bfloat16, enabled=self.reduced):
                features = network(pixels)
            features = features.float()
            if len(self.networks) > 1:
                widths = [view.width for view in views]
                parts = zip(features.split(widths, dim=1), views, strict=True)
                features = torch.cat([_unit(own, view) for own, view in parts], dim=1)
            found.append(features)
        # NaN stays NaN and is found on the host.
        return torch.cat(found, dim=1).clamp(-LARGEST, LARGEST).half()


def _unit(features: Tensor, view: View) -> Tensor:
    if view.rectified:
        features = features.clamp(min=0.0).sqrt()
    return functional.normalize(features, dim=1, eps=1e-12)


class Reduction(nn.Module):
    """A linear head and what is kept of its probabilities, as `autolabel.learning.rescoring` has it."""

    weight: Tensor
    bias: Tensor
    centre: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, centre: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.register_buffer("centre", centre)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors ``(B, D)`` float16 to class ids ``(B,)`` int32 and ``(B, 5)`` float32.

        The five are confidence, margin, entropy, gap and norm.
        """
        wide = vectors.float()
        logits = functional.linear(wide, self.weight, self.bias)
        best, classes = logits.topk(min(2, logits.shape[1]), dim=1)
        moved = logits - best[:, :1]
        shares = moved.exp()
        total = shares.sum(dim=1)
        entropy = total.log() - (shares * moved).sum(dim=1) / total
        gap = best[:, 0] - best[:, 1] if best.shape[1] > 1 else torch.full_like(total, torch.inf)
        margin = (1.0 - (-gap).exp()) / total
        norm = (wide - self.centre).norm(dim=1)
        return classes[:, 0].int(), torch.stack([1.0 / total, margin, entropy, gap, norm], dim=1)

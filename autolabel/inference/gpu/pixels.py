"""The features of `autolabel.inference.pixels` in torch: beside a network on a device, numpy would hold it up."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from autolabel.inference.pixels import CELLS, DIRECTIONS, SIDE, THUMBNAIL_WEIGHT, nearness


class PixelFeatures(nn.Module):
    """Edge directions and a thumbnail of ``(B, 24, 24, 3)`` uint8 squares, ``(B, 176)``; see `PixelEncoder`."""

    near: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("near", torch.from_numpy(nearness()))

    def forward(self, pixels: Tensor) -> Tensor:
        """Single precision throughout, whatever the networks beside it use."""
        with torch.autocast(pixels.device.type, enabled=False):
            rgb = pixels.float() / 255.0
            luma = 0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2]
            return torch.cat([self._edges(luma), THUMBNAIL_WEIGHT * _thumbnails(rgb, luma)], dim=1)

    def _edges(self, luma: Tensor) -> Tensor:
        down, right = torch.gradient(luma, dim=(1, 2))
        strength = torch.hypot(down, right)
        angle = torch.remainder(torch.atan2(down, right) * (DIRECTIONS / (2 * math.pi)), DIRECTIONS)
        below = angle.floor()
        share = (angle - below)[..., None]
        direction = below.long() % DIRECTIONS
        first = functional.one_hot(direction, DIRECTIONS).float()
        second = functional.one_hot((direction + 1) % DIRECTIONS, DIRECTIONS).float()
        votes = strength[..., None] * ((1 - share) * first + share * second)
        cells = torch.einsum("ay,nyxd,bx->nabd", self.near, votes, self.near)
        return functional.normalize(cells.flatten(1).clamp(min=0.0).sqrt(), dim=1, eps=1e-6)


def _thumbnails(rgb: Tensor, luma: Tensor) -> Tensor:
    planes = torch.stack([luma - 0.5, 0.564 * (rgb[..., 2] - luma), 0.713 * (rgb[..., 0] - luma)], dim=3)
    step = SIDE // CELLS
    means = planes.view(len(rgb), CELLS, step, CELLS, step, 3).mean(dim=(2, 4))
    return functional.normalize(means.flatten(1), dim=1, eps=1e-6)

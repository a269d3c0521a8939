"""Pictures changed a little at random, as training does, so that a network learns what does not matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    import numpy as np

SMALLEST = 0.5
"""Least share of a square's area that a crop keeps. ImageNet's recipes go down to 0.08, and need hundreds of epochs."""
LONGEST = 4 / 3
"""Most that a crop is longer than it is wide, or the other way round, before it is squeezed into the square."""


def cropped_and_mirrored(squares: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Cut a random part out of each square and scale it to the whole; mirror every second one.

    Parameters
    ----------
    squares
        ``(B, S, S, 3)`` uint8.

    Returns
    -------
    The same shape and type. Bilinear; the part never leaves the square (Szegedy et al. 2015, section 6).
    """
    count = len(squares)
    area = rng.uniform(SMALLEST, 1.0, count)
    ratio = LONGEST ** rng.uniform(-0.5, 0.5, count)
    width, height = ((area * each) ** 0.5 for each in (ratio, 1.0 / ratio))
    sides = [side.clip(max=1.0) for side in (width, height)]
    places = [rng.uniform(-1.0, 1.0, count) * (1.0 - side) for side in sides]
    sides[0] *= rng.choice([-1.0, 1.0], count)
    moved = torch.zeros(count, 2, 3)
    for axis in (0, 1):
        moved[:, axis, axis] = torch.from_numpy(sides[axis]).float()
        moved[:, axis, 2] = torch.from_numpy(places[axis]).float()
    pictures = squares.permute(0, 3, 1, 2).float()
    grid = functional.affine_grid(moved.to(squares.device), list(pictures.shape), align_corners=False)
    cut = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return cut.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()

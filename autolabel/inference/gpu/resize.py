"""Cutting and scaling a batch of pictures of any shapes in two matrix products.

Scaling a picture with antialiasing is linear and separable: ``square = rows @ picture @ columns``, where every row of
the two matrices holds the weights of one output pixel (Pillow's and torch's triangle or cubic, widened when shrinking).
A tensor core does the dense products for a batch in less time than it takes to launch a kernel for each picture, and
processors are left with nothing but decoding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PLACES = 8
"""Numbers that say where a part of a picture is, see `Resize.forward`."""


class Resize(nn.Module):
    """Samples a square from each of a batch of pictures in one padded array.

    Parameters
    ----------
    size
        Side S of the squares.
    bicubic
        Bicubic instead of bilinear interpolation.
    """

    def __init__(self, size: int, *, bicubic: bool = False) -> None:
        super().__init__()
        self.size = size
        self.bicubic = bicubic

    def forward(self, pixels: Tensor, places: Tensor) -> Tensor:
        """``(B, H, W, 3)`` uint8 and places ``(B, 8)`` to squares ``(B, S, S, 3)``, uint8.

        A place is: where sampling begins, horizontally and vertically, in pixels of the array; the step from one output
        pixel to the next, likewise; the first and the end of the picture's pixels, left, top, right, bottom.
        """
        batch, height, width = pixels.shape[:3]
        # Half precision holds every pixel exactly; weights are off by 1/2048, a quarter of a grey level at worst.
        dtype = torch.float16 if pixels.is_cuda else torch.float32
        x, y, step_x, step_y, left, top, right, bottom = places.unbind(1)
        columns = self._weights(x, step_x, left, right, width).to(dtype)
        rows = self._weights(y, step_y, top, bottom, height).to(dtype)
        planes = pixels.permute(0, 3, 1, 2).to(dtype)
        narrow = torch.bmm(planes.reshape(batch, 3 * height, width), columns.transpose(1, 2))
        square = torch.matmul(rows[:, None], narrow.view(batch, 3, height, self.size))
        return square.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    def _weights(self, begin: Tensor, step: Tensor, first: Tensor, end: Tensor, length: int) -> Tensor:
        """Weight of every input pixel in every output pixel, ``(B, S, length)``, rows sum to 1."""
        middle = begin[:, None] + (torch.arange(self.size, device=begin.device) + 0.5) * step[:, None]
        widened = step.clamp(min=1.0)[:, None, None]
        pixel = torch.arange(length, device=begin.device)
        distance = ((pixel + 0.5) - middle[:, :, None]).abs_() / widened
        weight = _cubic(distance) if self.bicubic else (1.0 - distance).clamp_(min=0.0)
        inside = (pixel >= first[:, None]) & (pixel < end[:, None])
        weight = weight * inside[:, None, :]
        return weight / weight.sum(dim=2, keepdim=True)


def _cubic(distance: Tensor) -> Tensor:
    """Keys' kernel with a = -1/2, as Pillow and torch with antialiasing have it."""
    near = (1.5 * distance - 2.5) * distance * distance + 1.0
    far = ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0
    return torch.where(distance < 1.0, near, torch.where(distance < 2.0, far, torch.zeros_like(distance)))

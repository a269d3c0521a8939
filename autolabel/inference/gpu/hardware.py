"""JPEGs decoded by the device: nvJPEG, on the decoding engines of newer GPUs, through torchvision's lists.

Its pixels differ from libjpeg-turbo's by a few grey levels, so which pictures go this way must not depend on the
moment: a fixed number of rows of every batch does (`DevicePlan.hardware`), and `Encoder.route` says how many.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class HardwareDecoder:
    """Decodes lists of JPEGs on one device, on a stream of its own; one thread at a time uses it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream | None = torch.cuda.Stream(device) if device.type == "cuda" else None

    def decode(self, raws: Sequence[bytes]) -> list[Tensor] | None:
        """Return ``(3, H, W)`` uint8 tensors on the device, finished; ``None`` when any of the files is refused.

        torchvision gives no partial results, so one file that is not quite in order costs its batch a decoding on the
        processor.
        """
        from torchvision.io import ImageReadMode, decode_jpeg

        # The warnings are about torchcodec, which will replace these functions, and about buffers not being writable.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            files = [torch.frombuffer(raw, dtype=torch.uint8) for raw in raws]
            try:
                if self._stream is None:
                    return [decode_jpeg(file, mode=ImageReadMode.RGB) for file in files]
                with torch.cuda.stream(self._stream):
                    found: list[Tensor] = decode_jpeg(files, mode=ImageReadMode.RGB, device=self._device)
                self._stream.synchronize()
            except RuntimeError:
                return None
        return found

"""A network as torch runs it, operation by operation: the reference for every other runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from autolabel.inference.runtimes.base import Network


class EagerRuntime:
    """Runs on any device of torch.

    A vector's last bits depend on how many stand in its batch and, on processors, on `torch.get_num_threads()`: the
    libraries below torch choose their kernels by shape.

    Parameters
    ----------
    bf16
        Run in bfloat16 where that is safe; on processors without the instructions four times slower.
    """

    def __init__(self, network: Network, device: torch.device, *, bf16: bool = False) -> None:
        self._device = device
        self._bf16 = bf16
        self._module = network.module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs know no memory_format beside a device
        self.route = f"torch {torch.__version__}, {device.type}, {'bf16' if bf16 else 'fp32'}"

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """``(B, ...)`` to ``(B, D)``, float32; on a GPU this waits for the result."""
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            features = self._module(torch.from_numpy(batch).to(self._device))
        array: NDArray[np.float32] = features.float().cpu().numpy()
        return array

"""One static shape, launched as a whole: on a GPU the steps of a batch are captured once and replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

WARM_UPS = 3
"""Runs before a capture: libraries choose their kernels and take their memory in them."""


class StaticGraph:
    """A module on a device, for arguments that always lie in the same place.

    Parameters
    ----------
    arguments
        What the module is called with; later calls read what is in these tensors then.
    compiled
        Compile with TorchInductor first, which takes up to a minute.
    """

    def __init__(self, module: nn.Module, arguments: tuple[Tensor, ...], *, compiled: bool = False) -> None:
        self.arguments = arguments
        self._call: Any = torch.compile(module, dynamic=False) if compiled else module
        self._graph: torch.cuda.CUDAGraph | None = None
        self.results: Any = None
        with torch.inference_mode():
            if arguments[0].is_cuda:
                self._capture()
            else:
                self.results = self._call(*arguments)

    def run(self) -> Any:
        """Start the computation; return what will hold its results until the next run. Does not wait for a GPU."""
        if self._graph is not None:
            self._graph.replay()
        else:
            with torch.inference_mode():
                self.results = self._call(*self.arguments)
        return self.results

    def _capture(self) -> None:
        # As PyTorch's notes on CUDA graphs have it: warm up on another stream than the default one, then capture.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self._call(*self.arguments)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self.results = self._call(*self.arguments)

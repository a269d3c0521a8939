"""A network, and the `Runtime` protocol of what computes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray


class RuntimeKind(StrEnum):
    """What may compute a network on a processor."""

    AUTO = "auto"
    """The fastest that is installed; with OpenVINO beside ONNX Runtime, the winner of a two-second trial."""
    ONNX = "onnxruntime"
    OPENVINO = "openvino"
    TORCH = "torch"
    """The reference that the others are compared with, and the fallback for what they cannot read."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A torch module from one array ``(B, ...)`` to features ``(B, D)``.

    Attributes
    ----------
    module
        In evaluation mode, with one argument and one result.
    example
        An argument with B = 2, of values that occur: what is exported is tried with them.
    dynamic
        Axes of the argument whose length varies; the batch's is one of them.
    fingerprint
        Of the encoder: what an exported graph is kept under.
    """

    module: torch.nn.Module
    example: torch.Tensor
    dynamic: tuple[int, ...] = (0,)
    fingerprint: str = ""
    keep: bool = True
    """Whether an exported graph is kept in the cache: not that of a network which one job uses and nobody after it."""


class Runtime(Protocol):
    """Computes one network. `run` is safe in many threads at once and uses only the one that calls it."""

    @property
    def route(self) -> str:
        """Name, version, precision and digest of what is computed: the same route gives the same bytes."""
        ...

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """``(B, ...)`` to ``(B, D)``, float32."""
        ...

    def run_all(self, batches: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """`run` of each batch; a device is not waited for between them."""
        ...

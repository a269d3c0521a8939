"""OpenVINO on the processor, an optional extra: a little faster than ONNX Runtime for texts on some machines."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.inference.threads import cores

if TYPE_CHECKING:
    from numpy.typing import NDArray


def has_openvino() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("openvino") is not None


class OpenVinoRuntime:
    """Runs one graph; each thread that calls it has a request of its own, on one core.

    Parameters
    ----------
    graph
        An ONNX file.
    """

    def __init__(self, graph: bytes, *, precision: str = "fp32") -> None:
        import openvino

        core = openvino.Core()
        settings = {
            "NUM_STREAMS": cores(),
            "INFERENCE_NUM_THREADS": cores(),
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,
        }
        self._model = core.compile_model(core.read_model(graph), "CPU", settings)
        self._own = threading.local()
        digest = hashlib.sha256(graph).hexdigest()[:16]
        self.route = f"openvino {openvino.__version__.split('-')[0]}, {precision}, graph {digest}"

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """``(B, ...)`` to ``(B, D)``, float32."""
        if not hasattr(self._own, "request"):
            self._own.request = self._model.create_infer_request()
        found: NDArray[np.float32] = np.array(self._own.request.infer([batch])[0], np.float32)
        return found

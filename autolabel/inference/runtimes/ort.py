"""ONNX Runtime on the processor: single-threaded calls, as many at a time as there are threads that make them.

Its kernels add up each object's numbers in an order that does not depend on the batch, so an object gets the same bytes
alone and among others; `tests/integration/test_inference_runtimes.py` holds that for the networks that are used here.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ERRORS_ONLY = 3


class OnnxRuntime:
    """Runs one graph.

    Parameters
    ----------
    graph
        An ONNX file.
    precision
        What is said of the graph in `route`.
    """

    def __init__(self, graph: bytes, *, precision: str = "fp32") -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = _ERRORS_ONLY
        options.enable_mem_pattern = False  # planned for one shape; texts come in hundreds of them
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        digest = hashlib.sha256(graph).hexdigest()[:16]
        self.route = f"onnxruntime {onnxruntime.__version__}, {precision}, graph {digest}"

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """``(B, ...)`` to ``(B, D)``, float32."""
        found: NDArray[np.float32] = np.asarray(self._session.run(None, {self._input: batch})[0], np.float32)
        return found

"""A torch module as an ONNX graph: exported once for each checkpoint, kept in the cache under what it depends on."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import logging
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.inference.runtimes.graph_cache import cached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autolabel.inference.runtimes.base import Network

VERSION = 1
"""Raise it when graphs are exported in another way."""
NEEDED = ("onnxruntime", "onnx", "onnxscript")
TOLERANCE = 1e-3
"""Share of the largest value that a graph may be off; rounding makes it a hundredth of that."""


class ExportError(Exception):
    """torch cannot write this network as a graph; whoever asked runs it eagerly."""


def can_export() -> bool:
    """Whether the packages are there that write and read graphs."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)


def onnx_graph(network: Network) -> bytes:
    """Return a network as ONNX, from the cache if it is there. The first time takes 5 s to 25 s.

    Raises
    ------
    ExportError
        torch cannot export it.
    """
    if not network.keep:
        return checked_export(network)
    settings = (VERSION, version("torch"), version("onnxscript"), network.fingerprint, str(network.example.shape[1:]))
    key = hashlib.sha256(repr(settings).encode()).hexdigest()
    return cached(f"networks/{key}.onnx", lambda: checked_export(network))


def checked_export(network: Network) -> bytes:
    """Export, and compare what ONNX Runtime makes of the graph with what torch makes of the network.

    An exporter that took a value for a constant, as they do where a network leaves torch, would otherwise be believed.
    The trial has other lengths than the example that the graph was traced with.

    Raises
    ------
    ExportError
        torch cannot export it, or the graph says something else.
    """
    import torch

    from autolabel.inference.runtimes.ort import OnnxRuntime

    graph = export(network)
    trial = torch.cat([network.example, network.example.flip(0)])[:3].roll(1, dims=-1)
    for axis in network.dynamic[1:]:
        trial = trial.narrow(axis, 0, max(1, trial.shape[axis] // 2))
    with torch.inference_mode():
        expected = network.module(trial).numpy()
    found = OnnxRuntime(graph).run(trial.numpy())
    largest = float(np.abs(expected).max())
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=0, atol=TOLERANCE * max(largest, 1e-6)):
        raise ExportError("the exported graph computes something else than the network")
    return graph


def export(network: Network) -> bytes:
    """Write a network as ONNX; the same network gives the same bytes."""
    import torch

    axes = dict.fromkeys(network.dynamic, torch.export.Dim.DYNAMIC)
    module = network.module.cpu()
    try:
        with silenced():
            program = torch.onnx.export(
                module, (network.example,), dynamo=True, dynamic_shapes=(axes,), verbose=False, optimize=True
            )
            model = program.model_proto  # type: ignore[union-attr]  # None only where it writes a file itself
            _strip(model)
            data: bytes = model.SerializeToString(deterministic=True)
    except Exception as error:
        # torch's exporters raise whatever their passes stumble over; the eager network still works.
        raise ExportError(f"{type(error).__name__}: {error}") from error
    return data


def _strip(model: Any) -> None:
    """Take out names of files and lines of code: they differ between machines."""
    model.doc_string = ""
    del model.metadata_props[:]
    for graph in (model.graph, *model.functions):
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keep the exporter's progress and its advice about its own internals off the console."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)

"""Scoring in 8-bit integers, when somebody asked for it and a sample of the very objects shows that it changes nothing.

The decision and its graphs are kept in the output folder, so that every part, on every machine, uses the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from autolabel.errors import ObjectError
from autolabel.inference.catalogue import encoder_for
from autolabel.inference.encoder import Modality, Networked
from autolabel.inference.fused import FusedEncoder
from autolabel.inference.runtimes.base import RuntimeKind
from autolabel.inference.runtimes.export import ExportError, can_export
from autolabel.inference.shards.workers import encode_windows
from autolabel.learning.agreement import Agreement
from autolabel.learning.learner import encoder_state
from autolabel.learning.packed import classifier_of
from autolabel.learning.rescoring import head_on_embeddings
from autolabel.storage.durable import make_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from autolabel.inference.checkpoint import Checkpoint
    from autolabel.inference.embed import SourceReader
    from autolabel.inference.encoder import Encoder

CALIBRATED_ON = 128
"""Objects that ranges of activations are measured on."""
COMPARED = 1_000
"""Other objects, whose labels and confidences are compared."""
FOLDER = "int8"
DECISION = "agreement.json"
PICTURES = 8
"""Pictures a batch of the calibration."""


class Decision(msgspec.Struct, frozen=True):
    """Whether 8-bit integers are used for one manifest and model."""

    key: str
    """Of manifest, model and encoder."""
    refusal: str
    """Why not; empty: they are."""
    agreement: dict[str, Any]
    graphs: dict[str, str]
    """SHA-256 of each graph, by the fingerprint of its network; ``FINGERPRINT.onnx`` stands beside the decision."""

    def load(self, folder: Path) -> Mapping[str, bytes] | None:
        """Read the graphs; ``None`` when one is not there, whole."""
        found = {}
        for fingerprint, digest in self.graphs.items():
            try:
                data = (folder / f"{fingerprint}.onnx").read_bytes()
            except OSError:
                return None
            if hashlib.sha256(data).hexdigest() != digest:
                return None
            found[fingerprint] = data
        return found


def decide(
    checkpoint: Checkpoint,
    sources: SourceReader,
    rows: NDArray[np.int64],
    output: Path,
    *,
    threads: int,
) -> tuple[Decision, Mapping[str, bytes]]:
    """Return the decision, from the output folder if it was made before, and the graphs, none after a refusal.

    The sample is drawn by the manifest's digest: 128 objects to calibrate, another 1,000 to compare, with the model's
    own head.
    """
    folder = output / FOLDER
    key = hashlib.sha256(
        f"{sources.content} {checkpoint.encoder_fingerprint} {head_on_embeddings(checkpoint.arrays).sha256}".encode()
    ).hexdigest()
    known = _read(folder / DECISION)
    if known is not None and known.key == key:
        graphs = known.load(folder)
        if graphs is not None:
            return known, graphs if not known.refusal else {}
    decision, graphs = _try(key, checkpoint, sources, rows, threads)
    make_folder(folder)
    for fingerprint, graph in graphs.items():
        write_atomically(folder / f"{fingerprint}.onnx", graph)
    write_atomically(folder / DECISION, msgspec.json.encode(decision))
    return decision, graphs if not decision.refusal else {}


def _try(
    key: str, checkpoint: Checkpoint, sources: SourceReader, rows: NDArray[np.int64], threads: int
) -> tuple[Decision, Mapping[str, bytes]]:
    if not can_export():
        return Decision(key, "onnxruntime, onnx and onnxscript are not installed", {}, {}), {}
    state = encoder_state(checkpoint)
    reference = encoder_for(checkpoint.encoder, device="cpu", state=state, runtime=RuntimeKind.ONNX)
    rng = np.random.default_rng(int(sources.content[:16], 16))
    drawn = rng.permutation(rows)[: CALIBRATED_ON + COMPARED]
    calibrated_on, compared = drawn[:CALIBRATED_ON], np.sort(drawn[CALIBRATED_ON:])
    try:
        graphs = _graphs(reference, sources, calibrated_on)
    except ExportError as error:
        return Decision(key, str(error), {}, {}), {}
    if not graphs:
        return Decision(key, f"{reference.name} holds no network", {}, {}), {}
    replacement = encoder_for(checkpoint.encoder, device="cpu", state=state, int8=graphs)
    head = head_on_embeddings(checkpoint.arrays)
    scores = [head.score(_vectors(encoder, sources, compared, threads)) for encoder in (reference, replacement)]
    agreement = Agreement.of(scores[0], scores[1], classifier_of(checkpoint.arrays).errors_alone)
    digests = {fingerprint: hashlib.sha256(graph).hexdigest() for fingerprint, graph in graphs.items()}
    return Decision(key, agreement.refusal(), asdict(agreement), digests), graphs


def _graphs(encoder: Encoder, sources: SourceReader, objects: NDArray[np.int64]) -> dict[str, bytes]:
    """Quantise every network of an encoder."""
    from autolabel.inference.runtimes.int8 import int8_graph

    prepared = []
    for number in objects.tolist():
        try:
            prepared.append(encoder.prepare(sources.get(number)))
        except ObjectError:
            continue
    parts = encoder.parts if isinstance(encoder, FusedEncoder) else (encoder,)
    found = {}
    for place, part in enumerate(parts):
        if isinstance(part, Networked) and prepared:
            own = [each[place] for each in prepared] if isinstance(encoder, FusedEncoder) else prepared
            found[part.network.fingerprint] = int8_graph(part.network, _batches(part, own))
    return found


def _batches(encoder: Encoder, prepared: list[Any]) -> list[NDArray[Any]]:
    if encoder.modality is Modality.TEXT:
        return [ids[None].astype(np.int64) for ids in prepared]
    return [np.stack(prepared[begin : begin + PICTURES]) for begin in range(0, len(prepared), PICTURES)]


def _vectors(encoder: Encoder, sources: SourceReader, objects: NDArray[np.int64], threads: int) -> NDArray[np.float16]:
    """Vectors of a sample, of the objects that have one; which these are does not depend on the precision."""
    windows = (objects[begin : begin + encoder.window] for begin in range(0, len(objects), encoder.window))
    kept = []
    for part in encode_windows(encoder, sources, windows, threads=threads):
        good = ~np.isin(part.objects, np.fromiter(part.failures, np.int64, len(part.failures)))
        kept.append(part.vectors[good])
    return np.concatenate([np.empty((0, encoder.dim), np.float16), *kept])


def _read(path: Path) -> Decision | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Decision)
    except (OSError, msgspec.DecodeError):
        return None

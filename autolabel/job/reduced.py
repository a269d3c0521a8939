"""Scoring in less than single precision, where a sample of the very objects shows that it changes nothing.

On processors that is 8-bit integers, when somebody asked for them; on GPUs bfloat16, which models were not trained with
if their vectors came from a processor. The decision is kept in the output folder, with the graphs it needs, so that
every part, on every machine, uses the same.
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
from autolabel.inference.runtimes.device import choose_device
from autolabel.inference.runtimes.export import ExportError, can_export
from autolabel.inference.shards.lane import open_lane
from autolabel.inference.tuned import TunedEncoder
from autolabel.learning.agreement import Agreement
from autolabel.learning.learner import encoder_state
from autolabel.learning.packed import classifier_of
from autolabel.learning.rescoring import head_on_embeddings
from autolabel.storage.durable import make_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from autolabel.inference.checkpoint import Checkpoint
    from autolabel.inference.embed import SourceReader
    from autolabel.inference.encoder import Encoder

CALIBRATED_ON = 128
"""Objects that ranges of activations are measured on."""
COMPARED = 1_000
"""Other objects, whose labels and confidences are compared."""
FOLDER = "reduced"
DECISION = "agreement.json"
PICTURES = 8
"""Pictures a batch of the calibration."""


class Decision(msgspec.Struct, frozen=True):
    """Whether a reduced precision is used for one manifest and model."""

    key: str
    """Of manifest, model, encoder and precision."""
    precision: str
    """``int8`` or ``bf16``."""
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
    device: str,
    threads: int,
) -> tuple[Decision, Mapping[str, bytes]]:
    """Return the decision, from the output folder if it was made before, and 8-bit graphs, none after a refusal.

    The sample is drawn by the manifest's digest: 128 objects to calibrate, another 1,000 to compare, with the model's
    own head.

    Parameters
    ----------
    device
        On processors 8-bit integers are tried, on GPUs bfloat16.
    """
    folder = output / FOLDER
    precision = "int8" if choose_device(device).type == "cpu" else "bf16"
    head = head_on_embeddings(checkpoint.arrays).sha256
    words = f"{precision} {sources.content} {checkpoint.encoder_fingerprint} {head}"
    key = hashlib.sha256(words.encode()).hexdigest()
    known = _read(folder / DECISION)
    if known is not None and known.key == key:
        graphs = known.load(folder)
        if graphs is not None:
            return known, graphs if not known.refusal else {}
    if precision == "int8":
        decision, graphs = _try_int8(key, checkpoint, sources, rows, threads)
    else:
        decision, graphs = _try_bf16(key, checkpoint, sources, rows, device, threads), {}
    make_folder(folder)
    for fingerprint, graph in graphs.items():
        write_atomically(folder / f"{fingerprint}.onnx", graph)
    write_atomically(folder / DECISION, msgspec.json.encode(decision))
    return decision, graphs if not decision.refusal else {}


def _try_int8(
    key: str, checkpoint: Checkpoint, sources: SourceReader, rows: NDArray[np.int64], threads: int
) -> tuple[Decision, Mapping[str, bytes]]:
    if not can_export():
        return Decision(key, "int8", "onnxruntime, onnx and onnxscript are not installed", {}, {}), {}
    state = encoder_state(checkpoint)
    reference = encoder_for(checkpoint.encoder, device="cpu", state=state, runtime=RuntimeKind.ONNX)
    calibrated_on, compared = _sample(sources, rows)
    try:
        graphs = _graphs(reference, sources, calibrated_on)
    except ExportError as error:
        return Decision(key, "int8", str(error), {}, {}), {}
    if not graphs:
        return Decision(key, "int8", f"{reference.name} holds no network", {}, {}), {}
    replacement = encoder_for(checkpoint.encoder, device="cpu", state=state, int8=graphs)
    agreement = _compare(checkpoint, sources, compared, threads, reference, replacement)
    digests = {fingerprint: hashlib.sha256(graph).hexdigest() for fingerprint, graph in graphs.items()}
    return Decision(key, "int8", agreement.refusal(), asdict(agreement), digests), graphs


def _try_bf16(
    key: str, checkpoint: Checkpoint, sources: SourceReader, rows: NDArray[np.int64], device: str, threads: int
) -> Decision:
    state = encoder_state(checkpoint)
    reference, replacement = (
        encoder_for(checkpoint.encoder, device=device, state=state, reduced=reduced) for reduced in (False, True)
    )
    agreement = _compare(checkpoint, sources, _sample(sources, rows)[1], threads, reference, replacement)
    return Decision(key, "bf16", agreement.refusal(), asdict(agreement), {})


def _sample(sources: SourceReader, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw objects to calibrate on, and others to compare."""
    rng = np.random.default_rng(int(sources.content[:16], 16))
    drawn = rng.permutation(rows)[: CALIBRATED_ON + COMPARED]
    return drawn[:CALIBRATED_ON], np.sort(drawn[CALIBRATED_ON:])


def _compare(
    checkpoint: Checkpoint,
    sources: SourceReader,
    objects: NDArray[np.int64],
    threads: int,
    reference: Encoder,
    replacement: Encoder,
) -> Agreement:
    head = head_on_embeddings(checkpoint.arrays)
    scores = [head.score(_vectors(encoder, sources, objects, threads)) for encoder in (reference, replacement)]
    return Agreement.of(scores[0], scores[1], classifier_of(checkpoint.arrays).errors_alone)


def _graphs(encoder: Encoder, sources: SourceReader, objects: NDArray[np.int64]) -> dict[str, bytes]:
    """Quantise every network of an encoder."""
    from autolabel.inference.runtimes.int8 import int8_graph

    prepared = []
    for number in objects.tolist():
        try:
            prepared.append(encoder.prepare(sources.get(number)))
        except ObjectError:
            continue
    return {
        part.network.fingerprint: int8_graph(part.network, _batches(part, own))
        for part, own in _parts(encoder, prepared)
        if isinstance(part, Networked) and own
    }


def _parts(encoder: Encoder, prepared: list[Any]) -> Iterator[tuple[Encoder, list[Any]]]:
    """Yield the encoders that an encoder is made of, and what each takes of prepared objects."""
    if isinstance(encoder, TunedEncoder):
        yield from _parts(encoder.base, prepared)
        yield encoder.heard, [encoder.own(each) for each in prepared]
    elif isinstance(encoder, FusedEncoder):
        for place, part in enumerate(encoder.parts):
            yield part, [each[place] for each in prepared]
    else:
        yield encoder, prepared


def _batches(encoder: Encoder, prepared: list[Any]) -> list[NDArray[Any]]:
    if encoder.modality is Modality.TEXT:
        return [ids[None].astype(np.int64) for ids in prepared]
    return [np.stack(prepared[begin : begin + PICTURES]) for begin in range(0, len(prepared), PICTURES)]


def _vectors(encoder: Encoder, sources: SourceReader, objects: NDArray[np.int64], threads: int) -> NDArray[np.float16]:
    """Vectors of a sample, of the objects that have one; which these are does not depend on the precision."""
    lane = open_lane(encoder, sources, threads=threads, objects=len(objects))
    windows = (objects[begin : begin + lane.window] for begin in range(0, len(objects), lane.window))
    kept = []
    for part in lane.encode(windows):
        good = ~np.isin(part.objects, np.fromiter(part.failures, np.int64, len(part.failures)))
        kept.append(part.vectors[good])
    return np.concatenate([np.empty((0, encoder.dim), np.float16), *kept])


def _read(path: Path) -> Decision | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Decision)
    except (OSError, msgspec.DecodeError):
        return None

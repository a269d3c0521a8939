"""Sentence vectors from a BERT encoder (Reimers & Gurevych 2019), without transformers.

Reads the folder that sentence-transformers writes: ``config.json``, ``model.safetensors``, ``tokenizer.json``,
``1_Pooling/config.json``. Beside the pooled last layer there are two more views: the mean of the middle layer, where
words still count for themselves, and the last layer's first word, which tells a who from a when. Texts longer than the
model's limit, never more than 256 word pieces with the two marks at the ends, are cut at the end. Every view has unit
length; the first agrees with sentence-transformers' own to 1e-4.

Texts of one length go through the network together, so nothing is padded and nothing masked: no time goes to padding,
and what a text's vector is does not depend on the texts around it.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from autolabel.inference.bert_network import (
    load_bert,
    longest,
    pools_first_token,
    read,
    read_json,
    shape_of,
    views_of,
)
from autolabel.inference.encoder import Modality, State, View, fingerprint_of
from autolabel.inference.runtimes.base import Network, RuntimeKind
from autolabel.inference.runtimes.choose import LazyRuntime
from autolabel.inference.text import checked_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from autolabel.inference.runtimes.device import Compute

VERSION = 2
"""Part of the fingerprint: raise it when the same weights and settings begin to give other vectors."""

WINDOW = {"cpu": 256, "cuda": 16_384}
"""Texts that are put in order of their length together: enough of each length, and work for every thread."""
TOKEN_BUDGET = {"cpu": 2048, "cuda": 65_536}
"""Word pieces that go through the network at once: their activations stay in cache."""
ONE_TEXT = 1
"""Budget of a batch that holds one text, however long: 8-bit activations must not depend on their neighbours'."""


class BertEncoder:
    """A sentence encoder over one folder.

    Parameters
    ----------
    compute
        Where and how. The runtime is opened when it is first needed.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        compute: Compute,
    ) -> None:
        from tokenizers import Tokenizer

        device = compute.torch_device()
        config = read_json(folder / "config.json")
        shape = shape_of(config, folder)
        weights = read(folder / "model.safetensors")
        tokenizer_json = read(folder / "tokenizer.json")
        pieces = longest(folder, shape)
        self.name = name
        self.views = views_of(shape.hidden_size)
        self.dim = sum(view.width for view in self.views)
        self.modality = Modality.TEXT
        self.window = WINDOW[device.type]
        self._unit_length = True
        self._tokenizer = Tokenizer.from_str(tokenizer_json.decode())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(pieces)
        if len(self._tokenizer.encode("a")) < 2:  # no marks around texts: graphs are exported for two tokens and more
            compute = replace(compute, runtime=RuntimeKind.TORCH)
        self.compute = compute
        settings: dict[str, Any] = {
            "kind": "bert",
            "version": VERSION,
            "shape": asdict(shape),
            "tokenizer": hashlib.sha256(tokenizer_json).hexdigest(),
            "pieces": pieces,
            "first_only": pools_first_token(folder),
            "bf16": compute.bf16,
        }
        self.fingerprint = fingerprint_of(hashlib.sha256(weights).hexdigest(), settings)
        self._budget = ONE_TEXT if self.fingerprint in compute.int8 else TOKEN_BUDGET[device.type]
        example = torch.arange(2 * min(24, pieces)).mul(7919).remainder(shape.vocab_size).view(2, -1)
        self.network = Network(load_bert(shape, weights, folder), example, dynamic=(0, 1), fingerprint=self.fingerprint)
        self._runtime = LazyRuntime(self.network, device, compute)

    @property
    def route(self) -> str:
        """The tokenizer and the runtime."""
        return f"tokenizers {version('tokenizers')}; {self._runtime.get().route}"

    def prepare(self, raw: bytes | str) -> NDArray[np.int32]:
        """Cut a text into word pieces: their ids, shape ``(L,)``; the tokenizer frees the GIL."""
        return np.asarray(self._tokenizer.encode(checked_text(raw)).ids, dtype=np.int32)

    def encode(self, batch: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
        """Encode texts, those of one length together; shape ``(B, D)``."""
        out = np.empty((len(batch), self.dim), np.float32)
        lengths = np.asarray([len(ids) for ids in batch], dtype=np.int64)
        groups = list(batches_of_one_length(lengths, self._budget))
        stacked = [np.stack([batch[row] for row in rows]).astype(np.int64) for rows in groups]
        for rows, found in zip(groups, self._runtime.get().run_all(stacked), strict=True):
            out[rows] = found
        if not self._unit_length:
            return out
        # Here and not in the graph, because runtimes reduce a batch of one text in another order than a larger one.
        views = out.reshape(len(batch), len(self.views), self.views[0].width)
        views /= np.maximum(np.linalg.norm(views, axis=2, keepdims=True), 1e-12)
        return out

    def kinds(self, prepared: Sequence[NDArray[np.int32]]) -> NDArray[np.int64]:
        """Texts of one length go together."""
        return np.asarray([len(ids) for ids in prepared], np.int64)

    def stack(self, prepared: Sequence[NDArray[np.int32]], rng: np.random.Generator | None) -> torch.Tensor:  # noqa: ARG002 - what would be changed in a text can be what it is about
        """Stack texts of one length to ``(B, L)`` int64; they are never changed."""
        return torch.from_numpy(np.stack(prepared).astype(np.int64))

    def with_network(self, module: torch.nn.Module, *, weights: str, width: int) -> BertEncoder:
        """Put another network behind the same tokenizer; see `Tunable`."""
        other = copy.copy(self)
        other.views, other.dim, other._unit_length = (View(width),), width, False  # noqa: SLF001 - of this class
        other.fingerprint = fingerprint_of(weights, {"kind": "another network", "behind": self.fingerprint})
        own = self.network
        other.network = Network(module.eval(), own.example, own.dynamic, fingerprint=other.fingerprint, keep=False)
        other._runtime = LazyRuntime(other.network, self.compute.torch_device(), self.compute)  # noqa: SLF001 - of this class
        return other

    def state(self) -> State:
        """Nothing is fitted on the pool."""
        return {}


def batches_of_one_length(lengths: NDArray[np.int64], budget: int) -> Iterator[NDArray[np.int64]]:
    """Yield rows in batches of one length and at most `budget` word pieces, or one text; shortest texts first.

    Rows of a batch are ascending, so that the batches depend on nothing but the window.
    """
    order = np.argsort(lengths, kind="stable")
    starts = np.flatnonzero(np.diff(lengths[order], prepend=-1))
    for same in np.split(order, starts[1:]):
        if len(same):
            step = max(1, budget // int(lengths[same[0]]))
            yield from (same[begin : begin + step] for begin in range(0, len(same), step))

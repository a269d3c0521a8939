"""Sentence vectors from a BERT encoder (Devlin et al. 2018; Reimers & Gurevych 2019), without transformers.

Reads the folder that sentence-transformers writes: ``config.json``, ``model.safetensors``, ``tokenizer.json``,
``1_Pooling/config.json``. Beside the pooled last layer there are two more views: the mean of the middle layer, where
words still count for themselves, and the last layer's first word, which tells a who from a when. Texts longer than the
model's limit, never more than 256 word pieces with the two marks at the ends, are cut at the end. Every view has unit
length; the first agrees with sentence-transformers' own to 1e-4.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from autolabel.errors import CheckpointError
from autolabel.inference.encoder import SIDE_WEIGHT, Modality, State, View, fingerprint_of
from autolabel.inference.text import checked_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

VERSION = 2
"""Part of the fingerprint: raise it when the same weights and settings begin to give other vectors."""

MAX_PIECES = 256
WINDOW = 4096
"""Texts sorted by length together."""
TOKEN_BUDGET = {"cpu": 4096, "cuda": 65536}
"""Word pieces, padding included, that go through the network at once."""


@dataclass(frozen=True, slots=True)
class BertShape:
    """The numbers in ``config.json`` that fix the network."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float


class Layer(nn.Module):
    """One transformer layer: self-attention and a two-layer perceptron, each normalised after its residual."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        width = shape.hidden_size
        self.heads = shape.num_attention_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.attended = nn.Linear(width, width)
        self.attended_norm = nn.LayerNorm(width, shape.layer_norm_eps)
        self.inner = nn.Linear(width, shape.intermediate_size)
        self.outer = nn.Linear(shape.intermediate_size, width)
        self.outer_norm = nn.LayerNorm(width, shape.layer_norm_eps)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, L, D)`` and a mask ``(B, 1, 1, L)`` of what may be looked at, to ``(B, L, D)``."""
        query, key, value = (self._split(each(x)) for each in (self.query, self.key, self.value))
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = self.attended_norm(x + self.attended(seen.transpose(1, 2).flatten(2)))
        normed: Tensor = self.outer_norm(x + self.outer(functional.gelu(self.inner(x))))
        return normed

    def _split(self, x: Tensor) -> Tensor:
        """``(B, L, D)`` to ``(B, heads, L, D / heads)``."""
        texts, length, width = x.shape
        return x.view(texts, length, self.heads, width // self.heads).transpose(1, 2)


class Bert(nn.Module):
    """Token ids to one vector a text: three views of it side by side."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.words = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.positions = nn.Embedding(shape.max_position_embeddings, shape.hidden_size)
        self.types = nn.Embedding(shape.type_vocab_size, shape.hidden_size)
        self.norm = nn.LayerNorm(shape.hidden_size, shape.layer_norm_eps)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))

    def forward(self, ids: Tensor, lengths: Tensor, *, first_only: bool) -> Tensor:
        """``(B, L)`` ids and ``(B,)`` lengths to ``(B, 3 D)``, three unit vectors: see `views_of`."""
        real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        x = self.words(ids) + self.positions.weight[: ids.shape[1]] + self.types.weight[0]
        x = self.norm(x)
        # Texts are sorted by length, so that most batches have no padding and need no mask, which is faster.
        mask = None if bool(lengths.min() == ids.shape[1]) else real[:, None, None, :]
        middle = x
        for place, layer in enumerate(self.layers, start=1):
            x = layer(x, mask)
            if place == len(self.layers) // 2:
                middle = x
        pooled = x[:, 0] if first_only else _mean(x, real, lengths)
        word = x[:, min(1, x.shape[1] - 1)]  # behind the mark that begins every text
        return torch.cat(
            [functional.normalize(each, dim=1) for each in (pooled, _mean(middle, real, lengths), word)], 1
        )


def _mean(x: Tensor, real: Tensor, lengths: Tensor) -> Tensor:
    """Mean over each text's own tokens, ``(B, L, D)`` to ``(B, D)``."""
    return (x * real[:, :, None]).sum(dim=1) / lengths[:, None]


def views_of(width: int) -> tuple[View, ...]:
    """Views of a network of width D: pooled last layer, mean of the middle layer, the last layer's first word."""
    side = View(width, weight=SIDE_WEIGHT, uneven=True)
    return (View(width), side, side)


class BertEncoder:
    """A sentence encoder over one folder.

    Parameters
    ----------
    folder
        A sentence-transformers folder of a BERT model.
    bf16
        Run in bfloat16 where that is safe.
    """

    def __init__(self, name: str, folder: Path, *, device: torch.device, bf16: bool = False) -> None:
        from tokenizers import Tokenizer

        config = _read_json(folder / "config.json")
        shape = _shape(config, folder)
        weights = _read(folder / "model.safetensors")
        tokenizer_json = _read(folder / "tokenizer.json")
        self.name = name
        self.views = views_of(shape.hidden_size)
        self.dim = sum(view.width for view in self.views)
        self.modality = Modality.TEXT
        self.window = WINDOW
        self._first_only = _pools_first_token(folder)
        self._pieces = _limit(folder, shape)
        self._tokenizer = Tokenizer.from_str(tokenizer_json.decode())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._pieces)
        self._device = device
        self._bf16 = bf16
        self._network = _load(shape, weights, folder).to(device)
        settings: dict[str, Any] = {
            "kind": "bert",
            "version": VERSION,
            "shape": asdict(shape),
            "tokenizer": hashlib.sha256(tokenizer_json).hexdigest(),
            "pieces": self._pieces,
            "first_only": self._first_only,
            "bf16": bf16,
        }
        self.fingerprint = fingerprint_of(hashlib.sha256(weights).hexdigest(), settings)

    def prepare(self, raw: bytes | str) -> NDArray[np.int32]:
        """Cut a text into word pieces: their ids, shape ``(L,)``; the tokenizer frees the GIL."""
        return np.asarray(self._tokenizer.encode(checked_text(raw)).ids, dtype=np.int32)

    def encode(self, batch: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
        """Encode texts sorted by length, in batches of `TOKEN_BUDGET` word pieces; shape ``(B, D)``."""
        out = np.empty((len(batch), self.dim), np.float32)
        lengths = np.asarray([len(ids) for ids in batch], dtype=np.int64)
        for rows in batches_by_length(lengths, TOKEN_BUDGET[self._device.type]):
            ids = np.zeros((len(rows), int(lengths[rows].max())), np.int64)
            for row, index in enumerate(rows):
                ids[row, : lengths[index]] = batch[index]
            out[rows] = self._run(torch.from_numpy(ids), torch.from_numpy(lengths[rows]))
        return out

    def state(self) -> State:
        """Nothing is fitted on the pool."""
        return {}

    def _run(self, ids: Tensor, lengths: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            vectors = self._network(ids.to(self._device), lengths.to(self._device), first_only=self._first_only)
        array: NDArray[np.float32] = vectors.float().cpu().numpy()
        return array


def batches_by_length(lengths: NDArray[np.int64], budget: int) -> Iterator[NDArray[np.int64]]:
    """Yield rows in batches of at most `budget` word pieces, padding included, shortest texts first.

    Equal lengths stay in their order, so that the batches, and with them the last bit of every vector, depend on
    nothing but the window.
    """
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * lengths[order[stop]] <= budget:
            stop += 1
        yield order[start:stop]
        start = stop


def _load(shape: BertShape, weights: bytes, folder: Path) -> Bert:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(weights)
    except SafetensorError as error:
        raise CheckpointError(f"{folder / 'model.safetensors'} is not a safetensors file: {error}") from error
    renamed = {_our_name(key): value.float() for key, value in tensors.items()}
    wanted = {key: value for key, value in renamed.items() if not key.startswith("-")}
    network = Bert(shape)
    try:
        network.load_state_dict(wanted)
    except RuntimeError as error:
        raise CheckpointError(f"{folder / 'model.safetensors'} does not fit its config.json: {error}") from error
    return network.eval()


_NAMES = (
    ("attention.self.query", "query"),
    ("attention.self.key", "key"),
    ("attention.self.value", "value"),
    ("attention.output.dense", "attended"),
    ("attention.output.LayerNorm", "attended_norm"),
    ("intermediate.dense", "inner"),
    ("output.dense", "outer"),
    ("output.LayerNorm", "outer_norm"),
)
_EMBEDDINGS = {
    "embeddings.word_embeddings.": "words.",
    "embeddings.position_embeddings.": "positions.",
    "embeddings.token_type_embeddings.": "types.",
    "embeddings.LayerNorm.": "norm.",
}


def _our_name(key: str) -> str:
    """Name of a published tensor in `Bert`; a leading ``-`` marks the pooler and the position ids, not used."""
    key = key.removeprefix("bert.")
    if key.startswith(("pooler.", "cls.")) or key == "embeddings.position_ids":
        return "-" + key
    for theirs, ours in _EMBEDDINGS.items():
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    key = key.replace("encoder.layer.", "layers.")
    for theirs, ours in _NAMES:
        if f".{theirs}." in key:
            return key.replace(theirs, ours)
    return key


def _shape(config: dict[str, Any], folder: Path) -> BertShape:
    expected = {"model_type": "bert", "hidden_act": "gelu"}
    for key, value in expected.items():
        if config.get(key) != value:
            raise CheckpointError(
                f"{folder / 'config.json'} says {key} {config.get(key)!r}; only {value!r} can be read here"
            )
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise CheckpointError(f"{folder / 'config.json'}: only absolute position embeddings can be read here")
    try:
        return BertShape(**{name: config[name] for name in BertShape.__dataclass_fields__})
    except KeyError as error:
        raise CheckpointError(f"{folder / 'config.json'} has no {error}") from error


def _pools_first_token(folder: Path) -> bool:
    """Whether the first token stands for the text; the tokens' mean otherwise. Other poolings are refused."""
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return False
    modes = {key for key, value in _read_json(path).items() if key.startswith("pooling_mode_") and value is True}
    if modes == {"pooling_mode_cls_token"}:
        return True
    if modes == {"pooling_mode_mean_tokens"}:
        return False
    raise CheckpointError(f"{path} asks for {sorted(modes)}; mean or first-token pooling can be read here")


def _limit(folder: Path, shape: BertShape) -> int:
    path = folder / "sentence_bert_config.json"
    own = _read_json(path).get("max_seq_length") if path.is_file() else None
    return min(MAX_PIECES, shape.max_position_embeddings, own if isinstance(own, int) else MAX_PIECES)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_read(path))
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds a {type(value).__name__}, expected an object")
    return value


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror}; a sentence encoder is a folder with config.json, "
            "model.safetensors and tokenizer.json"
        ) from error

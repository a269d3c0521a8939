"""The network of a BERT encoder (Devlin et al. 2018) and the folder that sentence-transformers keeps one in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from autolabel.errors import CheckpointError
from autolabel.inference.encoder import SIDE_WEIGHT, View

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

MAX_PIECES = 256


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

    def forward(self, x: Tensor) -> Tensor:
        """``(B, L, D)`` to ``(B, L, D)``."""
        query, key, value = (self._split(each(x)) for each in (self.query, self.key, self.value))
        seen = functional.scaled_dot_product_attention(query, key, value)
        x = self.attended_norm(x + self.attended(seen.transpose(1, 2).flatten(2)))
        normed: Tensor = self.outer_norm(x + self.outer(functional.gelu(self.inner(x))))
        return normed

    def _split(self, x: Tensor) -> Tensor:
        """``(B, L, D)`` to ``(B, heads, L, D / heads)``."""
        texts, length, width = x.shape
        return x.view(texts, length, self.heads, width // self.heads).transpose(1, 2)


class Bert(nn.Module):
    """Token ids of texts of one length to three views of each; without padding nothing has to be masked.

    Parameters
    ----------
    first_only
        The first token stands for the text; else the tokens' mean.
    """

    def __init__(self, shape: BertShape, *, first_only: bool) -> None:
        super().__init__()
        self.words = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.positions = nn.Embedding(shape.max_position_embeddings, shape.hidden_size)
        self.types = nn.Embedding(shape.type_vocab_size, shape.hidden_size)
        self.norm = nn.LayerNorm(shape.hidden_size, shape.layer_norm_eps)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.first_only = first_only

    def forward(self, ids: Tensor) -> Tensor:
        """``(B, L)`` int64 to ``(B, 3 D)``: see `views_of`; their lengths are not brought to one yet."""
        x = self.words(ids) + self.positions.weight[: ids.shape[1]] + self.types.weight[0]
        x = self.norm(x)
        middle = x
        for place, layer in enumerate(self.layers, start=1):
            x = layer(x)
            if place == len(self.layers) // 2:
                middle = x
        pooled = x[:, 0] if self.first_only else _mean(x)
        word = x[:, :2][:, -1]  # behind the mark that begins every text, where a tokenizer sets marks
        return torch.cat([pooled, _mean(middle), word], dim=1)


def _mean(x: Tensor) -> Tensor:
    """Mean over a text's tokens, ``(B, L, D)`` to ``(B, D)``.

    As a product, because runtimes reduce a batch of one text in another order than a larger one.
    """
    length = x.shape[1]
    means: Tensor = torch.matmul(x.new_full((1, 1, length), 1.0 / length), x)
    return means[:, 0]


def views_of(width: int) -> tuple[View, ...]:
    """Views of a network of width D: pooled last layer, mean of the middle layer, the last layer's first word."""
    side = View(width, weight=SIDE_WEIGHT, uneven=True)
    return (View(width), side, side)


def load_bert(shape: BertShape, weights: bytes, folder: Path) -> Bert:
    """Build the network with the weights of a sentence-transformers folder, in evaluation mode."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(weights)
    except SafetensorError as error:
        raise CheckpointError(f"{folder / 'model.safetensors'} is not a safetensors file: {error}") from error
    renamed = {_our_name(key): value.float() for key, value in tensors.items()}
    wanted = {key: value for key, value in renamed.items() if not key.startswith("-")}
    network = Bert(shape, first_only=pools_first_token(folder))
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


def shape_of(config: dict[str, Any], folder: Path) -> BertShape:
    """Read a ``config.json``; `CheckpointError` for another architecture."""
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


def pools_first_token(folder: Path) -> bool:
    """Whether the first token stands for the text; the tokens' mean otherwise. Other poolings are refused."""
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return False
    modes = {key for key, value in read_json(path).items() if key.startswith("pooling_mode_") and value is True}
    if modes == {"pooling_mode_cls_token"}:
        return True
    if modes == {"pooling_mode_mean_tokens"}:
        return False
    raise CheckpointError(f"{path} asks for {sorted(modes)}; mean or first-token pooling can be read here")


def longest(folder: Path, shape: BertShape) -> int:
    """Word pieces of a text that are read, the two marks at its ends included; what comes after them is not."""
    path = folder / "sentence_bert_config.json"
    own = read_json(path).get("max_seq_length") if path.is_file() else None
    return min(MAX_PIECES, shape.max_position_embeddings, own if isinstance(own, int) else MAX_PIECES)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; `CheckpointError` when it is none."""
    try:
        value = json.loads(read(path))
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds a {type(value).__name__}, expected an object")
    return value


def read(path: Path) -> bytes:
    """Read a file of the folder; `CheckpointError` when it is not there."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror}; a sentence encoder is a folder with config.json, "
            "model.safetensors and tokenizer.json"
        ) from error

"""A small BERT with random weights, in the form that sentence-transformers writes."""

from __future__ import annotations

import json
from contextlib import contextmanager

import torch
from safetensors.torch import save_file

SHAPE = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 32, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
}  # fmt: skip
THEIRS = {"words": "word_embeddings", "positions": "position_embeddings", "types": "token_type_embeddings"}
INNER = {
    "query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
    "attended": "attention.output.dense", "attended_norm": "attention.output.LayerNorm",
    "inner": "intermediate.dense", "outer": "output.dense", "outer_norm": "output.LayerNorm",
}  # fmt: skip


def write_bert(folder, words, *, uneven=False):
    """Write the network and a tokenizer that knows `words`; with `uneven` activations, as those of trained ones are."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    from autolabel.inference.bert_network import Bert, BertShape

    folder.mkdir(parents=True, exist_ok=True)
    numbered = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2} | {word: 3 + number for number, word in enumerate(words)}
    shape = {"vocab_size": len(numbered), **SHAPE}
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_act": "gelu"} | shape))
    tokenizer = Tokenizer(models.WordLevel(numbered, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Bert(BertShape(**shape), first_only=False)
        for name, parameter in network.named_parameters():
            if uneven and name.endswith("norm.weight"):
                parameter.data[3] = 12.0
    state = {}
    for name, tensor in network.state_dict().items():
        first, _, rest = name.partition(".")
        if first == "layers":
            place, part, kind = rest.split(".")
            state[f"encoder.layer.{place}.{INNER[part]}.{kind}"] = tensor
        else:
            state[f"embeddings.{THEIRS.get(first, 'LayerNorm')}.{rest}"] = tensor
    save_file(state, folder / "model.safetensors")
    return folder


@contextmanager
def one_torch_thread():
    """Keep torch to one thread: networks this small spend their time waiting for the second, on a busy machine most."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

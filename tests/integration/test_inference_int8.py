"""8-bit graphs: close to the network, and an object's vector never depends on the objects beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.bert import write_bert
from torch import nn

from autolabel.inference.bert import BertEncoder
from autolabel.inference.runtimes.base import Network, RuntimeKind
from autolabel.inference.runtimes.device import Compute
from autolabel.inference.runtimes.eager import EagerRuntime
from autolabel.inference.runtimes.int8 import _smoothed, int8_graph
from autolabel.inference.runtimes.ort import OnnxRuntime


class Small(nn.Module):
    """A picture network with a depthwise convolution."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.Sequential(
                *(nn.Conv2d(3, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 16, 3, groups=16), nn.ReLU()),
                *(nn.Conv2d(16, 32, 1), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.ReLU(), nn.Conv2d(32, 8, 1)),
            )

    def forward(self, pixels):
        return self.layers(pixels.permute(0, 3, 1, 2).float() / 255).mean(dim=(2, 3))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOLABEL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 255, (24, 20, 20, 3), np.uint8)


def cosines(one, other):
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def test_pictures_get_nearly_the_same_vectors_alone_and_together(cache, pictures):
    network = Network(Small().eval(), torch.from_numpy(pictures[:2]), fingerprint="small")
    graph = int8_graph(network, [pictures[:8], pictures[8:16]])
    assert b"QuantizeLinear" in graph
    runtime = OnnxRuntime(graph, precision="int8")
    together = runtime.run(pictures)
    reference = EagerRuntime(network, torch.device("cpu")).run(pictures)
    assert cosines(together, reference).min() > 0.99
    assert together.tobytes() != reference.tobytes()
    for begin, end in ((0, 1), (3, 9), (23, 24)):
        assert runtime.run(pictures[begin:end]).tobytes() == together[begin:end].tobytes()
    assert int8_graph(network, [pictures[:8], pictures[8:16]]) == graph
    assert int8_graph(network, [pictures[:8]]) != graph


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """A small BERT whose activations are uneven, as those of trained ones are."""
    return write_bert(tmp_path_factory.mktemp("bert"), [chr(97 + n) for n in range(26)], uneven=True)


TEXTS = ["a b c", "z y x w v", "a", "k l m n o p q r s t", "b c d", "h h h h"]


def test_texts_get_nearly_the_same_vectors_whatever_stands_beside_them(cache, sentences):
    def encoder(**options):
        return BertEncoder("small", sentences, compute=Compute(device="cpu", **options))

    reference = encoder(runtime=RuntimeKind.TORCH)
    sample = [reference.prepare(text)[None].astype(np.int64) for text in TEXTS]
    graph = int8_graph(reference.network, sample)
    fast = encoder(int8={reference.fingerprint: graph})
    assert "int8" in fast.route
    assert fast.fingerprint == reference.fingerprint
    prepared = [fast.prepare(text) for text in TEXTS]
    together = fast.encode(prepared)
    assert cosines(together, reference.encode(prepared)).min() > 0.98
    for place in range(len(TEXTS)):
        assert fast.encode(prepared[place : place + 1]).tobytes() == together[place : place + 1].tobytes()
    assert fast.encode(prepared[::-1])[::-1].tobytes() == together.tobytes()


def test_moving_unevenness_into_the_weights_changes_nothing_but_the_evenness(sentences):
    encoder = BertEncoder("small", sentences, compute=Compute(device="cpu", runtime=RuntimeKind.TORCH))
    sample = [encoder.prepare(text)[None].astype(np.int64) for text in TEXTS]
    before = encoder.network.module
    after = _smoothed(before, sample)
    ids = torch.from_numpy(sample[3])
    with torch.inference_mode():
        torch.testing.assert_close(after(ids), before(ids), atol=1e-4, rtol=1e-4)
    assert "Scaling" in repr(after)
    assert "Scaling" not in repr(before)

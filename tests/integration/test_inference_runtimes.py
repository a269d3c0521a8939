"""Runtimes against the reference, torch: the same features, the same bytes for an object whatever stands beside it."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from autolabel.errors import SettingsError
from autolabel.inference.catalogue import encoder_for
from autolabel.inference.embed import embed_pool
from autolabel.inference.runtimes import choose, export
from autolabel.inference.runtimes.base import Network, RuntimeKind
from autolabel.inference.runtimes.choose import fastest, open_runtime
from autolabel.inference.runtimes.device import Compute
from autolabel.inference.runtimes.eager import EagerRuntime
from autolabel.inference.runtimes.export import ExportError, onnx_graph
from autolabel.inference.runtimes.ort import OnnxRuntime

CPU = torch.device("cpu")
OTHERS = [
    RuntimeKind.ONNX,
    pytest.param(
        RuntimeKind.OPENVINO,
        marks=pytest.mark.skipif(not choose.has_openvino(), reason="the extra openvino is not installed"),
    ),
]
TEXTS = ["a", "How do I reset my card PIN?", "How do I reset my PIN card?", "one two three", "word " * 300, "東京 ☃"]


def pictures(count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        small = rng.integers(0, 255, (6, 8, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(small).resize((130, 90), Image.Resampling.BICUBIC).save(file, "JPEG")
        yield file.getvalue()


def lite0(kind):
    return encoder_for("efficientnet-lite0", size=64, device="cpu", runtime=kind)


def minilm(kind):
    return encoder_for("minilm-l6-v2", device="cpu", runtime=kind)


@pytest.mark.parametrize("kind", OTHERS)
def test_pictures_get_the_features_that_torch_gives(kind):
    raws = list(pictures(5))
    found, expected = (
        encoder.encode([encoder.prepare(raw) for raw in raws]) for encoder in (lite0(kind), lite0(RuntimeKind.TORCH))
    )
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("kind", OTHERS)
def test_texts_get_the_vectors_that_torch_gives(kind):
    found, expected = (
        encoder.encode([encoder.prepare(text) for text in TEXTS])
        for encoder in (minilm(kind), minilm(RuntimeKind.TORCH))
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("build", [lite0, minilm])
def test_an_object_gets_the_same_bytes_alone_and_beside_any_others(kind, build):
    encoder = build(kind)
    raws = list(pictures(7)) if build is lite0 else [*TEXTS, "two words", "word two"]
    prepared = [encoder.prepare(raw) for raw in raws]
    together = encoder.encode(prepared)
    for begin, end in ((0, 1), (1, 3), (2, len(raws)), (4, 5)):
        assert encoder.encode(prepared[begin:end]).tobytes() == together[begin:end].tobytes()
    assert encoder.encode(prepared[::-1])[::-1].tobytes() == together.tobytes()


def test_a_pool_gets_the_same_files_with_any_number_of_threads(tmp_path):
    class Pictures:
        content, ahead = "c" * 64, 0
        raws = tuple(pictures(40))

        def get(self, number):
            return self.raws[number]

    files = []
    for threads in (1, 2, 5):
        folder = tmp_path / str(threads)
        embed_pool(lite0(RuntimeKind.AUTO), Pictures(), folder, rows=np.arange(40), threads=threads)
        files.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    assert files[0] == files[1] == files[2]


def test_calls_from_many_threads_do_not_disturb_one_another():
    encoder = lite0(RuntimeKind.ONNX)
    prepared = [encoder.prepare(raw) for raw in pictures(6)]
    expected = encoder.encode(prepared).tobytes()
    found = []
    threads = [
        threading.Thread(target=lambda: found.extend(encoder.encode(prepared).tobytes() for _ in range(4)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 24


def test_the_route_names_decoder_runtime_and_precision():
    route = lite0(RuntimeKind.ONNX).route
    for part in ("Pillow ", "torch ", "onnxruntime ", "fp32", "graph "):
        assert part in route
    assert lite0(RuntimeKind.TORCH).route != route
    assert lite0(RuntimeKind.TORCH).fingerprint == lite0(RuntimeKind.ONNX).fingerprint
    assert "tokenizers " in minilm(RuntimeKind.ONNX).route


class Sum(torch.nn.Module):
    """A network that is exported in no time."""

    def __init__(self, offset=1.0):
        super().__init__()
        self.offset = offset

    def forward(self, x):
        return x.float().sum(dim=1, keepdim=True) + self.offset


def network(fingerprint="f" * 64, offset=1.0):
    return Network(Sum(offset).eval(), torch.arange(6.0).view(2, 3), fingerprint=fingerprint)


@pytest.fixture(scope="module")
def graph():
    """`network()`, exported once: it takes seconds."""
    return export.export(network())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOLABEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def exported(graph, cache, monkeypatch):
    """The networks that were exported."""
    asked = []

    def remembered(asked_for):
        asked.append(asked_for)
        return graph

    monkeypatch.setattr(export, "export", remembered)
    return asked


def test_a_graph_is_exported_once_and_found_again(cache, exported, graph):
    assert onnx_graph(network()) == onnx_graph(network()) == graph
    assert len(exported) == 1
    kept = sorted(path.suffix for path in (cache / "networks").iterdir())
    assert kept == [".onnx", ".sha256"]


@pytest.mark.parametrize("damage", [b"", b"not a graph", None])
def test_a_damaged_cache_is_made_anew(cache, exported, graph, damage):
    onnx_graph(network())
    (path,) = (cache / "networks").glob("*.onnx")
    path.write_bytes(graph[:-1] + b"\x00" if damage is None else damage)
    assert onnx_graph(network()) == graph
    assert path.read_bytes() == graph
    assert len(exported) == 2


def test_a_cache_that_cannot_be_written_is_done_without(cache, exported):
    cache.write_text("a file where the folder should be")
    x = np.asarray([[1, 2, 3]], np.float32)
    assert OnnxRuntime(onnx_graph(network())).run(x).tolist() == [[7.0]]


def test_other_weights_are_exported_anew(exported):
    onnx_graph(network("a"))
    onnx_graph(network("b"))
    assert [each.fingerprint for each in exported] == ["a", "b"]


def test_an_exported_graph_is_the_same_every_time_and_names_no_files_of_the_machine(graph):
    assert graph == export.export(network())
    assert __file__.encode() not in graph
    assert b"site-packages" not in graph


class Unexportable(torch.nn.Module):
    def forward(self, x):
        return x + 1 if x.sum() > 0 else x - 1


def test_a_graph_that_computes_something_else_is_not_believed(exported):
    with pytest.raises(ExportError, match="something else than the network"):
        onnx_graph(network(offset=2.0))
    assert isinstance(open_runtime(network(offset=2.0), CPU, Compute()), EagerRuntime)


def test_a_network_that_cannot_be_exported_runs_as_torch_has_it(cache):
    odd = Network(Unexportable().eval(), torch.ones((2, 3)), fingerprint="odd")
    with pytest.raises(ExportError):
        onnx_graph(odd)
    runtime = open_runtime(odd, CPU, Compute())
    assert isinstance(runtime, EagerRuntime)
    assert runtime.run(np.zeros((1, 3), np.float32)).tolist() == [[-1.0, -1.0, -1.0]]
    with pytest.raises(SettingsError, match="onnxruntime cannot compute this network"):
        open_runtime(odd, CPU, Compute(runtime=RuntimeKind.ONNX))


def test_without_onnx_runtime_torch_does_it_and_asking_for_it_says_what_is_missing(cache, monkeypatch):
    monkeypatch.setattr(choose, "can_export", lambda: False)
    assert isinstance(open_runtime(network(), CPU, Compute()), EagerRuntime)
    with pytest.raises(SettingsError, match="needs onnxruntime, onnx and onnxscript"):
        open_runtime(network(), CPU, Compute(runtime=RuntimeKind.ONNX))


def test_openvino_that_is_not_installed_is_named(exported, monkeypatch):
    monkeypatch.setattr(choose, "has_openvino", lambda: False)
    assert isinstance(open_runtime(network(), CPU, Compute()), OnnxRuntime)
    with pytest.raises(SettingsError, match="openvino is not installed"):
        open_runtime(network(), CPU, Compute(runtime=RuntimeKind.OPENVINO))


@pytest.mark.parametrize(
    ("seconds", "winner"),
    [((1.0, 0.9), RuntimeKind.OPENVINO), ((1.0, 0.99), RuntimeKind.ONNX), ((1, 2), RuntimeKind.ONNX)],
)
@pytest.mark.skipif(not choose.has_openvino(), reason="the extra openvino is not installed")
def test_the_faster_runtime_is_chosen_once_and_remembered(cache, graph, monkeypatch, seconds, winner):
    monkeypatch.setattr(choose, "_seconds_in_turns", lambda *_: seconds)
    assert fastest(graph, network()) is winner
    monkeypatch.setattr(choose, "_seconds_in_turns", lambda *_: pytest.fail("tried again"))
    assert fastest(graph, network()) is winner


@pytest.mark.skipif(not choose.has_openvino(), reason="the extra openvino is not installed")
def test_all_who_write_into_a_folder_use_the_runtime_that_the_first_found_the_fastest(
    cache, graph, monkeypatch, tmp_path
):
    shared = tmp_path / "shared"
    monkeypatch.setattr(choose, "_seconds_in_turns", lambda *_: (2.0, 1.0))
    assert fastest(graph, network(), shared) is RuntimeKind.OPENVINO
    monkeypatch.setenv("AUTOLABEL_CACHE", str(tmp_path / "another machine"))
    monkeypatch.setattr(choose, "_seconds_in_turns", lambda *_: (1.0, 2.0))
    assert fastest(graph, network(), shared) is RuntimeKind.OPENVINO
    assert fastest(graph, network()) is RuntimeKind.ONNX

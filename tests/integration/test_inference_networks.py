"""The networks against the programs they come from: timm's, sentence-transformers' and torchvision's own answers."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

from autolabel.errors import CheckpointError, ObjectError
from autolabel.inference import efficientnet_lite, torchvision_models
from autolabel.inference.catalogue import encoder_for, model_entry
from autolabel.inference.framing import decode_image
from autolabel.inference.runtimes.base import RuntimeKind
from autolabel.inference.torchvision_models import architectures, headless, network_from_state, preprocessing

DATA = Path(__file__).parent.parent / "data"


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def waves(size):
    """A picture that every machine computes alike."""
    y, x = np.mgrid[:size, :size].astype(np.float64)
    planes = [np.sin(x / 5) * np.cos(y / 9), np.sin((x + y) / 7), np.cos(x * y / 400)]
    return Image.fromarray(((np.stack(planes, axis=2) + 1) * 127.5).round().astype(np.uint8))


def vectors(encoder, raws):
    return encoder.encode([encoder.prepare(raw) for raw in raws])


@pytest.mark.parametrize("size", [128, 192])
def test_lite0_gives_the_features_that_timm_gives(size):
    golden = json.loads((DATA / "inference_lite0.json").read_text())[str(size)]
    encoder = encoder_for("efficientnet-lite0", size=size, device="cpu")
    found = vectors(encoder, [png(waves(size))])[0]
    assert found.shape == (1280 + 768,)
    np.testing.assert_allclose(found[:1280:16], golden, atol=1e-3)


def test_lite0_at_another_size_is_another_encoder_with_a_name_that_leads_back():
    own, small = (encoder_for("efficientnet-lite0", size=size, device="cpu") for size in (None, 64))
    assert (own.name, small.name) == ("efficientnet-lite0", "efficientnet-lite0@64")
    assert own.fingerprint != small.fingerprint
    assert encoder_for(small.name, device="cpu").fingerprint == small.fingerprint
    assert encoder_for("efficientnet-lite0", size=192, device="cpu").fingerprint == own.fingerprint
    assert own.dim == model_entry("efficientnet-lite0").dim


def test_lite0_by_torch_gives_the_same_bytes_twice_and_the_same_features_however_many_threads():
    encoder = encoder_for("efficientnet-lite0", size=64, device="cpu", runtime=RuntimeKind.TORCH)
    prepared = [encoder.prepare(png(waves(size))) for size in range(40, 76)]
    once = encoder.encode(prepared)
    assert encoder.encode(prepared).tobytes() == once.tobytes()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)  # some processors' kernels add up in another order then
        np.testing.assert_allclose(encoder.encode(prepared), once, atol=1e-3)
    finally:
        torch.set_num_threads(threads)
    assert encoder.encode([]).shape == (0, 2048)


def test_lite0_weights_that_are_not_the_known_ones_are_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"anything")
    monkeypatch.setattr(efficientnet_lite, "packaged_file", lambda: path)
    with pytest.raises(
        CheckpointError, match="expected 579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ):
        encoder_for("efficientnet-lite0", device="cpu")


@pytest.fixture(scope="module")
def minilm():
    """The packaged sentence encoder, loaded once."""
    return encoder_for("minilm-l6-v2", device="cpu")


TEXTS = [
    "How do I reset my card PIN?",
    "a",
    "😀 naïve café 東京 ☃",
    "A longer sentence, with punctuation; and so on. " * 3,
    "word " * 600,
    "\n\n two lines \n here ",
]


@pytest.mark.parametrize("place", range(len(TEXTS)))
def test_minilm_gives_the_vectors_that_sentence_transformers_gave(minilm, place):
    golden = json.loads((DATA / "inference_minilm.json").read_text())["vectors"]
    np.testing.assert_allclose(vectors(minilm, [TEXTS[place]])[0, :384:16], golden[place], atol=1e-4)


@pytest.mark.slow  # importing sentence-transformers takes longer than everything else here
@pytest.mark.filterwarnings("ignore")  # its own
def test_minilm_agrees_with_sentence_transformers(minilm):
    from sentence_transformers import SentenceTransformer

    from autolabel.inference.catalogue import _packaged_sentences

    theirs = SentenceTransformer(str(_packaged_sentences()), device="cpu")
    found = vectors(minilm, TEXTS)
    np.testing.assert_allclose(found[:, :384], theirs.encode(TEXTS, show_progress_bar=False), atol=1e-4)


def test_minilm_gives_every_text_its_own_vector_whatever_stands_beside_it(minilm):
    together = vectors(minilm, TEXTS)
    assert together.dtype == np.float32
    assert together.tobytes() == vectors(minilm, TEXTS).tobytes()
    for place, text in enumerate(TEXTS):
        np.testing.assert_allclose(vectors(minilm, [text])[0], together[place], atol=1e-5)
    assert minilm.encode([]).shape == (0, 3 * 384)
    assert minilm.dim == model_entry("minilm-l6-v2").dim
    with pytest.raises(ObjectError, match="EMPTY_TEXT"):
        minilm.prepare("  ")


def bert_folder(folder, **changes):
    """A tiny BERT with random weights in sentence-transformers' form."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "vocab_size": 9,
        "hidden_size": 8,
        "intermediate_size": 12,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 16,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
    }
    (folder / "config.json").write_text(json.dumps(config | changes.get("config", {})))
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2, "c": 3}, unk_token="[UNK]"))  # noqa: S106 - no password
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(folder / "tokenizer.json"))
    random = torch.Generator().manual_seed(0)
    layer = "encoder.layer.0."
    shapes = {
        "embeddings.word_embeddings.weight": (9, 8),
        "embeddings.position_embeddings.weight": (16, 8),
        "embeddings.token_type_embeddings.weight": (2, 8),
        "embeddings.LayerNorm.weight": (8,),
        "embeddings.LayerNorm.bias": (8,),
        **{f"{layer}attention.self.{part}.weight": (8, 8) for part in ("query", "key", "value")},
        **{f"{layer}attention.self.{part}.bias": (8,) for part in ("query", "key", "value")},
        f"{layer}attention.output.dense.weight": (8, 8),
        f"{layer}attention.output.dense.bias": (8,),
        f"{layer}attention.output.LayerNorm.weight": (8,),
        f"{layer}attention.output.LayerNorm.bias": (8,),
        f"{layer}intermediate.dense.weight": (12, 8),
        f"{layer}intermediate.dense.bias": (12,),
        f"{layer}output.dense.weight": (8, 12),
        f"{layer}output.dense.bias": (8,),
        f"{layer}output.LayerNorm.weight": (8,),
        f"{layer}output.LayerNorm.bias": (8,),
        "pooler.dense.weight": (8, 8),
    }
    tensors = {"bert." + name: torch.randn(shape, generator=random) for name, shape in shapes.items()}
    for name in changes.get("without", ()):
        del tensors["bert." + name]
    save_file(tensors, folder / "model.safetensors")
    if "pooling" in changes:
        (folder / "1_Pooling").mkdir()
        modes = {
            f"pooling_mode_{mode}": mode == changes["pooling"] for mode in ("cls_token", "mean_tokens", "max_tokens")
        }
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    return str(folder)


def test_a_sentence_folder_is_an_encoder_and_long_texts_are_cut(tmp_path):
    encoder = encoder_for(bert_folder(tmp_path, pooling="mean_tokens"), device="cpu", runtime=RuntimeKind.TORCH)
    found = vectors(encoder, ["a b c", "a " * 16, "a " * 40, "c"])
    assert found.shape == (4, 3 * 8)
    for view in np.split(found, 3, axis=1):
        np.testing.assert_allclose(np.linalg.norm(view, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found[1], found[2], atol=1e-6)
    assert np.abs(found[0] - found[3]).max() > 0.01


def test_a_folder_may_ask_for_the_first_token(tmp_path):
    (tmp_path / "mean").mkdir()
    (tmp_path / "first").mkdir()
    mean = encoder_for(bert_folder(tmp_path / "mean", pooling="mean_tokens"), runtime=RuntimeKind.TORCH)
    first = encoder_for(bert_folder(tmp_path / "first", pooling="cls_token"), runtime=RuntimeKind.TORCH)
    np.testing.assert_allclose(vectors(mean, ["b"]), vectors(first, ["b"]), atol=1e-6)
    assert np.abs(vectors(mean, ["a b"]) - vectors(first, ["a b"])).max() > 0.01
    assert mean.fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"config": {"model_type": "roberta"}}, "says model_type 'roberta'; only 'bert' can be read"),
        ({"config": {"hidden_act": "silu"}}, "says hidden_act 'silu'"),
        ({"config": {"position_embedding_type": "relative_key"}}, "only absolute position embeddings"),
        ({"config": {"hidden_size": 16}}, "does not fit its config.json"),
        ({"without": ["encoder.layer.0.output.dense.bias"]}, "does not fit its config.json"),
        ({"pooling": "max_tokens"}, "mean or first-token pooling"),
    ],
)
def test_a_sentence_folder_that_cannot_be_read_right_is_refused(tmp_path, changes, reason):
    with pytest.raises(CheckpointError, match=reason):
        encoder_for(bert_folder(tmp_path, **changes), device="cpu")


@pytest.mark.parametrize("missing", ["model.safetensors", "tokenizer.json"])
def test_a_sentence_folder_without_a_file_is_refused(tmp_path, missing):
    name = bert_folder(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(CheckpointError, match=f"{missing} cannot be read"):
        encoder_for(name, device="cpu")


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b1", "swin_t", "inception_v3", "vgg11"])
@pytest.mark.parametrize("size", [(300, 200), (97, 333), (512, 512)])
def test_preprocessing_is_torchvisions_own(name, size):
    wants = preprocessing(name)
    picture = waves(512).resize(size)
    ours = (decode_image(png(picture), wants.framing) / 255.0 - wants.mean) / wants.std
    theirs = torchvision.models.get_model_weights(name).DEFAULT.transforms()(picture).permute(1, 2, 0).numpy()
    step = 1 / 255 / min(wants.std)
    assert np.abs(ours - theirs).max() < 3.1 * step
    assert np.abs(ours - theirs).mean() < 0.3 * step


SMALL = ("mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5", "mnasnet0_5", "resnet18", "densenet121")
OTHERS = (
    "alexnet",
    "convnext_tiny",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mobilenet_v2",
    "regnet_y_400mf",
    "resnext50_32x4d",
    "swin_t",
    "swin_v2_t",
    "vgg11",
    "vit_b_16",
    "wide_resnet50_2",
)


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_every_family_ends_before_its_classifier(name):
    network, classifier, dim = headless(name)
    assert classifier.split(".")[0] in {"fc", "classifier", "head", "heads"}
    size = preprocessing(name).framing.size
    with torch.inference_mode():
        assert network.eval()(torch.zeros(1, 3, size, size)).shape == (1, dim)


def test_the_names_are_torchvisions():
    assert set(SMALL) | set(OTHERS) < set(architectures())
    assert len(architectures()) >= 80


def test_building_a_network_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    headless("squeezenet1_1")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", ["resnet18", "mnasnet0_5"])
def test_features_are_those_before_the_last_layer_of_the_whole_network(name):
    whole = torchvision.models.get_model(name, weights=None).eval()
    network, dim = network_from_state(name, whole.state_dict())
    last = [each for each in whole.modules() if isinstance(each, torch.nn.Linear)][-1]
    picture = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        features = network(picture)
        torch.testing.assert_close(last(features), whole(picture))
    assert features.shape == (2, dim)


def image_folder(folder, **changes):
    network = torchvision.models.get_model(changes.get("network", "shufflenet_v2_x0_5"), weights=None, num_classes=7)
    save_file(network.state_dict(), folder / "model.safetensors")
    description = {"architecture": "torchvision:shufflenet_v2_x0_5"} | changes.get("description", {})
    (folder / "model.json").write_text(json.dumps(description))
    return str(folder)


def test_a_folder_with_weights_of_any_number_of_classes_is_an_encoder(tmp_path):
    name = image_folder(tmp_path)
    encoder = encoder_for(name, device="cpu", runtime=RuntimeKind.TORCH)
    found = vectors(encoder, [png(waves(80)), png(waves(300))])
    assert (encoder.name, found.shape, encoder.dim) == (name, (2, 1024), 1024)
    assert encoder_for(name, device="cpu").fingerprint == encoder.fingerprint
    assert np.isfinite(found).all()
    assert model_entry(name).name == name


def test_a_folder_may_have_its_own_preprocessing(tmp_path):
    own = {"size": 64, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    plain = encoder_for(image_folder(tmp_path), device="cpu").fingerprint
    encoder = encoder_for(image_folder(tmp_path, description={"input": own}), device="cpu")
    assert encoder.prepare(png(waves(80))).shape == (64, 64, 3)
    assert encoder.fingerprint != plain


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"description": {"architecture": "torchvision:resnet51"}}, "has no classification model 'resnet51'"),
        ({"description": {"architecture": "resnet18"}}, "expected torchvision:NAME"),
        ({"description": {"architecture": 5}}, "does not describe an image encoder"),
        ({"description": {"run": "rm"}}, "does not describe an image encoder"),
        ({"description": {"input": {"size": 0, "mean": [0, 0, 0], "std": [1, 1, 1]}}}, "does not describe"),
        ({"description": {"input": {"size": 9, "mean": [0, 0, 0], "std": [1, 0, 1]}}}, "does not describe"),
        ({"network": "squeezenet1_1"}, "these weights are not those of torchvision:shufflenet_v2_x0_5"),
    ],
)
def test_an_image_folder_that_does_not_hold_together_is_refused(tmp_path, changes, reason):
    with pytest.raises(CheckpointError, match=reason):
        encoder_for(image_folder(tmp_path, **changes), device="cpu")


def test_weights_that_are_no_safetensors_are_refused(tmp_path):
    name = image_folder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(CheckpointError, match="is not a safetensors file"):
        encoder_for(name, device="cpu")


def test_a_named_torchvision_model_takes_torchvisions_weights(monkeypatch):
    whole = torchvision.models.get_model("resnet18", weights=None)
    asked = []

    def downloaded(url, **options):
        asked.append((url, options["weights_only"], options["check_hash"]))
        return whole.state_dict()

    monkeypatch.setattr(torchvision_models.torch.hub, "load_state_dict_from_url", downloaded)
    encoder = encoder_for("torchvision:resnet18", device="cpu", runtime=RuntimeKind.TORCH)
    assert asked == [(torchvision.models.ResNet18_Weights.DEFAULT.url, True, True)]
    assert (encoder.name, encoder.dim) == ("torchvision:resnet18", 512)
    assert vectors(encoder, [png(waves(64))]).shape == (1, 512)


def test_without_a_network_the_message_says_what_else_there_is(monkeypatch):
    def unreachable(*_args, **_options):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision_models.torch.hub, "load_state_dict_from_url", unreachable)
    with pytest.raises(CheckpointError, match="no route to host; without a network use a packaged model or a folder"):
        encoder_for("torchvision:resnet18", device="cpu")


def test_bfloat16_is_another_encoder_with_nearly_the_same_vectors(minilm):
    half = encoder_for("minilm-l6-v2", device="cpu", bf16=True)
    assert minilm.fingerprint != half.fingerprint
    np.testing.assert_allclose(vectors(minilm, TEXTS[:2]), vectors(half, TEXTS[:2]), atol=0.03)

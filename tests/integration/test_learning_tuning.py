"""Training a network on labels, so that nobody is judged by his own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from support.bert import one_torch_thread, write_bert

from autolabel.api.kinds import TaskKind
from autolabel.errors import CheckpointError
from autolabel.inference.augment import cropped_and_mirrored
from autolabel.inference.backbone import ImageEncoder, ImageInput
from autolabel.inference.catalogue import encoder_for, model_entry
from autolabel.inference.encoder import Tunable, View, digest_of
from autolabel.inference.framing import Framing
from autolabel.inference.runtimes.base import RuntimeKind
from autolabel.inference.runtimes.device import Compute
from autolabel.inference.tuned import LEAST, TunedEncoder, ensemble_encoder, tunable_part
from autolabel.learning import tuning
from autolabel.learning.tuning import TUNINGS, Lessons, read_networks, tuned_networks
from autolabel.policy import tuning as policy_tuning
from autolabel.testing import COMMON, TOPICS, write_toy_texts

WORDS = [*COMMON, *(word for words in TOPICS.values() for word in words)]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with one_torch_thread():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_bert(tmp_path_factory.mktemp("bert"), WORDS)


@pytest.fixture(scope="module")
def encoder(folder):
    return encoder_for(str(folder), device="cpu", runtime=RuntimeKind.TORCH)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    place = tmp_path_factory.mktemp("texts")
    labels = write_toy_texts(place, 240, noise=0.3)
    sources = [json.loads(line)["source"] for line in (place / "manifest.jsonl").read_text().splitlines()]
    return sources, np.asarray(labels, np.int64)


def lessons_of(encoder, texts, labels=None, count=150):
    sources, truth = texts
    prepared = [encoder.prepare(source) for source in sources[:count]]
    return Lessons(prepared, np.arange(count), truth[:count] if labels is None else labels, 3, seed=5)


def train(encoder, lessons, folder, **options):
    return tuned_networks(
        encoder, lessons, folder, progress=options.pop("progress", lambda _done, _all: None), **options
    )


@pytest.fixture(scope="module")
def trained(encoder, texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return *train(encoder, lessons_of(encoder, texts), folder), folder


def same(left, right):
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


def test_no_label_reaches_the_network_that_judges_its_object(encoder, texts, trained, tmp_path):
    states, said, _ = trained
    honest = lessons_of(encoder, texts)
    held = honest.parts == 0
    flipped = np.where(held, (honest.labels + 1) % 3, honest.labels)
    others, found = train(encoder, lessons_of(encoder, texts, flipped), tmp_path)
    assert same(states[0], others[0])
    assert np.array_equal(said[held], found[held])
    assert not any(same(states[part], others[part]) for part in range(1, TUNINGS))
    assert np.bincount(honest.parts, minlength=TUNINGS).min() > 20


def test_it_learns_what_the_words_mean_and_leaves_the_encoder_alone(encoder, texts, trained):
    states, said, _ = trained
    labels = lessons_of(encoder, texts).labels
    assert said.shape == (150, 3)
    assert (said.argmax(axis=1) == labels).mean() > 0.9
    assert said.min() >= LEAST
    sources, truth = texts
    ensemble = ensemble_encoder(encoder, states)
    found = ensemble.encode([ensemble.prepare(source) for source in sources[150:]])
    assert (found.argmax(axis=1) == truth[150:]).mean() > 0.9
    before = encoder_for(encoder.name, device="cpu", runtime=RuntimeKind.TORCH)
    ours = encoder.network.module.state_dict()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in before.network.module.state_dict().items())
    assert all(array.dtype == np.float16 for state in states for array in state.values())
    assert not any("words" in name for name in states[0])


@pytest.mark.parametrize("count", [4, 30])
def test_few_labels_of_one_class_are_learned_too(encoder, texts, tmp_path, count):
    lessons = lessons_of(encoder, texts, np.ones(count, np.int64), count)
    states, said = train(encoder, lessons, tmp_path)
    assert len(states) == TUNINGS
    assert np.isfinite(said).all()
    assert (said.argmax(axis=1) == 1).all()


def test_what_a_killed_process_had_finished_is_not_done_again(encoder, texts, trained, tmp_path, monkeypatch):
    states, said, folder = trained
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "network-1.safetensors").unlink()
    (tmp_path / "network-2.safetensors").write_bytes(b"cut short")
    calls = []
    honest = tuning._Trainer.train

    def count(self, advance):
        calls.append(len(self._rows))
        return honest(self, advance)

    monkeypatch.setattr(tuning._Trainer, "train", count)
    ticks = []
    lessons = lessons_of(encoder, texts)
    again, found = train(encoder, lessons, tmp_path, progress=lambda done, everything: ticks.append((done, everything)))
    assert all(same(*pair) for pair in zip(states, again, strict=True))
    assert np.array_equal(said, found)
    assert calls == [(lessons.parts != 1).sum(), (lessons.parts != 2).sum()]
    assert ticks == sorted(ticks)
    assert ticks[-1][0] == ticks[-1][1]
    other = Lessons(lessons.prepared, lessons.objects, lessons.labels, 3, seed=6)
    train(encoder, other, tmp_path)
    assert len(calls) == 2 + TUNINGS  # another seed is another training


def test_networks_of_an_earlier_job_are_where_new_ones_begin(encoder, texts, trained, tmp_path):
    states, _, _ = trained
    sources, truth = texts
    lessons = Lessons([encoder.prepare(each) for each in sources[150:200]], np.arange(150, 200), truth[150:200], 3, 5)
    _, cold = train(encoder, lessons, tmp_path / "cold")
    _, warm = train(encoder, lessons, tmp_path / "warm", begin=states)

    def loss(said):
        return -said[np.arange(50), lessons.labels].mean()

    assert loss(warm) < loss(cold)


def test_the_encoder_with_its_networks_comes_back_from_its_state(folder, encoder, texts, trained):
    states, _, _ = trained
    tuned = TunedEncoder(encoder, states)
    again = encoder_for(f"{folder}+tuned", device="cpu", runtime=RuntimeKind.TORCH, state=tuned.state())
    prepared = [tuned.prepare(source) for source in texts[0][:20]]
    assert again.fingerprint == tuned.fingerprint != encoder.fingerprint
    assert again.name == tuned.name
    assert again.dim == encoder.dim + 3 == sum(view.width for view in again.views)
    assert np.array_equal(again.encode(prepared), tuned.encode(prepared))
    assert np.array_equal(tuned.encode(prepared)[:, : encoder.dim], encoder.encode(prepared))
    twice = TunedEncoder(tuned, states)
    assert twice.encode(prepared).shape == (20, encoder.dim + 6)
    assert tunable_part(twice)[1] is encoder
    assert model_entry(tuned.name).task is TaskKind.TEXT_CLASSIFICATION


def test_a_tuned_encoder_is_nothing_without_its_networks(folder, encoder, trained):
    states, _, _ = trained
    with pytest.raises(CheckpointError, match="part of a trained model"):
        encoder_for(f"{folder}+tuned")
    state = TunedEncoder(encoder, states).state()
    for change, message in (
        (lambda found: found.pop("member.0.head.bias"), "differ in 'head.bias'"),
        (lambda found: found.update({"member.1.head.weight": np.zeros(3, np.float16)}), "head.weight"),
        (lambda found: found["member.2.centre"].fill(np.inf), "not finite"),
        (lambda found: [found.pop(name) for name in list(found)], "start from the model that has it"),
        (lambda found: [found.update({f"base.{name}": found.pop(name)}) for name in list(found)], "are not there"),
    ):
        broken = {name: array.copy() for name, array in state.items()}
        change(broken)
        with pytest.raises(CheckpointError, match=message):
            encoder_for(f"{folder}+tuned", device="cpu", state=broken)
    with pytest.raises(CheckpointError, match="no network that could"):
        ensemble_encoder(encoder_for("tfidf"), states)


def test_networks_are_read_only_if_they_are_the_ones_that_are_meant(trained):
    states, _, folder = trained
    digests = [digest_of(state) for state in states]
    assert all(same(*pair) for pair in zip(states, read_networks(folder, digests), strict=True))
    with pytest.raises(CheckpointError, match=r"network-2\.safetensors is not there, or not the network"):
        read_networks(folder, [*digests[:2], digests[0]])


class Colours(torch.nn.Module):
    """A few filters and the mean of what they see."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.filters = torch.nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.filters(x)).mean(dim=(2, 3))


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")),
    ],
)
def test_networks_for_pictures_are_trained_too(tmp_path, device):
    wants = ImageInput(Framing(16), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    compute = Compute(device, RuntimeKind.TORCH)
    encoder = ImageEncoder("colours", Colours(), (View(8),), weights="", wants=wants, compute=compute)
    assert isinstance(encoder, Tunable)
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=80)
    squares = rng.integers(0, 200, size=(80, 16, 16, 3))
    squares[labels == 1, :, :, 0] += 55  # a little more red
    prepared = list(squares.astype(np.uint8))
    states, said = train(encoder, Lessons(prepared, np.arange(80), labels, 2, 0), tmp_path)
    assert (said.argmax(axis=1) == labels).mean() > 0.9
    ensemble = ensemble_encoder(encoder, states)
    assert ensemble.encode(prepared[:5]).shape == (5, 2)
    assert ensemble.device_parts()[0].views == (View(2),)


def test_crops_stay_inside_the_picture_and_half_of_them_are_mirrored():
    rng = np.random.default_rng(0)
    ramp = np.broadcast_to(np.linspace(50, 200, 32)[None, None, :, None], (200, 32, 32, 3)).astype(np.uint8)
    squares = torch.from_numpy(ramp.copy())
    found = cropped_and_mirrored(squares, rng)
    assert found.shape == squares.shape
    assert found.dtype == torch.uint8
    assert found.min() >= 50
    assert found.max() <= 200
    rising = (found[:, 0, -1, 0].int() > found[:, 0, 0, 0].int()).float().mean()
    assert 0.35 < rising < 0.65
    spread = (found[:, 0, :, 0].float().amax(1) - found[:, 0, :, 0].float().amin(1)) / 150
    assert spread.min() > 0.5  # half of the area, and at most so much narrower than high
    assert spread.max() <= 1.0
    again = cropped_and_mirrored(squares, np.random.default_rng(0))
    assert torch.equal(found, again)


def test_the_planner_reckons_with_the_training_that_there_is():
    # The planner's module must not import torch, so the numbers stand in both.
    assert policy_tuning.COPIES == TUNINGS
    assert policy_tuning.PASSES == TUNINGS * tuning.EPOCHS * (TUNINGS - 1) / TUNINGS * 3  # forward, and twice back

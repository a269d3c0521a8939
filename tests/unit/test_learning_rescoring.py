"""Re-scoring cached embeddings: equal to the classifier's own predictions, and labels are skipped only when safe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy

from autolabel.api.kinds import TaskKind
from autolabel.inference.shards import layout
from autolabel.inference.shards.embeddings import Embeddings
from autolabel.inference.tfidf import TfidfEncoder
from autolabel.learning import learner as learner_module
from autolabel.learning import rescoring
from autolabel.learning.head import LinearHead
from autolabel.learning.learner import ClassificationLearner, predict_with
from autolabel.learning.rescoring import SCORE, CentredHead, certainly_unchanged


def head(classes=5, dim=8, seed=0, scale=1.0, centre=None):
    rng = np.random.default_rng(seed)
    weight = (scale * rng.standard_normal((classes, dim))).astype(np.float32)
    bias = (scale * rng.standard_normal(classes)).astype(np.float32)
    middle = np.zeros(dim, np.float32) if centre is None else centre.astype(np.float32)
    return CentredHead(LinearHead(weight, bias), middle)


def pool(count=300, dim=8, seed=1):
    return (np.random.default_rng(seed).standard_normal((count, dim)) + 0.5).astype(np.float16)


def test_scores_are_those_of_the_whole_row_of_probabilities(monkeypatch):
    monkeypatch.setattr(rescoring, "BLOCK", 64)
    embeddings, centred = pool(), head(centre=np.full(8, 0.5))
    scores = centred.score(embeddings)
    logits = embeddings.astype(np.float64) @ centred.head.weight.T.astype(np.float64) + centred.head.bias
    probabilities = softmax(logits, axis=1)
    ordered = np.sort(probabilities, axis=1)[:, ::-1]
    assert scores.dtype == SCORE
    assert SCORE.itemsize == 24
    np.testing.assert_array_equal(scores["predicted"], logits.argmax(axis=1))
    np.testing.assert_allclose(scores["confidence"], ordered[:, 0], atol=1e-5)
    np.testing.assert_allclose(scores["margin"], ordered[:, 0] - ordered[:, 1], atol=1e-5)
    np.testing.assert_allclose(scores["entropy"], entropy(probabilities, axis=1), atol=1e-5)
    np.testing.assert_allclose(scores["gap"], -np.diff(np.sort(logits, axis=1)[:, ::-1][:, :2])[:, 0], atol=1e-4)
    np.testing.assert_allclose(scores["norm"], np.linalg.norm(embeddings.astype(float) - 0.5, axis=1), rtol=1e-4)


def test_half_and_single_precision_embeddings_of_the_same_values_get_the_same_scores():
    embeddings, centred = pool(), head()
    assert centred.score(embeddings).tobytes() == centred.score(embeddings.astype(np.float32)).tobytes()


def test_two_classes_and_no_objects_and_huge_logits_are_scored():
    assert len(head().score(pool(0))) == 0
    scores = head(classes=2, scale=1e4).score(pool())
    assert np.isfinite(scores["confidence"]).all()
    assert np.isfinite(scores["entropy"]).all()
    assert (scores["confidence"] <= 1).all()


def test_another_head_or_centre_has_another_digest():
    first = head()
    others = [head(seed=5), CentredHead(first.head, np.ones(8, np.float32)), head(classes=4)]
    assert len({first.sha256, *(each.sha256 for each in others)}) == 4
    assert head().sha256 == first.sha256


def moved(old, amount, seed):
    rng = np.random.default_rng(seed)
    weight = old.head.weight + amount * rng.standard_normal(old.head.weight.shape)
    bias = old.head.bias + amount * rng.standard_normal(len(old.head.bias))
    return CentredHead(LinearHead(weight.astype(np.float32), bias.astype(np.float32)), old.centre)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(2, 12),
    st.integers(1, 40),
    st.floats(-9, 1).map(lambda power: 10**power),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_what_is_skipped_has_the_label_that_full_scoring_would_give(classes, dim, amount, seed, centred):
    embeddings = pool(400, dim, seed)
    centre = embeddings.mean(axis=0) if centred else None
    old = head(classes, dim, seed + 1, centre=centre)
    new = moved(old, amount, seed + 2)
    before, after = old.score(embeddings), new.score(embeddings)
    sure = certainly_unchanged(before, old, new)
    np.testing.assert_array_equal(before["predicted"][sure], after["predicted"][sure])


def test_a_small_step_skips_nearly_everything_and_a_large_one_little():
    embeddings, old = pool(5_000), head()
    share = [certainly_unchanged(old.score(embeddings), old, moved(old, step, 9)).mean() for step in (1e-6, 0.01, 3.0)]
    assert share[0] > 0.999
    assert share[1] > 0.9
    assert share[2] < 0.5


def test_what_changes_every_class_alike_changes_no_label():
    embeddings, old = pool(1_000), head()
    same = LinearHead(old.head.weight + np.float32(0.25), old.head.bias + np.float32(3))
    assert certainly_unchanged(old.score(embeddings), old, CentredHead(same, old.centre)).mean() > 0.99


def test_a_tie_is_never_certain():
    flat = CentredHead(LinearHead.zero(3, 8), np.zeros(8, np.float32))
    assert not certainly_unchanged(flat.score(pool()), flat, flat).any()


@pytest.mark.parametrize("new", [head(classes=4), head(centre=np.ones(8))])
def test_heads_that_cannot_be_compared_are_refused(new):
    with pytest.raises(ValueError, match="score everything again"):
        certainly_unchanged(head().score(pool()), head(), new)


TEXTS = [f"{topic} number {number % 7}" for number, topic in enumerate(["rain", "soup", "train"] * 40)]


class Texts:
    content, ahead = "toy texts", 0

    def get(self, number):
        return TEXTS[number]


def test_a_pool_too_large_for_opinions_is_predicted_shard_by_shard_as_batch_scoring_predicts_it(tmp_path, monkeypatch):
    monkeypatch.setattr(learner_module, "MOST_BELIEFS", 0)
    monkeypatch.setattr(layout, "SHARD", 32)
    learner = ClassificationLearner(
        TfidfEncoder(), kind=TaskKind.TEXT_CLASSIFICATION, categories=("rain", "soup", "train"), seed=0
    )
    objects = np.arange(len(TEXTS))
    prepared = learner.prepare(Texts(), objects, tmp_path, lambda _done, _all: None)
    learner.resume(tmp_path, prepared.facts, prepared.arrays)
    assert "graph.pool" not in prepared.arrays
    arrays, _ = learner.fit(objects[:60], (objects[:60] % 3).tolist(), previous=None, search=True)
    vectors = Embeddings.open(tmp_path, prepared.facts["fingerprint"]).rows(objects)
    for asked in (objects, objects[::3], objects[40:], objects[:0]):
        found, expected = learner.score(arrays, asked), predict_with(arrays, vectors[asked])
        np.testing.assert_array_equal(found.predicted, expected.predicted)
        for name in ("confidence", "margin", "error_probability"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-5)
            assert getattr(found, name).dtype == np.float32

from __future__ import annotations

import numpy as np
import pytest

from autolabel.inference.encoder import View
from autolabel.learning.classifier import fit_classifier
from autolabel.learning.confidence import fit_error_model, signals_of
from autolabel.learning.crossfit import FOLDS, Memory, Surroundings, fold_of
from autolabel.learning.features import WIDEST, WIDEST_SIDE, fit_features
from autolabel.learning.graph import build_graph
from autolabel.learning.head import fit_head
from autolabel.learning.search import PENALTIES, blended


def data(rng, count=400, classes=3, dim=8, spread=1.6):
    centres = rng.normal(size=(classes, dim))
    labels = rng.integers(classes, size=count)
    raw = (centres[labels] * 1.5 + rng.normal(size=(count, dim)) * spread).astype(np.float32)
    return fit_features(raw, (View(dim),)).apply(raw), np.arange(count), labels


def predict(classifier, features):
    return classifier.predict(classifier.heads.full.probabilities(features))


def around(features, labeled):
    graph = build_graph(lambda places: features[places], len(features), np.random.default_rng(0))
    return Surroundings(graph, lambda places: features[places], labeled)


def test_out_of_fold_predictions_do_not_see_their_own_label():
    """With labels that are noise, cross-fitted predictions are no better than guessing; leaked ones would be."""
    rng = np.random.default_rng(0)
    features, objects, _ = data(rng, dim=40)
    noise = rng.integers(3, size=len(objects))
    found = fit_classifier(features, objects, noise, classes=3).out_of_fold
    assert (found.predicted == noise).mean() < 0.45


def test_a_warm_start_from_the_last_round_leaks_nothing_either():
    rng = np.random.default_rng(1)
    features, objects, _ = data(rng, dim=40)
    noise = rng.integers(3, size=len(objects))
    first = fit_classifier(features[:200], objects[:200], noise[:200], classes=3)
    second = fit_classifier(features, objects, noise, classes=3, previous=first.heads, search=False)
    assert (second.out_of_fold.predicted == noise).mean() < 0.45


def test_error_probabilities_rank_errors_at_least_as_well_as_the_top_probability():
    rng = np.random.default_rng(2)
    features, objects, labels = data(rng, count=1500, classes=5, spread=1.4)
    train, rest = np.arange(700), np.arange(700, 1500)
    found = fit_classifier(features[train], objects[train], labels[train], classes=5)
    found = predict(found, features[rest])
    wrong = found.predicted != labels[rest]
    assert 0.02 < wrong.mean() < 0.6

    def risk(score):
        return np.cumsum(wrong[np.argsort(score)]).sum()

    assert risk(found.error_probability) <= risk(-found.confidence) * 1.05


def test_however_loosely_strengths_are_searched_the_heads_are_fitted_to_the_end():
    features, objects, labels = data(np.random.default_rng(9), count=600, classes=5)
    heads = fit_classifier(features, objects, labels, classes=5).heads

    def objective(head, kept):
        likelihood = head.probabilities(features[kept])[np.arange(kept.sum()), labels[kept]]
        size = (head.weight**2).sum() + 0.01 * (head.bias**2).sum()
        return -np.log(likelihood).sum() + heads.strengths.penalty / 2 * size

    everything = np.ones(len(labels), bool)
    for head, kept in ((heads.full, everything), *((heads.folds[f], fold_of(objects) != f) for f in range(FOLDS))):
        best = fit_head(
            features[kept], labels[kept], classes=5, penalty=heads.strengths.penalty, start=head, tolerance=1e-9
        )
        assert objective(head, kept) <= objective(best, kept) * (1 + 2e-4)


def test_folds_never_change_as_labels_come_in():
    assert fold_of(np.arange(100))[:10].tolist() == fold_of(np.arange(10)).tolist()
    assert set(fold_of(np.arange(100)).tolist()) == set(range(FOLDS))


def test_a_memory_that_fits_is_used_and_one_that_contradicts_is_not():
    rng = np.random.default_rng(3)
    features, objects, labels = data(rng, count=600, spread=1.0)
    few, held = np.arange(5), np.arange(20, 300)
    good = Memory(features[300:], labels[300:])
    cold = fit_classifier(features[few], objects[few], labels[few], classes=3)
    warm = fit_classifier(features[few], objects[few], labels[few], classes=3, memory=good)
    assert warm.heads.strengths.with_memory
    right = [(predict(each, features[held]).predicted == labels[held]).mean() for each in (cold, warm)]
    assert right[1] > right[0]
    wrong = Memory(features[300:], (labels[300:] + 1) % 3)
    found = fit_classifier(features[:200], objects[:200], labels[:200], classes=3, memory=wrong)
    assert not found.heads.strengths.with_memory


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_handful_of_labels_is_enough_to_predict_without_nan(count):
    rng = np.random.default_rng(4)
    features, objects, labels = data(rng, count=50)
    found = fit_classifier(features[:count], objects[:count], labels[:count], classes=3)
    found = predict(found, features)
    assert np.isfinite(found.error_probability).all()
    assert ((found.error_probability > 0) & (found.error_probability < 1)).all()


def test_the_neighbours_say_does_not_see_the_own_label_either():
    """Clusters with noise for labels: neighbours in the pool know nothing of an object unless its label leaks."""
    rng = np.random.default_rng(6)
    features, objects, _ = data(rng, dim=40)
    labeled = np.flatnonzero(rng.random(len(objects)) < 0.5)
    noise = rng.integers(3, size=len(labeled))
    found = fit_classifier(
        features[labeled], objects[labeled], noise, classes=3, surroundings=around(features, labeled)
    )
    assert (found.out_of_fold.predicted == noise).mean() < 0.45


def test_neighbours_are_heard_where_they_know_more_than_the_head():
    """Two rings: no line parts them, but an object's neighbours are on its own ring."""
    rng = np.random.default_rng(7)
    angles, labels = rng.uniform(0, 2 * np.pi, 800), rng.integers(2, size=800)
    # Rings in two planes at right angles to each other, so that cosine similarity sees them.
    features = np.zeros((800, 4), np.float32)
    features[np.arange(800), 2 * labels], features[np.arange(800), 2 * labels + 1] = np.cos(angles), np.sin(angles)
    labeled = np.arange(0, 800, 2)
    world = around(features, labeled)
    found = fit_classifier(features[labeled], labeled, labels[labeled], classes=2, surroundings=world)
    assert found.say > 0
    beliefs = found.heads.full.probabilities(features)
    own = beliefs.copy()
    beliefs[labeled] = np.eye(2)[labels[labeled]]
    rest = np.setdiff1d(np.arange(800), labeled)
    heard = found.predict(own[rest], world.graph.opinion(rest, beliefs))
    alone = found.predict(own[rest])
    assert (heard.predicted == labels[rest]).mean() > (alone.predicted == labels[rest]).mean() + 0.2


def test_a_say_of_nothing_leaves_the_probabilities_alone():
    probabilities = np.asarray([[0.7, 0.3]], np.float32)
    opinion = np.asarray([[0.0, 1.0]], np.float32)
    assert blended(probabilities, opinion, 0.0).tolist() == probabilities.tolist()
    heard = blended(probabilities, opinion, 1.0)
    assert heard[0, 1] > 0.99
    assert heard.sum() == pytest.approx(1.0)


def test_the_penalty_grows_with_the_noise():
    rng = np.random.default_rng(8)
    features, objects, labels = data(rng, count=300, dim=30, spread=0.5)
    noise = rng.integers(3, size=300)
    clean = fit_classifier(features, objects, labels, classes=3).heads.strengths.penalty
    noisy = fit_classifier(features, objects, noise, classes=3).heads.strengths.penalty
    assert clean < noisy == PENALTIES[-1]


def test_without_errors_to_learn_from_the_probabilities_are_believed():
    signals = np.asarray([[-2.0, 0.5, 0.1]], np.float32).repeat(20, axis=0)
    model = fit_error_model(signals, np.zeros(20, np.int64), np.zeros(20, dtype=bool), classes=2)
    found = model.error_probability(signals, np.zeros(20, np.int64))
    assert found[0] == pytest.approx(1 / (1 + np.exp(2.0)), rel=1e-5)


def test_a_class_that_is_often_wrong_is_trusted_less_at_equal_signals():
    rng = np.random.default_rng(9)
    predicted = rng.integers(2, size=600)
    wrong = rng.random(600) < np.where(predicted == 0, 0.02, 0.4)
    signals = rng.normal(size=(600, 3)).astype(np.float32)
    model = fit_error_model(signals, predicted, wrong, classes=2)
    good, bad = model.error_probability(np.zeros((2, 3), np.float32), np.asarray([0, 1]))
    assert good < 0.1
    assert bad > 0.25


def test_signals_tell_a_sure_prediction_from_an_unsure_one():
    probabilities = np.asarray([[0.98, 0.01, 0.01], [0.4, 0.35, 0.25]], np.float32)
    opinion = np.asarray([[0.9, 0.1, 0.0], [0.1, 0.8, 0.1]], np.float32)
    sure, unsure = signals_of(probabilities, opinion)
    assert sure[0] < unsure[0]
    assert sure[1] > unsure[1]
    assert sure[2] < unsure[2]
    assert (sure[3], sure[4]) == pytest.approx((0.9, 0.9))
    assert (unsure[3], unsure[4]) == pytest.approx((0.1, 0.8))
    assert signals_of(probabilities, None).shape == (2, 3)


def test_wide_embeddings_are_reduced_the_same_way_every_time():
    rng = np.random.default_rng(5)
    raw = rng.normal(size=(700, 700)).astype(np.float32)
    one, two = fit_features(raw, (View(700),)), fit_features(raw.copy(), (View(700),))
    assert one.dim == WIDEST
    assert (one.projection == two.projection).all()
    assert np.sqrt((one.apply(raw) ** 2).sum(axis=1).mean()) == pytest.approx(1.0, rel=1e-3)


def test_a_view_has_its_weight_and_no_scale_of_its_own():
    rng = np.random.default_rng(11)
    own = rng.normal(size=(900, 20)).astype(np.float32) * 7
    side = (rng.normal(size=(900, 200)) * np.geomspace(0.01, 100, 200)).astype(np.float32)
    views = (View(20), View(200, weight=0.4, uneven=True))
    mapped = fit_features(np.concatenate([own, side], axis=1), views)
    assert mapped.widths.tolist() == [[20, 20], [200, WIDEST_SIDE]]
    features = mapped.apply(np.concatenate([own, side], axis=1))
    norms = [np.sqrt((part**2).sum(axis=1).mean()) for part in np.split(features, [20], axis=1)]
    assert norms == pytest.approx([1.0, 0.4], rel=1e-3)
    # Every value of the uneven view counts alike: stretching one of them changes no feature's length.
    stretched = side * np.where(np.arange(200) == 3, 1e3, 1).astype(np.float32)
    again = fit_features(np.concatenate([own, stretched], axis=1), views)
    other = again.apply(np.concatenate([own, stretched], axis=1))
    assert np.abs(np.linalg.norm(features, axis=1) - np.linalg.norm(other, axis=1)).max() < 0.02


def test_directions_that_are_rounding_are_left_out():
    rng = np.random.default_rng(12)
    flat = (rng.normal(size=(300, 3)) @ rng.normal(size=(3, 50))).astype(np.float32)
    assert fit_features(flat, (View(50),)).dim == 3
    assert fit_features(np.ones((5, 4), np.float32), (View(4),)).apply(np.ones((2, 4), np.float32)).shape == (2, 1)


def test_a_view_that_tells_the_classes_is_listened_to_and_one_of_noise_is_not():
    rng = np.random.default_rng(13)
    labels = rng.integers(3, size=500)
    telling = (np.eye(3)[labels] + 0.4 * rng.normal(size=(500, 3))) * 0.05
    parts = [rng.normal(size=(500, 12)), telling, rng.normal(size=(500, 30))]
    features = np.concatenate(parts, axis=1).astype(np.float32)
    found = fit_classifier(features[:300], np.arange(300), labels[:300], classes=3, widths=(12, 3, 30))
    _, told, noise = found.heads.strengths.views
    assert told >= 1 > noise
    deaf = fit_classifier(features[:300], np.arange(300), labels[:300], classes=3)
    right = [(predict(each, features[300:]).predicted == labels[300:]).mean() for each in (found, deaf)]
    assert right[0] > right[1]


def test_a_folded_head_says_of_embeddings_what_the_head_says_of_their_features():
    rng = np.random.default_rng(10)
    for dim in (30, 700):
        raw = rng.normal(size=(800, dim)).astype(np.float32) + 1
        mapped = fit_features(raw, (View(dim - 10), View(10, weight=0.5, uneven=True)))
        objects, labels = np.arange(800), (raw[:, 0] > 1).astype(np.int64)
        head = fit_classifier(mapped.apply(raw), objects, labels, classes=2).heads.full
        direct = head.probabilities(mapped.apply(raw))
        assert np.abs(mapped.fold(head).probabilities(raw) - direct).max() < 1e-4

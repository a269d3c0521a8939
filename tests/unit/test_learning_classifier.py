from __future__ import annotations

import numpy as np
import pytest

from autolabel.learning.classifier import FOLDS, fit_classifier, fold_of
from autolabel.learning.confidence import ErrorModel, Neighbours, fit_error_model, signals_of
from autolabel.learning.features import fit_features


def data(rng, count=400, classes=3, dim=8, spread=1.6):
    centres = rng.normal(size=(classes, dim))
    labels = rng.integers(classes, size=count)
    raw = (centres[labels] * 1.5 + rng.normal(size=(count, dim)) * spread).astype(np.float32)
    return fit_features(raw).apply(raw), np.arange(count), labels


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
    found = fit_classifier(features[train], objects[train], labels[train], classes=5).predict(features[rest])
    wrong = found.predicted != labels[rest]
    assert 0.02 < wrong.mean() < 0.6

    def risk(score):
        return np.cumsum(wrong[np.argsort(score)]).sum()

    assert risk(found.error_probability) <= risk(-found.confidence) * 1.05


def test_folds_never_change_as_labels_come_in():
    assert fold_of(np.arange(100))[:10].tolist() == fold_of(np.arange(10)).tolist()
    assert set(fold_of(np.arange(100)).tolist()) == set(range(FOLDS))


def test_a_prior_that_fits_is_used_and_one_that_contradicts_is_not():
    rng = np.random.default_rng(3)
    features, objects, labels = data(rng, count=600, spread=1.0)
    good = fit_classifier(features[300:], objects[300:], labels[300:], classes=3).heads.full
    few = np.arange(20)
    assert fit_classifier(features[few], objects[few], labels[few], classes=3, prior=good).heads.from_prior
    wrong = type(good)(np.roll(good.weight, 1, axis=0), np.roll(good.bias, 1))
    assert not fit_classifier(features[:200], objects[:200], labels[:200], classes=3, prior=wrong).heads.from_prior


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_handful_of_labels_is_enough_to_predict_without_nan(count):
    rng = np.random.default_rng(4)
    features, objects, labels = data(rng, count=50)
    found = fit_classifier(features[:count], objects[:count], labels[:count], classes=3).predict(features)
    assert np.isfinite(found.error_probability).all()
    assert ((found.error_probability > 0) & (found.error_probability < 1)).all()


def test_without_errors_to_learn_from_the_head_is_believed():
    signals = np.asarray([[-2.0, 0.5, 0.1, 1.0, 0.9]], np.float32).repeat(20, axis=0)
    model = fit_error_model(signals, np.zeros(20, dtype=bool))
    assert model.error_probability(signals)[0] == pytest.approx(1 / (1 + np.exp(2.0)), rel=1e-5)
    assert isinstance(model, ErrorModel)


def test_neighbours_of_the_own_fold_are_hidden():
    features = np.eye(4, dtype=np.float32)
    labels = np.asarray([0, 1, 2, 3])
    hidden = np.eye(4, dtype=bool)
    agreement, nearest = Neighbours(features, labels).agreement(features, labels, excluded=hidden)
    assert nearest.max() == 0.0
    assert agreement.max() < 1.0


def test_signals_tell_a_sure_prediction_from_an_unsure_one():
    probabilities = np.asarray([[0.98, 0.01, 0.01], [0.4, 0.35, 0.25]], np.float32)
    sure, unsure = signals_of(probabilities, np.ones(2, np.float32), np.ones(2, np.float32))
    assert sure[0] < unsure[0]
    assert sure[1] > unsure[1]
    assert sure[2] < unsure[2]


def test_wide_embeddings_are_reduced_the_same_way_every_time():
    rng = np.random.default_rng(5)
    raw = rng.normal(size=(700, 700)).astype(np.float32)
    one, two = fit_features(raw), fit_features(raw.copy())
    assert one.dim == 384
    assert (one.projection == two.projection).all()
    assert np.sqrt((one.apply(raw) ** 2).sum(axis=1).mean()) == pytest.approx(1.0, rel=1e-3)

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from autolabel.learning.head import LinearHead, fit_head, softmax


def blobs(rng, classes=4, each=40, dim=6):
    centres = rng.normal(size=(classes, dim)) * 2
    labels = np.repeat(np.arange(classes), each)
    return (centres[labels] + rng.normal(size=(len(labels), dim))).astype(np.float32), labels


def test_the_fit_is_ridge_penalised_logistic_regression():
    features, labels = blobs(np.random.default_rng(0))
    ours = fit_head(features, labels, classes=4, penalty=0.5).probabilities(features)
    # scikit-learn leaves the intercept free; ours is pulled a hundred times less than the weights.
    theirs = LogisticRegression(C=2.0, max_iter=2000, tol=1e-8).fit(features, labels).predict_proba(features)
    assert np.abs(ours - theirs).max() < 0.02


def test_a_class_that_was_never_seen_is_possible_but_improbable():
    features, labels = blobs(np.random.default_rng(1), classes=3)
    probabilities = fit_head(features, labels, classes=5, penalty=0.1).probabilities(features)
    assert probabilities.shape == (len(labels), 5)
    assert probabilities[:, 3:].max() < 0.05
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_the_start_changes_the_path_but_hardly_the_result():
    rng = np.random.default_rng(3)
    features, labels = blobs(rng)
    start = LinearHead(rng.normal(size=(4, 6)).astype(np.float32), rng.normal(size=4).astype(np.float32))
    cold = fit_head(features, labels, classes=4, penalty=0.1).probabilities(features)
    warm = fit_head(features, labels, classes=4, penalty=0.1, start=start).probabilities(features)
    assert np.abs(cold - warm).max() < 0.02


def test_softmax_survives_large_logits():
    found = softmax(np.asarray([[1e4, 0.0], [-1e4, -1e4]], np.float32))
    assert found.tolist() == [[1.0, 0.0], [0.5, 0.5]]

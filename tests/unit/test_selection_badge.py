from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from autolabel.selection import badge as badge_module
from autolabel.selection.badge import Gradients, badge
from autolabel.selection.view import PoolView


def materialised(probabilities, features):
    """Gradient embeddings written out, float64: shape ``(n, C F)``."""
    q = probabilities.astype(np.float64)
    q[np.arange(len(q)), probabilities.argmax(axis=1)] -= 1.0
    return (q[:, :, None] * features[:, None, :].astype(np.float64)).reshape(len(q), -1)


def problem(seed, count, classes=3, dim=4):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, dim)).astype(np.float32)
    weight = (2 * rng.normal(size=(classes, dim))).astype(np.float32)

    def head(rows):
        logits = np.exp(rows @ weight.T)
        return logits / logits.sum(axis=1, keepdims=True)

    return features, head


def view_of(features, head):
    return PoolView(np.arange(len(features)), lambda objects: features[objects], head)


def distances(g):
    return ((g[:, None] - g[None]) ** 2).sum(axis=2)


def test_factors_have_the_distances_of_the_embeddings_they_stand_for():
    features, head = problem(0, 80)
    gradients = Gradients.of(head(features), features)
    g = materialised(head(features), features)
    np.testing.assert_allclose(gradients.squares, (g**2).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(gradients.distances(gradients), distances(g), rtol=1e-4, atol=1e-4)
    assert (np.diag(gradients.distances(gradients)) == 0).all()


def probabilities_of_batches(g, size):
    """Probability of every set of picks under D^2 seeding that starts at the largest embedding."""
    d = distances(g)
    first = int((g**2).sum(axis=1).argmax())
    found = {}
    for rest in permutations([row for row in range(len(g)) if row != first], size - 1):
        chosen, probability = [first], 1.0
        for pick in rest:
            nearest = d[chosen].min(axis=0)
            probability *= nearest[pick] / nearest.sum()
            chosen.append(pick)
        key = tuple(sorted(chosen))
        found[key] = found.get(key, 0.0) + probability
    return found


@pytest.mark.parametrize("patience", [0, 1 << 30], ids=["caught up all the time", "never caught up"])
def test_batches_come_with_the_probabilities_of_plain_d2_seeding(patience, monkeypatch):
    """Chi-square over all 15 possible batches; stale bounds must not show. Fails by chance once in a million."""
    monkeypatch.setattr(badge_module, "DRAWS", 4)
    monkeypatch.setattr(badge_module, "LEAST_PATIENCE", patience)
    features, head = problem(3, 7)
    expected = probabilities_of_batches(materialised(head(features), features), 3)
    runs = 1_500
    rng = np.random.default_rng(0)
    seen = dict.fromkeys(expected, 0)
    for _ in range(runs):
        seen[tuple(badge(view_of(features, head), 3, rng).objects.tolist())] += 1
    chi_square = sum((seen[key] - runs * p) ** 2 / (runs * p) for key, p in expected.items())
    assert len(expected) == 15
    assert chi_square < 57  # 14 degrees of freedom


def test_a_pool_full_of_copies_and_certain_objects_is_caught_up_and_then_filled():
    features, head = problem(1, 12)
    pool = np.repeat(features, [4000] + [1] * 11, axis=0)
    certain = np.zeros((2000, 4), np.float32)  # no feature, no gradient
    picked = badge(view_of(np.concatenate([pool, certain]), head), 60, np.random.default_rng(0)).objects
    assert len(np.unique(picked)) == 60
    assert set(range(4000, 4011)) <= set(picked.tolist())  # every gradient that is there once
    assert (picked < 4000).any()


def test_the_largest_gradient_is_always_asked():
    features, head = problem(2, 300)
    largest = int((materialised(head(features), features) ** 2).sum(axis=1).argmax())
    for seed in range(5):
        assert largest in badge(view_of(features, head), 4, np.random.default_rng(seed)).objects


def test_a_batch_spreads_as_k_means_plus_plus_does():
    """The mean distance to the nearest pick is that of scikit-learn's seeding on the written-out embeddings."""
    from sklearn.cluster import kmeans_plusplus

    features, head = problem(4, 200, classes=5, dim=8)
    g = materialised(head(features), features)
    d = distances(g)
    ours, theirs = [], []
    for seed in range(25):
        ours.append(d[badge(view_of(features, head), 20, np.random.default_rng(seed)).objects].min(axis=0).mean())
        _, rows = kmeans_plusplus(g, 20, random_state=seed, n_local_trials=1)
        theirs.append(d[rows].min(axis=0).mean())
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.07)

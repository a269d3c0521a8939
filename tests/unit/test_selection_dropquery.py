from __future__ import annotations

import numpy as np

from autolabel.selection import dropquery as module
from autolabel.selection.dropquery import dropquery
from autolabel.selection.view import PoolView


def head(features):
    """Two classes, told apart by the sum of the features: dropout changes it where signs are mixed."""
    logit = features.sum(axis=1, keepdims=True)
    return np.concatenate([1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(logit))], axis=1)


def view_of(features):
    return PoolView(np.arange(len(features)), lambda objects: features[objects], head)


def pool(seed=0, stable=300, shaky=100, dim=16):
    """First objects whose features all agree, then some whose features nearly cancel."""
    rng = np.random.default_rng(seed)
    agreeing = np.abs(rng.normal(size=(stable, dim))) * np.sign(rng.normal(size=(stable, 1)))
    mixed = rng.normal(size=(shaky, dim))
    return np.concatenate([agreeing, mixed - mixed.mean(axis=1, keepdims=True) + 0.01]).astype(np.float32)


def test_only_objects_whose_class_depends_on_dropped_features_are_asked():
    assert (dropquery(view_of(pool()), 20, np.random.default_rng(0)).objects >= 300).all()


def test_a_batch_larger_than_the_candidates_is_filled_by_small_margins():
    features = 0.05 * pool(shaky=5, dim=64)
    batch = dropquery(view_of(features), 40, np.random.default_rng(0)).objects
    logit = np.abs(features[:300].sum(axis=1))
    filled = batch[batch < 300]
    assert len(batch) == 40
    assert set(filled.tolist()) == set(np.argsort(logit, kind="stable")[: len(filled)].tolist())


def test_many_candidates_are_thinned_before_they_are_clustered(monkeypatch):
    seen = []
    original = module.medoids

    def counting(features, count, rng):
        seen.append(len(features))
        return original(features, count, rng)

    monkeypatch.setattr(module, "medoids", counting)
    monkeypatch.setattr(module, "CANDIDATES_PER_PICK", 4)
    dropquery(view_of(pool(shaky=300)), 10, np.random.default_rng(0))
    assert seen == [40]

"""The neighbourhood of every object of a pool."""

from __future__ import annotations

import numpy as np
import pytest

from autolabel.learning import graph as module
from autolabel.learning.graph import NEIGHBOURS, PoolGraph, build_graph


def blobs(rng, count=600, dim=12):
    centres = rng.normal(size=(8, dim)) * 2
    return (centres[rng.integers(8, size=count)] + rng.normal(size=(count, dim))).astype(np.float32)


def graph_of(features, seed=0):
    return build_graph(lambda places: features[places], len(features), np.random.default_rng(seed))


def nearest(features):
    """The naive float64 answer."""
    unit = features.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    return np.argsort(-similarity, axis=1)[:, :NEIGHBOURS]


def test_the_neighbours_are_the_nearest_by_cosine():
    features = blobs(np.random.default_rng(0))
    found, expected = graph_of(features), nearest(features)
    assert (np.sort(found.neighbours, axis=1) == np.sort(expected, axis=1)).mean() > 0.999
    assert (found.neighbours != np.arange(len(features))[:, None]).all()
    np.testing.assert_allclose(found.weights.astype(np.float64).sum(axis=1), 1, atol=5e-3)
    assert (np.diff(found.weights.astype(np.float32), axis=1) <= 1e-6).all()


def test_a_large_pool_is_searched_in_clusters_and_most_neighbours_are_found(monkeypatch):
    monkeypatch.setattr(module, "EXACT", 100)
    monkeypatch.setattr(module, "CLUSTER", 60)
    features = blobs(np.random.default_rng(1))
    seen = []
    found = build_graph(
        lambda places: features[places], 600, np.random.default_rng(0), lambda done, count: seen.append((done, count))
    )
    recall = np.mean(
        [len(set(a) & set(b)) / NEIGHBOURS for a, b in zip(found.neighbours, nearest(features), strict=True)]
    )
    assert recall > 0.85
    assert (found.neighbours != np.arange(600)[:, None]).all()
    assert seen[-1] == (600, 600)
    assert (graph_of(features).neighbours == found.neighbours).all(), "the same seed finds the same neighbours"


def test_among_copies_no_object_is_compared_with_all_others(monkeypatch):
    monkeypatch.setattr(module, "EXACT", 100)
    monkeypatch.setattr(module, "CLUSTER", 60)
    features = blobs(np.random.default_rng(3), 6_000)
    features[:5_000] = features[0]
    compared = []

    def features_of(places):
        compared.append(len(places))
        return features[places]

    found = build_graph(features_of, len(features), np.random.default_rng(0))
    assert max(compared) <= max(module.BLOCK, (module.PROBES + 1) * module.LARGEST * module.CLUSTER)
    assert (found.neighbours != np.arange(6_000)[:, None]).all()
    assert (found.neighbours[:5_000] < 5_000).mean() > 0.99, "the copies are one another's neighbours"


@pytest.mark.parametrize("count", [0, 1, 2, NEIGHBOURS, NEIGHBOURS + 1])
def test_pools_of_a_few_objects_have_fewer_neighbours(count):
    found = graph_of(blobs(np.random.default_rng(2), count))
    assert found.neighbours.shape == found.weights.shape == (count, min(NEIGHBOURS, max(0, count - 1)))
    heard = found.opinion(np.arange(count), np.full((count, 3), 1 / 3, np.float32))
    assert heard.shape == (count, 3)


def test_copies_of_one_object_are_neighbours_in_clusters_too(monkeypatch):
    monkeypatch.setattr(module, "EXACT", 10)
    monkeypatch.setattr(module, "CLUSTER", 5)
    found = graph_of(np.ones((40, 4), np.float32))
    assert found.neighbours.shape == (40, NEIGHBOURS)
    assert (found.neighbours != np.arange(40)[:, None]).all()


def test_an_opinion_is_the_weighted_mean_of_what_the_neighbours_believe():
    graph = PoolGraph(np.asarray([[1, 2], [2, 0], [0, 1]], np.int32), np.asarray([[0.75, 0.25]] * 3, np.float16))
    beliefs = np.asarray([[1, 0], [0, 1], [0.5, 0.5]], np.float32)
    np.testing.assert_allclose(graph.opinion(np.asarray([0, 2]), beliefs), [[0.125, 0.875], [0.75, 0.25]])

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

from autolabel.selection.typiclust import NEIGHBOURS, SMALLEST_CLUSTER, typicality, typiclust
from autolabel.selection.view import PoolView


def blobs(sizes, seed=0, dim=8):
    """Well separated groups, far apart along their own axis."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    features = 0.3 * rng.normal(size=(len(group), dim)) + 20.0 * np.eye(dim)[group]
    return features.astype(np.float32), group


def picks(features, size, seed=0, labeled=()):
    labeled = np.asarray(labeled, np.int64)
    pool = np.setdiff1d(np.arange(len(features)), labeled)
    view = PoolView(pool, lambda objects: features[objects], labeled=labeled)
    return typiclust(view, size, np.random.default_rng(seed)).objects


def test_typicality_is_the_inverse_mean_distance_to_the_nearest_neighbours():
    features = np.random.default_rng(0).normal(size=(1500, 10)).astype(np.float32)
    distance, _ = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(features.astype(np.float64)).kneighbors()
    np.testing.assert_allclose(typicality(features), 1 / distance[:, :NEIGHBOURS].mean(axis=1), rtol=1e-4)


def test_a_small_cluster_counts_half_of_itself_as_neighbours():
    features = np.asarray([[0.0], [1.0], [2.0], [10.0]], np.float32)
    np.testing.assert_allclose(typicality(features), 1 / np.asarray([1.5, 1.0, 1.5, 8.5]))
    assert typicality(features[:1]).tolist() == [0.0]
    assert np.isposinf(typicality(np.ones((3, 2), np.float32))).all()


def test_the_middle_of_a_group_is_more_typical_than_its_rim():
    features, _ = blobs([300])
    picked = picks(features, 1)
    rim = np.sqrt(((features - features.mean(axis=0)) ** 2).sum(axis=1))
    assert rim[picked[0]] < np.quantile(rim, 0.1)


def test_groups_without_a_label_come_first():
    features, group = blobs([100, 100, 100, 100])
    found = [set(group[picks(features, 2, seed, labeled=[0, 100])].tolist()) for seed in range(10)]
    assert sum(each == {2, 3} for each in found) >= 9  # k-means may cut a group in two


def test_outliers_come_last():
    features, _ = blobs([200, 200, SMALLEST_CLUSTER - 1])
    for seed in range(10):
        assert (picks(features, 3, seed) < 400).all()


def test_a_pool_in_another_order_gives_objects_as_typical():
    """K-means starts at drawn rows, so that only a single cluster is the same in any order."""
    features, _ = blobs([250])
    order = np.random.default_rng(1).permutation(250)
    assert order[picks(features[order], 1)].tolist() == picks(features, 1).tolist()

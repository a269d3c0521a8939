from __future__ import annotations

import numpy as np
import pytest

from autolabel.selection.batch import EXPLORATION, uniform_batch
from autolabel.selection.diversity import medoids
from autolabel.selection.strategies import STRATEGIES
from autolabel.selection.view import PoolView


def grid():
    rng = np.random.default_rng(0)
    return rng.normal(size=(500, 5)).astype(np.float32)


def margin_batch(pool, margin, features_of, size, rng):
    return STRATEGIES["margin-diverse"](PoolView(pool, features_of, margin=margin), size, rng)


def test_a_batch_is_small_margins_and_a_share_of_exploration():
    features, pool = grid(), np.arange(500)
    margin = (pool / 500).astype(np.float32)
    batch = margin_batch(pool, margin, lambda rows: features[rows], 40, np.random.default_rng(1))
    assert len(batch.objects) == len(set(batch.objects.tolist())) == 40
    assert len(batch.explored) == round(EXPLORATION * 40)
    assert batch.informative.max() < 5 * 40


def test_the_same_generator_gives_the_same_batch():
    features, pool = grid(), np.arange(100, 600)
    margin = np.random.default_rng(2).random(500).astype(np.float32)
    one, two = (
        margin_batch(pool, margin, lambda rows: features[rows - 100], 30, np.random.default_rng(3)) for _ in range(2)
    )
    assert one.objects.tolist() == two.objects.tolist()
    assert one.objects.min() >= 100


@pytest.mark.parametrize("size", [0, 1, 2, 500, 900])
def test_any_size_is_served_as_far_as_the_pool_goes(size):
    features, pool = grid(), np.arange(500)
    batch = margin_batch(pool, np.zeros(500, np.float32), lambda rows: features[rows], size, np.random.default_rng(4))
    assert len(batch.objects) == min(size, 500)


def test_medoids_reach_every_cluster():
    rng = np.random.default_rng(5)
    centres = np.eye(6, dtype=np.float32) * 50
    features = (np.repeat(centres, 30, axis=0) + rng.normal(size=(180, 6))).astype(np.float32)
    picked = medoids(features, 30, rng)
    assert len(set(picked.tolist())) == 30
    assert len(set((picked // 30).tolist())) == 6


def test_identical_rows_still_give_distinct_medoids():
    assert medoids(np.zeros((10, 3), np.float32), 4, np.random.default_rng(0)).tolist() == [0, 1, 2, 3]


def test_medoids_refuse_more_than_there_are():
    with pytest.raises(ValueError, match="found 5 medoids of 3 rows"):
        medoids(np.zeros((3, 2), np.float32), 5, np.random.default_rng(0))


def test_a_uniform_batch_is_all_exploration():
    batch = uniform_batch(np.arange(20), 50, np.random.default_rng(0))
    assert batch.objects.tolist() == batch.explored.tolist() == list(range(20))

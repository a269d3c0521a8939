from __future__ import annotations

import numpy as np
import pytest

from autolabel.selection import centres as centres_module
from autolabel.selection.k_center import FRONT, core_set, k_center
from autolabel.selection.view import PoolView


def picks_of(features, size, **start):
    start.setdefault("centres", features[:0])
    return k_center(lambda places: features[places], len(features), size, **start).tolist()


def naive(features, size, first):
    x = features.astype(np.float64)
    picks, distance = [first], ((x - x[first]) ** 2).sum(axis=1)
    while len(picks) < size:
        distance[picks] = -1.0
        picks.append(int(distance.argmax()))
        np.minimum(distance, ((x - x[picks[-1]]) ** 2).sum(axis=1), out=distance)
    return picks


@pytest.mark.parametrize("noise", [0.05, 1.0])
def test_several_fronts_give_the_naive_picks(noise):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 24))
    features = (centres[rng.integers(40, size=3 * FRONT)] + noise * rng.normal(size=(3 * FRONT, 24))).astype(np.float16)
    features = features.astype(np.float32)
    assert picks_of(features, 60, first=11) == naive(features, 60, 11)


def test_every_copy_is_picked_in_order_once_nothing_new_is_left():
    features = np.repeat(np.eye(3, dtype=np.float32), 4_000, axis=0)
    assert picks_of(features, 10, first=5_000) == [5_000, 0, 8_000, 1, 2, 3, 4, 5, 6, 7]


def test_copies_of_centres_are_not_compared_with_every_centre(monkeypatch):
    rows = []
    measured = centres_module.squared_distances

    def counting(one, other):
        rows.append(len(one))
        return measured(one, other)

    monkeypatch.setattr(centres_module, "squared_distances", counting)
    copies = np.ones((2_000, 8), np.float32)
    assert picks_of(copies, 3, centres=copies[:500]) == [0, 1, 2]
    assert sum(rows) <= 3 * len(copies)


def test_labeled_objects_are_centres_from_the_start():
    features = np.asarray([[0.0], [1.0], [5.0], [9.0], [10.0]], np.float32)
    view = PoolView(np.asarray([1, 2, 3]), lambda objects: features[objects], labeled=np.asarray([0, 4]))
    assert core_set(view, 1, np.random.default_rng(0)).objects.tolist() == [2]


def test_without_any_label_the_first_pick_is_drawn():
    features = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    view = PoolView(np.arange(30), lambda objects: features[objects])
    first = {core_set(view, 1, np.random.default_rng(seed)).objects.item() for seed in range(40)}
    assert len(first) > 15


def test_impossible_searches_are_refused():
    features = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match="found 4 picks of 3 rows"):
        picks_of(features, 4, first=0)
    with pytest.raises(ValueError, match="found no centre and no first pick"):
        picks_of(features, 2)


@pytest.mark.parametrize("place", [0, 2])
def test_features_whose_squares_overflow_are_refused(place):
    features = np.zeros((3, 2), np.float32)
    features[place] = 1e30
    with pytest.raises(ValueError, match="squares overflow float32"):
        picks_of(features, 2, first=0)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autolabel.selection import centres as centres_module
from autolabel.selection import k_center as k_center_module
from autolabel.selection.k_center import k_center


def naive(features, size, centres, first):
    """Greedy k-center as it is written down: every distance of every pick, in float64."""
    x = features.astype(np.float64)
    distance = np.full(len(x), np.inf)
    picks = []

    def add(centre):
        np.minimum(distance, ((x - centre.astype(np.float64)) ** 2).sum(axis=1), out=distance)

    for centre in centres:
        add(centre)
    while len(picks) < size:
        picks.append(first if not picks and first is not None else int(distance.argmax()))
        add(features[picks[-1]])
        distance[picks] = -np.inf
    return picks


@pytest.fixture(autouse=True)
def _tiny_blocks(monkeypatch):
    """Ten rows fill several fronts, products and levels."""
    for module, name, value in (
        (k_center_module, "FRONT", 3),
        (k_center_module, "HEIGHT", 4),
        (k_center_module, "FIRST_CENTRES", 2),
        (centres_module, "WIDTH", 2),
        (centres_module, "PAIRS", 2),
        (k_center_module, "PAIRS", 2),
    ):
        monkeypatch.setattr(module, name, value)


@st.composite
def problems(draw):
    count, dim, labeled = draw(st.integers(1, 40)), draw(st.integers(1, 5)), draw(st.integers(0, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["gauss", "grid", "one-hot", "copies", "far away", "tiny"]))
    total = count + labeled
    if kind == "grid":
        x = rng.integers(0, 3, size=(total, dim))
    elif kind == "one-hot":
        x = np.eye(dim)[rng.integers(0, dim, size=total)]
    elif kind == "copies":
        x = rng.normal(size=(3, dim))[rng.integers(0, 3, size=total)]
    else:
        offset, scale = {"gauss": (0.0, 1.0), "far away": (1000.0, 0.01), "tiny": (0.0, 1e-25)}[kind]
        x = offset + scale * rng.normal(size=(total, dim))
    x = x.astype(np.float32)
    first = None if labeled else draw(st.integers(0, count - 1))
    return x[labeled:], draw(st.integers(0, count)), x[:labeled], first


@settings(deadline=None)
@given(problems())
def test_picks_are_those_of_the_naive_algorithm_ties_to_the_lower_place(problem):
    features, size, centres, first = problem
    picks = k_center(lambda places: features[places], len(features), size, centres=centres, first=first)
    assert picks.tolist() == naive(features, size, centres, first)


@settings(deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_a_pool_in_another_order_gives_the_same_distances(problem, random):
    features, size, centres, first = problem
    order = np.asarray(random.sample(range(len(features)), len(features)))
    shuffled = features[order]
    moved = None if first is None else int(np.flatnonzero(order == first)[0])
    picks = k_center(lambda places: features[places], len(features), size, centres=centres, first=first)
    other = k_center(lambda places: shuffled[places], len(features), size, centres=centres, first=moved)
    if len(np.unique(features, axis=0)) == len(features) and not _tied(features, picks, centres):
        assert features[picks].tolist() == shuffled[other].tolist()


def _tied(features, picks, centres):
    """Whether some pick was as far away as another row: then its place decided."""
    x = features.astype(np.float64)
    distance = np.full(len(x), np.inf)
    for centre in centres.astype(np.float64):
        np.minimum(distance, ((x - centre) ** 2).sum(axis=1), out=distance)
    for number, pick in enumerate(picks):
        if (number or len(centres)) and np.count_nonzero(distance == distance[pick]) > 1:
            return True
        np.minimum(distance, ((x - x[pick]) ** 2).sum(axis=1), out=distance)
        distance[pick] = -np.inf
    return False

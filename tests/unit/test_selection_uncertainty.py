from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from autolabel.selection.strategies import PLAIN_STRATEGIES
from autolabel.selection.uncertainty import confidences, entropies, margins
from autolabel.selection.view import BLOCK, PoolView

ROWS = np.asarray([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [1.0, 0.0, 0.0], [0.6, 0.2, 0.2]], np.float32)


def view_of(probabilities):
    """A pool whose features are its probabilities, and a head that hands them on."""
    return PoolView(np.arange(len(probabilities)), lambda objects: probabilities[objects], lambda features: features)


def picks(name, probabilities, size):
    return PLAIN_STRATEGIES[name](view_of(probabilities), size, np.random.default_rng(0)).objects.tolist()


def test_measures_are_the_textbook_ones():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(7), size=300).astype(np.float32)
    ordered = np.sort(probabilities, axis=1)
    np.testing.assert_allclose(entropies(probabilities), scipy_entropy(probabilities, axis=1), rtol=2e-6)
    assert (confidences(probabilities) == ordered[:, -1]).all()
    assert (margins(probabilities) == ordered[:, -1] - ordered[:, -2]).all()


def test_a_certain_row_has_no_entropy():
    assert entropies(ROWS)[2] == 0.0


@pytest.mark.parametrize(
    ("name", "expected"), [("margin", [0]), ("least-confidence", [1]), ("entropy", [1]), ("random", None)]
)
def test_strategies_disagree_where_they_should(name, expected):
    assert expected in (None, picks(name, ROWS, 1))


@pytest.mark.parametrize("name", ["entropy", "least-confidence", "margin"])
def test_ties_go_to_the_lower_object_across_blocks(name):
    probabilities = np.full((2 * BLOCK + 5, 2), [0.9, 0.1], np.float32)
    probabilities[[3, BLOCK + 1, 2 * BLOCK + 2]] = [0.5, 0.5]
    assert picks(name, probabilities, 2) == [3, BLOCK + 1]
    assert picks(name, probabilities, 4) == [0, 3, BLOCK + 1, 2 * BLOCK + 2]


@pytest.mark.parametrize("name", ["entropy", "least-confidence", "margin"])
def test_a_pool_in_another_order_gives_the_same_objects(name):
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(5), size=500).astype(np.float32)
    order = rng.permutation(500)
    assert sorted(order[picks(name, probabilities[order], 20)].tolist()) == picks(name, probabilities, 20)

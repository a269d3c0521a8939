from __future__ import annotations

import numpy as np
import pytest

from autolabel.selection.batch import EXPLORATION
from autolabel.selection.diversity import medoids
from autolabel.selection.strategies import COLD_STRATEGIES, PLAIN_STRATEGIES, STRATEGIES
from autolabel.selection.view import PoolView

NAMES = sorted(STRATEGIES)
MODEL_NAMES = sorted(set(NAMES) - COLD_STRATEGIES)
CLASSES, DIM, OBJECTS = 4, 6, 200


def features_of_seed(seed, count=1000):
    return np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)


def softmax_head(seed, classes=CLASSES):
    weight = np.random.default_rng(seed).normal(size=(classes, DIM)).astype(np.float32)

    def head(features):
        logits = np.exp(features @ weight.T)
        return logits / logits.sum(axis=1, keepdims=True)

    return head


def view_of(features, objects, *, head=None, labeled=(), margin=None):
    return PoolView(
        np.asarray(objects), lambda wanted: features[wanted], head, margin, np.asarray(labeled, dtype=np.int64)
    )


@pytest.fixture
def view():
    features = features_of_seed(0)
    return view_of(features, np.arange(300, 300 + OBJECTS), head=softmax_head(1), labeled=np.arange(20))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0, 1, 7, OBJECTS - 1, OBJECTS, OBJECTS + 50])
def test_a_batch_has_as_many_distinct_objects_of_the_pool_as_there_are(view, name, size):
    for strategies in (STRATEGIES, PLAIN_STRATEGIES):
        objects = strategies[name](view, size, np.random.default_rng(0)).objects
        assert len(objects) == len(np.unique(objects)) == min(size, OBJECTS)
        assert np.isin(objects, view.objects).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_generator_gives_the_same_batch_and_leaves_the_view_alone(view, name):
    before = view.objects.copy()
    one, two = (STRATEGIES[name](view, 25, np.random.default_rng(3)) for _ in range(2))
    assert one.objects.tolist() == two.objects.tolist()
    assert one.explored.tolist() == two.explored.tolist()
    assert (view.objects == before).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_of_a_job_explores_a_share_of_its_batch(view, name):
    batch = STRATEGIES[name](view, 40, np.random.default_rng(3))
    assert len(batch.explored) == (40 if name == "random" else round(EXPLORATION * 40))


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_pool_gives_an_empty_batch(name):
    empty = view_of(features_of_seed(0), np.empty(0, np.int64), head=softmax_head(1))
    assert len(STRATEGIES[name](empty, 5, np.random.default_rng(0)).objects) == 0


@pytest.mark.parametrize("name", NAMES)
def test_one_class_leaves_nothing_to_be_unsure_about_and_still_fills_the_batch(name):
    view = view_of(features_of_seed(0), np.arange(50), head=softmax_head(1, classes=1))
    assert len(np.unique(STRATEGIES[name](view, 12, np.random.default_rng(0)).objects)) == 12


@pytest.mark.parametrize("name", NAMES)
def test_a_pool_of_copies_still_gives_distinct_objects(name):
    features = np.ones((60, DIM), np.float32)
    view = view_of(features, np.arange(60), head=softmax_head(1))
    assert len(np.unique(PLAIN_STRATEGIES[name](view, 30, np.random.default_rng(0)).objects)) == 30


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"random"}))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_numbers_are_refused(name, value):
    features = features_of_seed(0)
    features[17] = value
    with pytest.raises(ValueError, match="found features that are not finite"):
        PLAIN_STRATEGIES[name](view_of(features, np.arange(50), head=softmax_head(1)), 49, np.random.default_rng(0))


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_probabilities_that_are_not_numbers_are_refused(name):
    view = view_of(features_of_seed(0), np.arange(50), head=lambda x: np.full((len(x), 3), np.nan, np.float32))
    with pytest.raises(ValueError, match="found probabilities that are not finite"):
        STRATEGIES[name](view, 10, np.random.default_rng(0))


@pytest.mark.parametrize("name", NAMES)
def test_only_cold_strategies_do_without_a_model(name):
    view = view_of(features_of_seed(0), np.arange(50))
    if name in COLD_STRATEGIES:
        assert len(STRATEGIES[name](view, 10, np.random.default_rng(0)).objects) == 10
    else:
        with pytest.raises(ValueError, match="found no model"):
            STRATEGIES[name](view, 10, np.random.default_rng(0))


@pytest.mark.parametrize("name", NAMES)
def test_a_negative_batch_is_refused(view, name):
    with pytest.raises(ValueError, match="found the batch size -1"):
        STRATEGIES[name](view, -1, np.random.default_rng(0))


def test_a_view_refuses_a_pool_out_of_order_and_margins_that_do_not_fit():
    features = features_of_seed(0)
    with pytest.raises(ValueError, match="not ascending"):
        view_of(features, [3, 1, 2])
    with pytest.raises(ValueError, match="not distinct"):
        view_of(features, [1, 1])
    with pytest.raises(ValueError, match=r"shape \(2,\); expected \(3,\)"):
        view_of(features, [1, 2, 3], margin=np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="margins that are not finite"):
        view_of(features, [1], margin=np.full(1, np.nan, np.float32))


def test_the_default_is_margins_then_medoids_then_a_uniform_share():
    """Spelled out step by step: a stored job that walks again must make the same picks."""
    features, pool = features_of_seed(5), np.arange(100, 1000)
    margin = np.round(np.random.default_rng(6).random(900), 2).astype(np.float32)
    rng = np.random.default_rng(7)
    explored = rng.choice(900, size=6, replace=False)
    rest = np.setdiff1d(np.arange(900), explored)
    candidates = rest[np.argsort(margin[rest], kind="stable")[: 5 * 54]]
    informative = pool[candidates[medoids(features[pool[candidates]], 54, rng)]]
    batch = STRATEGIES["margin-diverse"](view_of(features, pool, margin=margin), 60, np.random.default_rng(7))
    assert batch.informative.tolist() == sorted(informative.tolist())
    assert batch.explored.tolist() == sorted(pool[explored].tolist())


def test_stored_margins_and_the_head_that_gave_them_lead_to_the_same_batch():
    features, head = features_of_seed(0), softmax_head(1)
    top = np.sort(head(features[:500]), axis=1)
    stored = view_of(features, np.arange(500), margin=top[:, -1] - top[:, -2])
    asked = view_of(features, np.arange(500), head=head)
    for name in ("margin", "margin-diverse"):
        one, two = (STRATEGIES[name](view, 30, np.random.default_rng(2)) for view in (stored, asked))
        assert one.objects.tolist() == two.objects.tolist()

from __future__ import annotations

import numpy as np
import pytest

from autolabel.learning.agreement import Agreement, confidence_of
from autolabel.learning.confidence import ErrorModel
from autolabel.learning.rescoring import SCORE

BELIEVED = ErrorModel.from_top_probability(3, 4)


def scores(count, *, other=0, confidence=0.9):
    found = np.zeros(count, SCORE)
    found["predicted"][:other] = 1
    found["confidence"] = confidence
    return found


def test_the_calibrated_confidence_is_what_the_error_model_says():
    np.testing.assert_allclose(confidence_of(scores(3, confidence=0.8), BELIEVED), 0.8, atol=1e-5)
    certain = ErrorModel(np.zeros(3), -3.0, np.zeros(3), np.ones(3), np.asarray([0.0, 4.0, 0.0, 0.0]))
    found = confidence_of(scores(2, other=1), certain)
    np.testing.assert_allclose(found, [1 / (1 + np.exp(1)), 1 / (1 + np.exp(-3))], atol=1e-5)


@pytest.mark.parametrize(
    ("found", "refusal"),
    [
        (scores(1000), ""),
        (scores(1000, other=10), ""),
        (scores(1000, other=11), "98.90% of 1,000 objects got the same label"),
        (scores(1000, confidence=0.904), ""),
        (scores(1000, confidence=0.906), "moved by +0.60 points"),
        (scores(1000, confidence=0.894), "moved by -0.60 points"),
    ],
)
def test_a_replacement_is_accepted_up_to_the_limits(found, refusal):
    said = Agreement.of(scores(1000), found, BELIEVED).refusal()
    assert refusal in said
    assert bool(said) == bool(refusal)


@pytest.mark.parametrize("count", [0, 299])
def test_nothing_is_decided_on_a_handful(count):
    assert f"only {count} objects" in Agreement.of(scores(count), scores(count), BELIEVED).refusal()

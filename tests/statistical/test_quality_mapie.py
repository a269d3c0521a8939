"""MAPIE as an oracle: learn-then-test over thresholds, with the p-value for 0/1 losses and a fixed sequence.

Its losses are "accepted and wrong", whose mean over the whole set is what the dataset contract bounds; its p-value is
the binomial one of sampling with replacement, and does not know that audited errors get corrected. So it certifies as
much where the set is infinitely large, and never more.
"""

from __future__ import annotations

import numpy as np
import pytest
from mapie.risk_control import control_fwer
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value

from autolabel.quality.audit import draw_audit, walk
from autolabel.quality.rule import allowed_errors, wrong_labels_that_break


def mapie_p_values(errors, audits, error):
    """Of the hypotheses that more than a share `error` is accepted and wrong, with so many errors in the audit."""
    # A hair below: MAPIE rounds the number of errors up after dividing and multiplying by the size.
    rates = (np.asarray(errors) - 1e-9).clip(0) / audits
    return compute_hoeffding_bentkus_p_value(rates, audits, error, binary=True)[:, 0]


def mapie_allowed(audits, error, delta):
    passed = np.flatnonzero(mapie_p_values(np.arange(audits + 1), audits, error) <= delta)
    return int(passed[-1]) if len(passed) else None


@pytest.mark.parametrize("delta", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("error", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("audits", [20, 59, 100, 299, 500, 1_000, 3_000])
def test_the_allowance_is_mapies_for_a_huge_set_and_never_smaller(audits, error, delta):
    theirs = mapie_allowed(audits, error, delta)
    for size in (4_000, 20_000, 10_000_000):
        ours = allowed_errors(size, wrong_labels_that_break(error, size), audits, delta)
        assert (-1 if ours is None else ours) >= (-1 if theirs is None else theirs)
    if mapie_p_values([(-1 if theirs is None else theirs) + 1], audits, error)[0] > 1.05 * delta:
        assert ours == theirs
    else:  # ten million are not infinitely many where it is that close
        assert ours <= (theirs or 0) + 1


@pytest.mark.parametrize("size", [600, 5_000])
@pytest.mark.parametrize("rate", [0.02, 0.1, 0.4])
def test_the_walk_goes_at_least_as_far_as_mapies_fixed_sequence(size, rate):
    """The sequence goes from accepting nothing to accepting all; MAPIE stops at the first it cannot reject."""
    rng = np.random.default_rng(size)
    audits, error, delta = 200, 0.05, 0.1
    allowed = allowed_errors(size, wrong_labels_that_break(error, size), audits, delta)
    farther = 0
    for _ in range(30):
        wrong = rng.random(size) < rate * 2 * np.arange(size) / size
        ranks = draw_audit(size, audits, rng)
        stop = walk(size, ranks, wrong[ranks], allowed).stop_rank
        seen = np.zeros(size + 1)
        seen[ranks + 1] = wrong[ranks]
        valid = control_fwer(mapie_p_values(np.cumsum(seen), audits, error), delta, "fixed_sequence")
        theirs = int(valid[-1]) if len(valid) else 0
        assert theirs <= stop
        farther += theirs < stop
    if size == 600 and rate > 0.02:
        assert farther > 15, "a third of the set is audited, which MAPIE cannot know"

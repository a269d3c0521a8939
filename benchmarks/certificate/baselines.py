"""Other people's rules, written from their papers, to compare with."""

from __future__ import annotations

import numpy as np
from scipy.stats import beta, binom


def hoeffding_allowed(audits, error, delta):
    """Most audited errors with ``k/m + sqrt(log(1/delta)/2m) <= error``; -1 when not even zero."""
    return int(np.floor(audits * (error - np.sqrt(np.log(1 / delta) / (2 * audits))))) if audits else -1


def clopper_pearson_allowed(audits, error, delta):
    """Most audited errors whose exact binomial upper bound is at most `error`; -1 when not even zero."""
    allowed = np.arange(audits)
    return int((beta.ppf(1 - delta, allowed + 1, audits - allowed) <= error).sum()) - 1


def betting_log_wealth(losses, mean, delta, truncation=0.75):
    """Largest log wealth against "the mean is at least `mean`" of losses in draw order, along the last axis.

    Predictable plug-in bets of Waudby-Smith and Ramdas (2024), as Candès, Ilyas and Zrnic (2025) use them. `mean` may
    be an array that broadcasts with `losses`: for sampling without replacement it is the mean of what is not drawn yet.
    """
    times = np.arange(1, losses.shape[-1] + 1)
    average = (0.5 + np.cumsum(losses, axis=-1)) / (1 + times)
    variance = (0.25 + np.cumsum((losses - average) ** 2, axis=-1)) / (1 + times)
    before = np.concatenate([np.full((*losses.shape[:-1], 1), 0.25), variance[..., :-1]], axis=-1)
    bets = np.minimum(
        np.sqrt(2 * np.log(2 / delta) / (losses.shape[-1] * before)), truncation / np.maximum(1e-9, 1 - mean)
    )
    return np.cumsum(np.log1p(-bets * (losses - mean)), axis=-1).max(axis=-1)


def betting_allowed(audits, error, delta, rng, orders=200):
    """Most audited errors that betting certifies in at least half of the orders they can come in."""
    allowed = -1
    for errors in range(audits):
        losses = rng.permuted(np.tile(np.arange(audits) < errors, (orders, 1)), axis=1).astype(float)
        if np.mean(betting_log_wealth(losses, error, delta) >= np.log(1 / delta)) < 0.5:
            return allowed
        allowed = errors
    return allowed


def without_replacement_mean(total, population, draws):
    """Mean of the losses not yet drawn if the un-audited ones sum to `total`, before each draw."""
    return np.minimum(1.0, total / (population - np.arange(draws)))


def pac_labels(predictions, error, delta, draws, rng):
    """Candès, Ilyas, Zrnic (2025): machine-labeled objects, as a mask over all of them.

    `draws` uniform draws with replacement are labeled by experts; a binary search over the uncertainties finds the
    largest whose more certain objects have a bounded share of wrong labels; experts label the others.
    """
    uncertainty = 1 - predictions.confidence
    drawn = rng.integers(0, len(uncertainty), draws)
    thresholds = np.sort(uncertainty)
    low, high = 0, len(thresholds) - 1
    while low <= high:
        middle = (low + high) // 2
        losses = predictions.wrong[drawn] * (uncertainty[drawn] < thresholds[middle])
        if betting_log_wealth(losses.astype(float), error, delta) >= np.log(1 / delta):
            low = middle + 1
        else:
            high = middle - 1
    machine = uncertainty < thresholds[low - 1]
    machine[drawn] = False
    return machine


def selected_by(ranks, wrong, threshold_count):
    """Audited errors and audits among the first `threshold_count` ranks."""
    inside = ranks < threshold_count
    return int(wrong[inside].sum()), int(inside.sum())


def sgr(size, ranks, wrong, error, delta):
    """Geifman and El-Yaniv (2017): objects selected by a binary search with a binomial bound at delta / steps."""
    steps = int(np.ceil(np.log2(len(ranks))))
    low, high, best = 0, len(ranks) - 1, 0
    for _ in range(steps):
        middle = (low + high + 1) // 2
        count = int(ranks[middle]) + 1
        errors, audits = selected_by(ranks, wrong, count)
        if beta.ppf(1 - delta / steps, errors + 1, max(1, audits - errors)) <= error:
            low, best = middle, count
        else:
            high = middle
    return size if best and low == len(ranks) - 1 else best


def ltt_bonferroni(size, ranks, wrong, error, delta, thresholds=100):
    """Angelopoulos et al. (2021): largest of a fixed grid of thresholds whose binomial test passes at delta / grid."""
    best = 0
    for count in np.linspace(size / thresholds, size, thresholds).astype(int):
        errors, audits = selected_by(ranks, wrong, count)
        if audits and binom.cdf(errors, audits, error) <= delta / thresholds:
            best = int(count)
    return best


def tbal(size, ranks, wrong, error, slack=0.25):
    """Vishwakarma et al. (NeurIPS 2023): largest threshold with ``e + slack * sqrt(e * (1 - e)) <= error``."""
    audits = np.arange(1, len(ranks) + 1)
    rate = np.cumsum(wrong) / audits
    passing = np.flatnonzero(rate + slack * np.sqrt(rate * (1 - rate)) <= error)
    if not len(passing):
        return 0
    return size if passing[-1] == len(ranks) - 1 else int(ranks[passing[-1] + 1])


def conformal_labeling(size, ranks, wrong, error):
    """Huang et al. (2025): objects selected by Benjamini-Hochberg on conformal p-values against mislabeled audits.

    The p-value of a rank is (1 + mislabeled audits at least as confident) / (1 + audits).
    """
    free = np.setdiff1d(np.arange(size), ranks)
    p = (1 + np.searchsorted(ranks[wrong], free, side="right")) / (1 + len(ranks))
    passing = np.flatnonzero(p <= error * np.arange(1, len(free) + 1) / len(free))
    return int(free[passing[-1]]) + 1 if len(passing) else 0

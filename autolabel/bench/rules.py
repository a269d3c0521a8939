"""Rules of other strategies about where a machine may label, as functions of scores and of errors seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRUNCATION = 0.75
"""Largest share of the wealth that a bet may lose, in PAC labels' code."""


def largest_share(score: NDArray[np.floating], wrong: NDArray[np.bool_], error: float) -> float:
    """Smallest score whose objects, and those above, are wrong at most at a rate of `error`; infinite without one.

    The empirical rate is taken for the true one: what "expected accuracy" on a validation set amounts to.
    """
    order = np.argsort(-score, kind="stable")
    rate = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    passing = np.flatnonzero(rate <= error)
    return float(score[order[passing[-1]]]) if len(passing) else float("inf")


def tbal_threshold(confidence: NDArray[np.floating], wrong: NDArray[np.bool_], error: float) -> float:
    """Smallest confidence with ``e + 0.25 * sqrt(e * (1 - e)) <= error`` (Vishwakarma et al. 2023); or infinite."""
    order = np.argsort(-confidence, kind="stable")
    rate = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    passing = np.flatnonzero(rate + 0.25 * np.sqrt(rate * (1.0 - rate)) <= error)
    return float(confidence[order[passing[-1]]]) if len(passing) else float("inf")


def betting_threshold(
    uncertainty: NDArray[np.float64], drawn: NDArray[np.int64], wrong: NDArray[np.bool_], error: float, delta: float
) -> float:
    """Largest uncertainty below which at most a share `error` of all objects is wrong, with probability 1 - delta.

    Candès, Ilyas and Zrnic (2025): a binary search over thresholds, each tested by the betting bound of Waudby-Smith
    and Ramdas (2024) on `drawn`, uniform draws with replacement.
    """
    thresholds = np.sort(uncertainty)
    low, high = 0, len(thresholds) - 1
    while low <= high:
        middle = (low + high) // 2
        losses = (wrong & (uncertainty[drawn] < thresholds[middle])).astype(np.float64)
        if _log_wealth(losses, error, delta) >= np.log(1.0 / delta):
            low = middle + 1
        else:
            high = middle - 1
    return float(thresholds[low - 1]) if low else 0.0


def conformal_selection(
    mislabeled: NDArray[np.floating], audits: int, confidence: NDArray[np.floating], error: float
) -> NDArray[np.int64]:
    """Objects selected by Benjamini-Hochberg on conformal p-values against mislabeled audits (Huang et al. 2025).

    The p-value of an object is (1 + mislabeled audits at least as confident) / (1 + audits).
    """
    above = len(mislabeled) - np.searchsorted(np.sort(mislabeled), confidence, side="left")
    p = (1 + above) / (1 + audits)
    order = np.argsort(p, kind="stable")
    passing = np.flatnonzero(p[order] <= error * np.arange(1, len(p) + 1) / max(1, len(p)))
    return np.sort(order[: passing[-1] + 1]) if len(passing) else np.empty(0, np.int64)


def _log_wealth(losses: NDArray[np.float64], mean: float, delta: float) -> float:
    """Largest log wealth of predictable plug-in bets against "the mean is at least `mean`"."""
    times = np.arange(1, len(losses) + 1)
    average = (0.5 + np.cumsum(losses)) / (1 + times)
    variance = (0.25 + np.cumsum((losses - average) ** 2)) / (1 + times)
    before = np.concatenate([[0.25], variance[:-1]])
    bets = np.minimum(np.sqrt(2.0 * np.log(2.0 / delta) / (len(losses) * before)), TRUNCATION / max(1e-9, 1.0 - mean))
    return float(np.cumsum(np.log1p(-bets * (losses - mean))).max())

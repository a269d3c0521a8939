"""The audit: who is in it, and the walk that turns its errors into a stopping rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def order_by_confidence(objects: NDArray[np.int64], error_probability: NDArray[np.floating]) -> NDArray[np.int64]:
    """Order `objects` from least to most probable error, ties by object number.

    Parameters
    ----------
    objects
        The remainder: distinct object numbers, shape ``(N,)``.
    error_probability
        Estimated probability that each one's prediction is wrong, shape ``(N,)``, in [0, 1], no NaN.

    Returns
    -------
    Object numbers in walking order, shape ``(N,)``.
    """
    return objects[places_by_confidence(objects, error_probability)]


def places_by_confidence(objects: NDArray[np.int64], error_probability: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the places of `objects` in the order of `order_by_confidence`, shape ``(N,)``."""
    if np.isnan(error_probability).any():
        msg = "found NaN among the error probabilities; an order needs numbers"
        raise ValueError(msg)
    return np.lexsort((objects, error_probability))


def draw_audit(remainder: int, audits: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw `audits` ranks of a walking order uniformly without replacement, shape ``(m,)``, ascending.

    The draw depends on nothing but the sizes and the generator, so anybody with the seed can repeat it.
    """
    return np.sort(rng.choice(remainder, size=audits, replace=False).astype(np.int64))


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a walk from the most confident object stopped."""

    stop_rank: int
    """Objects before the stop; every un-audited one of them is machine-labeled."""
    machine_labeled: int
    """Un-audited objects before the stop."""
    errors_passed: int
    """Wrong audited predictions before the stop, all corrected by the audit."""


def walk(remainder: int, audited_ranks: NDArray[np.int64], wrong: NDArray[np.bool_], allowed: int | None) -> Walk:
    """Walk the order and stop just before the (allowed + 1)-th wrong audited prediction.

    Parameters
    ----------
    remainder
        Length N of the walking order.
    audited_ranks
        Ascending ranks of the audited objects, shape ``(m,)``.
    wrong
        Whether each audited prediction differs from its reference label, shape ``(m,)``. An audited object that
        nobody could label counts as wrong.
    allowed
        Errors the walk may pass, or ``None`` when no machine label may be made.
    """
    if allowed is None:
        return Walk(0, 0, 0)
    error_ranks = audited_ranks[wrong]
    stop = int(error_ranks[allowed]) if len(error_ranks) > allowed else remainder
    audited_before = int(np.searchsorted(audited_ranks, stop))
    return Walk(stop, stop - audited_before, min(allowed, len(error_ranks)))

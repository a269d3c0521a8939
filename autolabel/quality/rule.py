"""The audit rule of the dataset contract: how many wrong audited predictions a machine share survives.

Setting. `remainder` objects have a frozen prediction and a frozen order from most to least confident. An audit of
`audits` of them is drawn uniformly without replacement and labeled by people. The contract breaks when `limit` or more
machine labels are wrong. Walk the order; stop just before the (k+1)-th audited object whose prediction is wrong;
machine-label every un-audited object before the stop.

Theorem. With ``k = allowed_errors(...)``, P(wrong machine labels >= limit) <= delta, whatever the model, the order and
the pattern of errors.

Proof. Let F be the first ``limit + k`` wrong predictions in the order; F does not depend on the audit. If at least
``k + 1`` of F are audited, the walk stops at or before the (k+1)-th of them, so fewer than `limit` un-audited members
of F precede the stop. A violation therefore implies that at most `k` of F are audited, and the number of audited
members of F is Hypergeometric(remainder, limit + k, audits). If only ``e < limit + k`` predictions are wrong, a
violation needs at least `limit` of them un-audited, hence at most ``e - limit`` audited; pad them with arbitrary other
objects to a set of size ``limit + k``: at most `k` of that set are audited, and the same bound holds.

The largest valid `k` is found by bisection, which is exact because the violation probability grows with `k`: with
``F_k`` the first ``limit + k`` of any fixed sequence, "at least `limit` of F_k are un-audited" implies the same of
``F_{k+1}``.

Is there a better rule? Every model with at least ``limit + k`` errors breaks the contract with exactly the
probability of the bound, wherever its errors lie, so no larger `k` is valid, and `k` alone cannot be improved.
Four ways around it, the first two measured at error = delta = 5 % on four sets of real confidences
(``benchmarks/certificate``, tightness):

* to toss a coin between `k` and ``k + 1`` so that delta is attained exactly: valid, 0.1 to 0.3 points of machine share
  (1.1 on the smallest set) where the number of audits is arbitrary, at most 0.2 where it is an economical one
  (`audits_needed`, what the planner buys), and a promise that hangs on a coin;
* to audit only the most confident objects: valid with that region as `remainder`, within 0.2 points of the rule at
  economical sizes, because an audit beyond the stop costs nothing that people would not have labeled anyway;
* to walk a fixed number of objects past the (k+1)-th error: when all predictions are wrong each of them counts, so the
  slack of delta buys fewer than ``remainder / audits`` objects, less than the coin does;
* to audit the most confident objects at a lower rate, with a share of `limit` and of delta of their own: a clean audit
  of a region of R objects that may hold q wrong ones costs ``log(1 / delta) * R / q`` audits at any confidence, and the
  second delta eats what is saved.

None reaches one label in a hundred at the sizes that are bought; the plain rule stays.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from autolabel.quality import hypergeometric

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOT_EVEN_ZERO = -1
"""In a table: what `allowed_errors` calls ``None``."""
ROUNDING = 1e-6
"""Relative error that a probability in floating point has at most; ten million objects bring a fiftieth of it."""
LARGEST_EXACT = 30_000
"""Audits up to which a probability that rounding makes doubtful is computed in whole numbers."""


def violation_bound(remainder: int, limit: int, audits: int, allowed: int) -> float:
    """Largest probability that the walk with `allowed` errors leaves `limit` or more wrong machine labels.

    It is attained by any model that makes at least ``limit + allowed`` errors.
    """
    if remainder - audits < limit:
        return 0.0  # fewer un-audited objects than it takes to break the contract
    return hypergeometric.cdf(allowed, remainder, limit + allowed, audits)


def is_safe(remainder: int, limit: int, audits: int, allowed: int, delta: float) -> bool:
    """Whether the walk with `allowed` errors breaks the contract with probability `delta` at most.

    Where rounding could decide, whole numbers do; `delta` then is the decimal number that is printed for it. Beyond
    `LARGEST_EXACT` audits, where those take long, doubt counts against the allowance.
    """
    bound = violation_bound(remainder, limit, audits, allowed)
    if abs(bound - delta) > ROUNDING * delta:
        return bound <= delta
    if audits > LARGEST_EXACT:
        return False
    return hypergeometric.exact_cdf(allowed, remainder, limit + allowed, audits) <= Fraction(repr(float(delta)))


def allowed_errors(remainder: int, limit: int, audits: int, delta: float) -> int | None:
    """Most wrong audited predictions the walk may pass (``k_c``), or ``None`` when not even zero is safe.

    Parameters
    ----------
    remainder
        Objects with a frozen prediction, N >= 0.
    limit
        Wrong machine labels that would break the contract, r >= 1.
    audits
        Objects audited, 0 <= m <= N.
    delta
        Allowed probability of a broken contract, in (0, 1).
    """
    _check(remainder, limit, audits, delta)
    if not is_safe(remainder, limit, audits, 0, delta):
        return None
    low, high = 0, audits  # low is safe
    while low < high:
        middle = (low + high + 1) // 2
        if is_safe(remainder, limit, audits, middle, delta):
            low = middle
        else:
            high = middle - 1
    return low


def audits_needed(remainder: int, limit: int, allowed: int, delta: float) -> int | None:
    """Fewest audits whose walk may pass `allowed` errors, or ``None`` when even auditing everything is too few.

    These are the economical audit sizes: any other size buys no further error.
    """
    _check(remainder, limit, 0, delta)
    low, high = allowed, remainder
    if high < low or not is_safe(remainder, limit, high, allowed, delta):
        return None
    while low < high:
        middle = (low + high) // 2
        if is_safe(remainder, limit, middle, allowed, delta):
            high = middle
        else:
            low = middle + 1
    return low


def allowed_errors_table(remainder: int, limit: int, most_audits: int, delta: float) -> NDArray[np.int64]:
    """`allowed_errors` for every audit size up to `most_audits` at once, shape ``(most_audits + 1,)``.

    An audit that cannot allow even zero errors has `NOT_EVEN_ZERO`. The allowance never falls as the audit grows, so
    only the sizes where it rises are searched, each from the one before: about a dozen tails for each error allowed.
    """
    _check(remainder, limit, most_audits, delta)
    table = np.full(most_audits + 1, NOT_EVEN_ZERO, dtype=np.int64)
    allowed, first, step = 0, -1, 1  # `first`: the largest size known to be too small for `allowed`
    while first < most_audits:
        safe = first + step  # gallop from the size before, then bisect
        while safe < most_audits and not _safe(remainder, limit, safe, allowed, delta):
            first, safe = safe, safe + 2 * (safe - first)
        safe = min(safe, most_audits)
        if not _safe(remainder, limit, safe, allowed, delta):
            break
        while safe - first > 1:
            middle = (first + safe) // 2
            if _safe(remainder, limit, middle, allowed, delta):
                safe = middle
            else:
                first = middle
        risen = 1
        while risen + allowed <= safe and _safe(remainder, limit, safe, allowed + risen, delta):
            if remainder - safe < limit:  # nothing can break the contract any more: every audited error is allowed
                table[safe:] = np.arange(safe, most_audits + 1)
                return table
            risen += 1
        table[safe:] = allowed + risen - 1
        allowed += risen
        first, step = safe, max(1, safe // (2 * allowed))
    return table


def _safe(remainder: int, limit: int, audits: int, allowed: int, delta: float) -> bool:
    return allowed <= audits and is_safe(remainder, limit, audits, allowed, delta)


def wrong_labels_that_break(error: float, labels: int) -> int:
    """Fewest wrong labels that exceed a share of `error` among `labels`: ``r = floor(error * labels) + 1``.

    The product is rounded at 1e-9 first, so that 0.05 * 100 is 5 whatever binary fractions say.
    """
    return int(round(error * labels, 9) // 1) + 1


def _check(remainder: int, limit: int, audits: int, delta: float) -> None:
    if not 0 <= audits <= remainder:
        msg = f"found {audits} audits of {remainder} objects; expected between 0 and all of them"
        raise ValueError(msg)
    if limit < 1:
        msg = f"found a limit of {limit} wrong labels; expected at least 1"
        raise ValueError(msg)
    if not 0.0 < delta < 1.0:
        msg = f"found delta = {delta}; expected a probability between 0 and 1"
        raise ValueError(msg)

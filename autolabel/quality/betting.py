"""The bounded contract: the mean loss of the delivered labels is at most `error`, for losses anywhere in [0, 1].

For boxes and masks, where a prediction is not right or wrong but loses ``1 - IoU``. Labels by people lose nothing, an
audited prediction is replaced by its audit label and loses nothing either.

Setting. `remainder` objects with a frozen prediction, a frozen order (least predicted loss first) and frozen predicted
losses ``c_i`` in [0, 1]. The walking order is cut into m *blocks* of consecutive objects, and one object of every block
is audited, uniformly and independently of the others. `budget`, u, is the total loss that the promise allows.

Rule. Let block b have B_b objects, ``C_b`` their predicted losses' sum, ``X_b`` the audited one's loss, ``c_b`` its
predicted loss. For a bet eta in (0, 1] let ``theta = eta / max B`` and ``eta_b = theta * B_b``. After block b the
wealth is

    W_b = exp(theta * u) * product over a <= b of exp(theta * (X_a - C_a)) * (1 - eta_a * (X_a - c_a)),

averaged over a few bets that were declared before. Machine-label the un-audited objects of the blocks up to the last b
with ``W_b >= 1 / delta``; people take the rest.

Theorem. With probability at least 1 - delta the total loss of the machine labels is at most u, whatever the losses, the
order and the predicted losses.

Proof. Let U_b be the loss of the un-audited objects of the first b blocks and V_b what W_b becomes with U_b for u; it
gains the factor ``exp(theta * (T_b - C_b)) * (1 - eta_b * (X_b - c_b))`` at block b, where T_b is the block's whole
loss. The factor is not negative, for ``eta_b <= 1``. Given the past, the audited object is uniform in its block, so
``eta_b * (X_b - c_b)`` has the mean ``theta * (T_b - C_b) =: z``, and the factor the mean ``exp(z) * (1 - z) <= 1``. So
V is a non-negative supermartingale that starts at 1, and so is the average over bets. By Ville's inequality
``V_b >= 1 / delta`` for any b at all has probability at most delta. If more than u is lost before the stop b, then
``V_b >= W_b >= 1 / delta``. Predicted losses may be rescaled on the way by anything known from earlier blocks: the
argument is conditional on the past.

This is betting on a bounded mean as Waudby-Smith and Ramdas do (2024, JRSS B 86, 1-27), with three changes that the
problem allows: the walk is time, so every stop is covered without dividing delta; the wealth is written for the
*un-audited* loss, so corrected objects are credited in full; and bets are on what predictions and blocks leave to
chance, so that a good forecast of the loss narrows the bound. Against their bound for sampling without replacement over
a grid of eight regions it machine-labels 7 to 16 points more of the objects (``benchmarks/certificate``, bounded).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BETS = (0.5, 0.7, 1.0, 1.4, 2.0)
"""Bets around the one that the forecast finds best, as multiples of it."""
AUDIT_SIZES = 40
PRIOR_LOSS = 2.0
"""Audited loss that the predicted losses are trusted for, before the walk rescales them."""


@dataclass(frozen=True, slots=True)
class BoundedDesign:
    """Everything that is fixed before the first audit label is seen, but the predicted losses."""

    error: float
    delta: float
    promised_labels: int
    """Least size of the delivered set that the promise is computed for."""
    remainder: int
    audits: int
    """Blocks of the walking order, one audit each."""
    bets: tuple[float, ...]
    """In (0, 1]; the wealth is their average."""

    def __post_init__(self) -> None:
        """Refuse sizes and bets that the theorem does not cover."""
        if not 0 <= self.audits <= self.remainder:
            msg = f"found {self.audits} audits of {self.remainder} objects; expected between 0 and all of them"
            raise ValueError(msg)
        if not self.bets or not all(0.0 < bet <= 1.0 for bet in self.bets):
            msg = f"found bets {self.bets}; expected at least one, all in (0, 1]"
            raise ValueError(msg)
        if not (0.0 <= self.error < 1.0 and 0.0 < self.delta < 1.0):
            msg = f"found error {self.error} and delta {self.delta}; expected [0, 1) and (0, 1)"
            raise ValueError(msg)

    @property
    def budget(self) -> float:
        """Total loss that the promise allows."""
        return self.error * self.promised_labels

    def edges(self) -> NDArray[np.int64]:
        """Ranks where blocks begin, and the remainder, shape ``(m + 1,)``; block sizes differ by at most one."""
        return np.arange(self.audits + 1) * self.remainder // max(1, self.audits)

    def draw(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw one rank of every block, ascending, shape ``(m,)``."""
        edges = self.edges()
        return np.asarray(rng.integers(edges[:-1], edges[1:]), dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members."""
        return asdict(self) | {"bets": list(self.bets)}

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> BoundedDesign:
        """Read `to_json`'s form back."""
        return cls(**(facts | {"bets": tuple(facts["bets"])}))


@dataclass(frozen=True, slots=True)
class BoundedOutcome:
    """What the audit certified. Every un-audited object before `stop_rank` is machine-labeled."""

    granted: bool
    reason: str
    """Why there is no machine label; empty when there are."""
    stop_rank: int
    machine_labeled: int
    audited_loss: float
    """Total loss of the audited predictions; all were corrected."""
    loss_at_most: float
    """Total loss of the delivered labels, with the design's confidence."""
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members."""
        return asdict(self)


def log_wealth(
    design: BoundedDesign,
    audited_ranks: NDArray[np.int64],
    losses: NDArray[np.floating],
    predicted_loss: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Log of the wealth after each block, shape ``(m,)``; arguments as for `certify`."""
    edges, sizes = design.edges(), np.diff(design.edges())
    seen = np.asarray(losses, dtype=np.float64)
    predicted = np.asarray(predicted_loss, dtype=np.float64)
    _check(design, edges, audited_ranks, seen, predicted)
    if design.audits == 0:
        return np.zeros(0)
    # What earlier blocks say about the predicted losses' scale; known before this block's audit.
    expected = predicted[audited_ranks]
    scale = (PRIOR_LOSS + np.cumsum(seen) - seen) / (PRIOR_LOSS + np.cumsum(expected) - expected)
    scale = np.minimum(scale, 1.0 / np.maximum(np.maximum.reduceat(predicted, edges[:-1]), 1e-12))
    block_sum, single = scale * np.add.reduceat(predicted, edges[:-1]), scale * expected
    wealths = []
    for bet in design.bets:
        theta = bet / sizes.max()
        with np.errstate(divide="ignore"):  # a bet of one that loses all has wealth zero
            gains = theta * (seen - block_sum) + np.log(np.maximum(0.0, 1.0 - theta * sizes * (seen - single)))
        wealths.append(theta * design.budget + np.cumsum(gains))
    return np.asarray(np.logaddexp.reduce(wealths, axis=0) - np.log(len(wealths)))


def certify(
    design: BoundedDesign,
    audited_ranks: NDArray[np.int64],
    losses: NDArray[np.floating],
    predicted_loss: NDArray[np.floating],
) -> BoundedOutcome:
    """Walk to the last block that the wealth allows, or refuse with a reason.

    Parameters
    ----------
    design
        Fixed before the audit.
    audited_ranks
        One rank in every block, shape ``(m,)``; `BoundedDesign.draw`.
    losses
        Loss of each audited prediction, shape ``(m,)``, in [0, 1]; an object nobody could label loses 1.
    predicted_loss
        Frozen with the order, shape ``(N,)``, in [0, 1], no NaN. Any values are valid, good ones label more.
    """
    wealth = log_wealth(design, audited_ranks, losses, predicted_loss)
    enough = np.flatnonzero(wealth >= -np.log(design.delta))
    total = float(np.sum(losses))
    if design.budget >= design.remainder - design.audits:
        # Even if every machine label lost everything the promise would hold.
        blocks = design.audits
        stop = design.remainder
    else:
        blocks = int(enough[-1]) + 1 if len(enough) else 0
        stop = int(design.edges()[blocks])
    labeled = stop - blocks
    if labeled == 0:
        reason = _refusal(design, total, stop)
        return BoundedOutcome(False, reason, 0, 0, total, 0.0, f"No machine label is certified: {reason}.")
    text = (
        f"With {100 * (1 - design.delta):g} % confidence the mean loss of {design.promised_labels:,} delivered labels "
        f"is at most {design.error:g}; {labeled:,} were made by the machine; {design.audits:,} objects were audited, "
        f"a loss of {total:.1f} was found and corrected."
    )
    return BoundedOutcome(True, "", stop, labeled, total, min(design.budget, float(labeled)), text)


def clean_audits_needed(error: float, delta: float, promised_labels: int, remainder: int) -> int | None:
    """About the fewest lossless audits that certify every other object; ``None`` when no number does.

    With predictions of no loss and the bet 1 the wealth is ``exp(budget * audits / remainder)``.
    """
    budget = error * promised_labels
    if budget <= 0.0:
        return None
    needed = int(np.ceil(round(np.log(1.0 / delta) * remainder / budget, 9)))
    return needed if needed < remainder else None


def plan_bounded(
    predicted_loss: NDArray[np.floating],
    loss_variance: NDArray[np.floating],
    *,
    error: float,
    delta: float,
    promised_labels: int,
    most_audits: int | None = None,
) -> tuple[BoundedDesign, float]:
    """Choose the audit size and the bets; return them with the expected number of machine labels.

    Every object that the machine does not label is labeled by people, audited or not: the most machine labels are the
    fewest human ones.

    Parameters
    ----------
    predicted_loss
        In walking order, ascending, shape ``(N,)``, in [0, 1].
    loss_variance
        Variance of the loss around it, shape ``(N,)``; ``c * (1 - c)`` when nothing is known.
    error, delta, promised_labels
        The contract: mean loss of the delivered set, allowed probability that it is broken, and the set's size.
    most_audits
        Largest audit that may be bought; ``None``: no limit.
    """
    remainder = len(predicted_loss)
    most = remainder if most_audits is None else min(most_audits, remainder)
    loss = np.concatenate([[0.0], np.cumsum(predicted_loss, dtype=np.float64)])
    variance = np.concatenate([[0.0], np.cumsum(loss_variance, dtype=np.float64)])
    best, most_labels = BoundedDesign(error, delta, promised_labels, remainder, 0, (1.0,)), 0.0
    for audits in np.unique(np.geomspace(1.0, max(1.0, most), AUDIT_SIZES).astype(np.int64)).tolist():
        if audits > most:
            continue
        # Expected log wealth at rank t: theta * u - theta * unaudited loss - eta**2 / 2 * audited variance.
        rate = audits / remainder
        bets = np.geomspace(0.01, 1.0, 25)[:, None]
        expected = rate * bets * (error * promised_labels - loss * (1.0 - rate)) - bets**2 / 2 * rate * variance
        reached = np.where(expected >= -np.log(delta) + 0.5, np.arange(remainder + 1), 0).max(axis=1)
        place = int(np.argmax(reached))
        labels = float(reached[place]) * (1.0 - rate)
        if labels > most_labels:
            around = tuple(sorted({round(min(1.0, float(bets[place, 0]) * factor), 6) for factor in BETS}))
            best = BoundedDesign(error, delta, promised_labels, remainder, audits, around)
            most_labels = labels
    return best, most_labels


def _refusal(design: BoundedDesign, total: float, stop: int) -> str:
    if stop:
        return f"all {stop:,} objects that the audit certifies were audited"
    needed = clean_audits_needed(design.error, design.delta, design.promised_labels, design.remainder)
    if needed is None:
        return f"no audit of {design.remainder:,} objects can certify a mean loss of {design.error:g}"
    if design.audits < needed:
        return (
            f"{design.audits:,} audits cannot certify a mean loss of {design.error:g}: at least {needed:,} lossless "
            "ones are needed"
        )
    return f"the audit lost {total:.1f}, too much already among the objects predicted best"


def _check(
    design: BoundedDesign,
    edges: NDArray[np.int64],
    ranks: NDArray[np.int64],
    losses: NDArray[np.float64],
    predicted: NDArray[np.float64],
) -> None:
    if len(ranks) != design.audits or (ranks < edges[:-1]).any() or (ranks >= edges[1:]).any():
        msg = "the audited ranks are not one of every block"
        raise ValueError(msg)
    for name, values, size in (("losses", losses, design.audits), ("predicted losses", predicted, design.remainder)):
        if len(values) != size or not ((values >= 0.0) & (values <= 1.0)).all():
            msg = f"found {len(values)} {name}, not all in [0, 1]; expected {size} of them"
            raise ValueError(msg)

"""What a look consists of, whatever the contract: a frozen order, a design, a draw, a walk, an outcome.

    frozen  = Frozen.of(objects, predicted, error_probability)     # nothing of it changes from here on
    design  = ...                                                  # sizes and allowances, fixed before the audit
    ranks   = design.draw(frozen, rng)                             # whom people label without seeing the prediction
    outcome = design.walk(frozen, ranks, losses, room)             # what the machine may label

Ranks are places in the frozen order, 0 the most confident. `autolabel.quality.look` chooses designs and reads them
back; the contracts' rules and proofs are in `rule`, `machine`, `per_class` and `betting`.

What holds of every contract about wrong labels, because its walks stop at an error too many:

* *Objects nobody could label* count as wrong. More errors only make a walk stop earlier, so each walk leaves a part of
  what it would have left had they been answered, and with it a part of the wrong ones. Nothing is assumed about who
  stays silent.
* *Room.* Where the stopping conditions leave fewer machine labels than the walk, the most confident ones are kept. A
  part of a walk's objects holds no more wrong ones than the walk, and the number of wrong ones that the promise allows
  was fixed before the audit. A promise about a share is kept only where as many labels remain as it was computed for;
  which of the declared floors that is may depend on anything, because the theorem holds for all floors at once.
* *Reference labels* must not depend on who else is audited: whether a prediction is wrong has to be settled before the
  draw, for audited and other objects alike. With several workers an object that means a label made of its own answers
  and of what was known of its workers before (`autolabel.consolidation.one_by_one`).
* *Ties* are broken by object number before the audit; any order is as valid as another.
* *One job, one promise.* Delta is spent by the look. Who runs job after job on the same data and keeps the luckiest has
  as many chances to break it; the draw hangs on seed, manifest and scores, so the same job twice is the same audit.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from autolabel.quality.audit import places_by_confidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.quality.contract import Contract
    from autolabel.quality.planner import Budget

NOTHING_PLANNED = "the forecast expected machine labels to save nothing"
"""Reason of a look that bought no audit."""


@dataclass(frozen=True, slots=True, eq=False)
class Frozen:
    """Predictions of the remainder in walking order, from most to least confident. Fixed before the audit."""

    objects: NDArray[np.int64]
    """Object numbers, shape ``(N,)``."""
    predicted: NDArray[np.int64]
    """Predicted class of each, or whatever key stands for a prediction, shape ``(N,)``."""
    error_probability: NDArray[np.floating]
    """Estimated probability that the prediction is wrong, shape ``(N,)``, ascending."""

    @classmethod
    def of(
        cls, objects: NDArray[np.int64], predicted: NDArray[np.integer], error_probability: NDArray[np.floating]
    ) -> Frozen:
        """Order predictions by confidence, ties by object number.

        Parameters
        ----------
        objects
            Distinct object numbers, shape ``(N,)``.
        predicted, error_probability
            What the model says of each, shape ``(N,)``; probabilities without NaN.
        """
        places = places_by_confidence(objects, error_probability)
        return cls(objects[places], np.asarray(predicted[places], dtype=np.int64), error_probability[places])

    def __len__(self) -> int:
        return len(self.objects)


@dataclass(frozen=True, slots=True)
class Room:
    """What there is when a walk has been walked, and what the stopping conditions still allow."""

    labeled: int
    """Labels by people, those of the audit and of earlier jobs included; they belong to the delivered set."""
    budget: Budget
    """What is left after the audit."""
    lost: int = 0
    """Audited objects that nobody could label: they will not be delivered."""


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk through an order, or through one predicted class of it, and what it certified."""

    predicted: int | None
    """The class whose objects were walked; ``None``: all of them."""
    objects: int
    """Objects of the walk."""
    region: int
    """Most confident of them that the audit was drawn from and that the machine may label."""
    audited: int
    audit_errors: int
    """Wrong audited predictions, those beyond the stop included; every one was corrected."""
    promised: int
    """Labels that the number of allowed wrong ones was computed for: of the delivered set, or of the machine."""
    allowed: int | None
    """Wrong audited predictions the walk could pass; ``None``: no machine label."""
    stop_rank: int
    """Objects of the walk before the stop."""
    machine_labeled: int
    wrong_at_most: int
    """Wrong machine labels, with the job's confidence in all walks at once."""
    reason: str
    """Why there is no machine label; empty when there are."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members."""
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Walk:
        """Read `to_json`'s form back."""
        return cls(**facts)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What the machine may label, and why no more."""

    machine_ranks: NDArray[np.int64]
    """Ranks of the machine's labels, ascending; no audited one among them."""
    walks: tuple[Walk, ...]
    """One, or one for each predicted class, ascending."""
    reason: str
    """Why there is no machine label; empty when there are."""
    refused: bool = False
    """Whether labels that the walk allowed were refused, because too few of all can be delivered."""

    @property
    def audit_errors(self) -> int:
        """Wrong audited predictions of all walks."""
        return sum(walk.audit_errors for walk in self.walks)


class Design(Protocol):
    """Everything that is fixed before the first audit label is seen."""

    contract: ClassVar[Contract]

    @property
    def audits(self) -> int:
        """Objects that people label for the audit."""
        ...

    def draw(self, frozen: Frozen, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the audit: ascending ranks, shape ``(m,)``; nothing but sizes, classes and the generator decides."""
        ...

    def walk(self, frozen: Frozen, ranks: NDArray[np.int64], losses: NDArray[np.floating], room: Room) -> Outcome:
        """Turn the audit into machine labels.

        Parameters
        ----------
        ranks
            The audit, as drawn, shape ``(m,)``.
        losses
            Of each audited prediction, in [0, 1], shape ``(m,)``; a contract about wrong labels takes any above 0 for
            wrong. An object nobody could label loses 1.
        """
        ...

    def holds(self, walks: tuple[Walk, ...], delivered: int) -> bool:
        """Whether the promise still says what was asked for when so many labels, by anybody, are delivered."""
        ...

    def again(self, frozen: Frozen, *, error: float, delta: float) -> Self:
        """Derive the design anew from its sizes; anything but an equal one was not made by the rule."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members."""
        ...

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Self:
        """Read `to_json`'s form back, as it is."""
        ...


def unaudited(stop_rank: int, audited: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ranks before the stop that are not audited, ascending."""
    free = np.ones(stop_rank, dtype=np.bool_)
    free[audited[audited < stop_rank]] = False
    return np.flatnonzero(free)


def check_audit(audits: int, ranks: NDArray[np.int64], below: int) -> None:
    """Refuse ranks that are not the design's audit.

    Raises
    ------
    ValueError
        Another number of ranks, or some not ascending or out of range.
    """
    inside = len(ranks) == 0 or (ranks[0] >= 0 and ranks[-1] < below and bool((np.diff(ranks) > 0).all()))
    if len(ranks) != audits or not inside:
        msg = f"found {len(ranks)} audited ranks; the design has {audits}, ascending and below rank {below}"
        raise ValueError(msg)

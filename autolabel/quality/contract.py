"""What a user asks for: which labels a promise is about, how many of them may be wrong, and how surely."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Contract(StrEnum):
    """What is promised, with probability at least `confidence`."""

    DATASET = "dataset"
    """At most ``error`` times the labels of the delivered set are wrong; labels by people count as right."""
    MACHINE = "machine"
    """At most ``error`` times the machine's own labels are wrong."""
    PER_CLASS = "per-class"
    """In every predicted class at most ``error`` times the machine's labels are wrong, in all classes at once."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The promise a user asks for.

    Attributes
    ----------
    error
        Largest share of wrong labels, 0 <= error < 1.
    confidence
        Probability that the promise holds, in (0, 1).
    contract
        Which labels the promise is about.
    """

    error: float = 0.05
    confidence: float = 0.95
    contract: Contract = Contract.DATASET

    def __post_init__(self) -> None:
        """Refuse numbers that promise nothing."""
        if not 0.0 <= self.error < 1.0:
            msg = f"found quality.error = {self.error}; expected a share of wrong labels in [0, 1)"
            raise ValueError(msg)
        if not 0.0 < self.confidence < 1.0:
            msg = f"found quality.confidence = {self.confidence}; expected a probability in (0, 1)"
            raise ValueError(msg)
        if not 0.0 < self.delta < 1.0:
            msg = f"found quality.confidence = {self.confidence!r}; expected at least 1e-12 between it and 0 or 1"
            raise ValueError(msg)

    @property
    def delta(self) -> float:
        """Allowed probability of a broken promise, 1 - confidence, free of binary rounding."""
        return round(1.0 - self.confidence, 12)

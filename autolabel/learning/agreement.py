"""Whether a faster way to compute vectors may stand in for the reference: the same labels, the same confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.learning.confidence import signals_from

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.learning.confidence import ErrorModel

LEAST_SAME = 0.99
"""Share of the sample that must get the same label."""
MOST_SHIFT = 0.005
"""Most that the mean calibrated confidence may move: thresholds on it send objects to people."""
LEAST_SAMPLE = 300
"""Objects below which nothing is decided: three other labels among them would be one percent."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Scores of one sample by the reference and by what may replace it."""

    objects: int
    same: float
    """Share of equal labels."""
    shift: float
    """Mean calibrated confidence, minus the reference's."""

    @classmethod
    def of(cls, reference: NDArray[np.void], found: NDArray[np.void], errors: ErrorModel) -> Agreement:
        """Compare two arrays of `autolabel.learning.rescoring.SCORE`, the same objects in the same order.

        Parameters
        ----------
        errors
            Of the model: the calibrated confidence is 1 minus its probability of an error.
        """
        if not len(reference):
            return cls(0, 0.0, 0.0)
        before, after = (confidence_of(scores, errors) for scores in (reference, found))
        same = float((reference["predicted"] == found["predicted"]).mean())
        return cls(len(reference), same, float(after.mean(dtype=np.float64) - before.mean(dtype=np.float64)))

    def refusal(self) -> str:
        """Say why the replacement may not be used; empty when it may."""
        if self.objects < LEAST_SAMPLE:
            return f"only {self.objects} objects could be compared, {LEAST_SAMPLE} are needed"
        if self.same < LEAST_SAME:
            return f"{self.same:.2%} of {self.objects:,} objects got the same label, {LEAST_SAME:.0%} are needed"
        if abs(self.shift) >= MOST_SHIFT:
            return (
                f"the mean confidence moved by {100 * self.shift:+.2f} points, at most {100 * MOST_SHIFT} are allowed"
            )
        return ""


def confidence_of(scores: NDArray[np.void], errors: ErrorModel) -> NDArray[np.float32]:
    """Calibrated confidence of scores, shape ``(n,)``: the estimated probability that the label is right."""
    return np.float32(1.0) - error_probability(scores, errors)


def error_probability(scores: NDArray[np.void], errors: ErrorModel) -> NDArray[np.float32]:
    """Estimated probability that each predicted label is wrong, shape ``(n,)``."""
    signals = signals_from(scores["confidence"], scores["margin"], scores["entropy"])
    return errors.error_probability(signals, scores["predicted"].astype(np.int64))

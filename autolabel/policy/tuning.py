"""Whether the network itself is trained: the planner's dearer option beside more labels and a look.

A head on frozen features learns from a few labels, and then slowly. Training the network takes minutes where a head
takes seconds, and the pool has to be seen anew. It is worth its price when the labels it saves are.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autolabel.policy.round import Assessment
    from autolabel.policy.terms import Terms

SAVES = 0.05
"""Share of the labels still to come that a tuning is taken to save: 4 % of a whole job on TREC, see
`benchmarks/labeling_cost`."""
FEWEST = 200
"""Labels below which a network is not trained."""
A_CLASS = 5
"""Labels a class below which it is not trained."""
AGAIN = 4.0
"""A network is trained anew when the labels have grown by this factor. Sooner is a loss: what was bought since the last
time is told by all copies, as the pool is, and after a training only by the one that has not seen it. On TREC errors
were then overestimated by a half, and 100 labels bought that nobody needed, for networks that were no better."""
LEAST_SAVED = 10.0
"""Labels by people that have to be saved, however cheap machine time is."""
SECONDS_A_PASS = 0.01
"""About how long a network takes over one object on two cores: a picture or a paragraph."""
PASSES = 36
"""Times a network goes over a label: three copies, six epochs, two thirds of the labels, three passes a step."""
COPIES = 3


class FineTune(StrEnum):
    """Whether a job may train the network too."""

    NEVER = "never"
    AUTO = "auto"
    """Where it is worth its price."""


def tune_from(classes: int) -> int:
    """Labels from which on training the network is worth a thought."""
    return max(FEWEST, A_CLASS * classes)


def tuning_seconds(objects: int, labels: int) -> float:
    """About how long a tuning takes on two cores, by its size: a decision must not depend on the machine."""
    return SECONDS_A_PASS * (PASSES * labels + COPIES * objects)


def worth_tuning(terms: Terms, found: Assessment, *, labeled: int, trained_on: int, tuned_at: int | None) -> bool:
    """Whether the network should be trained before anything else is decided.

    Parameters
    ----------
    labeled, trained_on
        Objects labeled by people, and those of them that the model learns from.
    tuned_at
        Labels that the last tuning had; ``None`` before the first.
    """
    if terms.tune_from is None or trained_on < terms.tune_from or not terms.machine_pays:
        return False
    if tuned_at is not None and trained_on < AGAIN * tuned_at:
        return False
    saved = SAVES * (found.expected.human_total - labeled)
    price = terms.second_price * tuning_seconds(terms.objects, trained_on)
    return saved >= LEAST_SAVED and saved * (terms.prices.human - terms.prices.machine) > price

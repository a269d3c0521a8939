"""What became of every object: one byte each, rebuilt from the tables when a job is opened."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from autolabel.api.describe import LabelCounters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.job.store import JobStore


class State(IntEnum):
    """Fate of an object."""

    UNLABELED = 0
    PEOPLE = 1
    CHAINED_PEOPLE = 2
    """Labeled by people in an earlier job, kept."""
    CHAINED_MACHINE = 3
    """Labeled by the machine in an earlier job, kept, not covered by this job's certificate."""
    MACHINE = 4
    FAILED = 5


SOURCES = {
    "people": State.PEOPLE,
    "chained-people": State.CHAINED_PEOPLE,
    "chained-machine": State.CHAINED_MACHINE,
}


def read_states(store: JobStore, objects: int) -> NDArray[np.uint8]:
    """Rebuild the state of all objects from labels and failures, shape ``(N,)``; machine labels are the look's."""
    states = np.zeros(objects, np.uint8)
    for source, state in SOURCES.items():
        numbers = [row["object"] for row in store.stream("SELECT object FROM label WHERE source = ?", source)]
        states[numbers] = state
    states[[row["object"] for row in store.stream("SELECT object FROM failure")]] = State.FAILED
    return states


def count(states: NDArray[np.uint8]) -> LabelCounters:
    """Count states as DescribeLabelingJob does; labels kept from earlier jobs count under who made them."""
    tally = np.bincount(states, minlength=len(State))
    return LabelCounters(
        objects=len(states),
        human_labeled=int(tally[State.PEOPLE] + tally[State.CHAINED_PEOPLE]),
        machine_labeled=int(tally[State.MACHINE] + tally[State.CHAINED_MACHINE]),
        failed=int(tally[State.FAILED]),
        unlabeled=int(tally[State.UNLABELED]),
    )

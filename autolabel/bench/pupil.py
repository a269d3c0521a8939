"""The classifier of every rival: ours, trained on what a strategy gives it, so that only the strategies differ."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from autolabel.policy.round import search_again

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.bench.setting import Setting
    from autolabel.learning.base import Arrays, Predictions


@dataclass(slots=True)
class Pupil:
    """Learns from labeled objects, says what others are, and how sure it is: its own top probability."""

    setting: Setting
    model: Arrays | None = None
    searched_at: int | None = None
    lessons: int = 0
    known: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def teach(self, objects: NDArray[np.int64]) -> None:
        """Train on these objects, and forget what is not among them."""
        self.known = np.intersect1d(objects, self.setting.pool)
        search = search_again(len(self.known), self.searched_at)
        if search:
            self.searched_at = len(self.known)
        self.lessons += 1
        lessons, key = self.setting.lessons, self.known.tobytes()
        if self.model is None and key in lessons.learned:
            self.model, seconds = lessons.learned[key]
            lessons.borrowed += seconds
            return
        first, begun = self.model is None, time.process_time()
        labels = self.setting.people(self.known).tolist()
        self.model, _ = self.setting.sample.learner.fit(self.known, labels, previous=self.model, search=search)
        if first:
            lessons.learned[key] = self.model, time.process_time() - begun

    def predict(self, objects: NDArray[np.int64]) -> Predictions:
        """Predict ascending objects."""
        if self.model is None:
            msg = "the pupil has learned nothing yet"
            raise RuntimeError(msg)
        return self.setting.sample.learner.score(self.model, objects)

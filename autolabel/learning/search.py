"""How strong a head should be and how much each view counts: decided by labels that the heads have not seen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from autolabel.learning.crossfit import HEARD, Heads, Strengths
from autolabel.learning.head import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from autolabel.learning.crossfit import Hearing, Surroundings, Training
    from autolabel.learning.head import LinearHead

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
FIRST_PENALTY = 0.1
"""Where the first search begins."""
FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""What a view may be multiplied by; the first view stays as it is."""
SAYS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
"""Weights that the neighbours' opinion may get; 0 does without them."""
SWEEPS = 2
"""Times that every strength is tried; a third changed nothing on the benchmark's sets."""
LOOSE = 1e-4
"""Tolerance of fits that are only compared: most of a search's time, and none of what it ends with. A thirtieth of it
takes whole jobs 1.1 to 1.9 times as long, and they ask for as many labels (`LEAST_GAIN` is coarser)."""
LEAST_GAIN = 1e-3
"""Share of the loss that a change must win: a tenth of what another draw of the labels changes."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Heads of all folds at some strengths, and how well they and the neighbours tell labels they have not seen."""

    strengths: Strengths
    folds: tuple[LinearHead, ...]
    probabilities: NDArray[np.float32]
    """Out of fold, shape ``(n, C)``, without the neighbours."""
    say: float
    loss: float
    """Mean negative log-likelihood of the judged labels, the neighbours' opinion at its best weight included."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Fits folds at given strengths and says how good they are."""

    training: Training
    hearing: Hearing | None
    """Surroundings of the labeled objects that are judged by; ``None``: there is no pool, all are, by heads alone."""
    tried: set[Strengths] = field(default_factory=set)
    """What was fitted: going downhill, whatever was left behind is no better than what is held."""

    @classmethod
    def of(cls, training: Training, surroundings: Surroundings | None) -> Judge:
        """Judge by at most `HEARD` labels, spread over all of them."""
        if surroundings is None:
            return cls(training, None)
        count = len(training.labels)
        some = np.unique(np.linspace(0, count - 1, min(count, HEARD)).astype(np.int64))
        return cls(training, surroundings.hearing(training, some))

    def fit(self, strengths: Strengths, start: tuple[LinearHead, ...] | None, tolerance: float = LOOSE) -> Fitted:
        """Fit every fold, loosely unless told otherwise, and find the best weight of the neighbours' opinion."""
        self.tried.add(strengths)
        folds, probabilities = self.training.fit_folds(strengths, start, tolerance)
        if self.hearing is None:
            return Fitted(strengths, folds, probabilities, 0.0, loss(probabilities, self.training.labels))
        own, labels = probabilities[self.hearing.objects], self.training.labels[self.hearing.objects]
        opinion = self.hearing.opinion(folds)
        losses = [loss(blended(own, opinion, say), labels) for say in SAYS]
        best = int(np.argmin(losses))
        return Fitted(strengths, folds, probabilities, SAYS[best], losses[best])


def fit_heads(
    training: Training, surroundings: Surroundings | None, previous: Heads | None, *, search: bool
) -> tuple[Heads, Fitted]:
    """Fit the heads of a round, at the previous round's strengths or, when told to `search`, at better ones."""
    judge = Judge.of(training, surroundings)
    strengths = previous.strengths if previous is not None else Strengths(FIRST_PENALTY, (1.0,) * len(training.widths))
    begin = previous.folds if previous is not None else None
    if search:
        best = descend(judge, judge.fit(strengths, begin))
        if training.memory is not None:
            told = replace(best.strengths, with_memory=not best.strengths.with_memory)
            other = descend(judge, judge.fit(told, None))
            best = min(best, other, key=lambda fitted: fitted.loss)
        strengths, begin = best.strengths, best.folds
    best = judge.fit(strengths, begin, TOLERANCE)
    full = training.fit_full(best.strengths, previous.full if previous is not None else None)
    return Heads(full, best.folds, best.strengths), best


def descend(judge: Judge, start: Fitted) -> Fitted:
    """Follow the loss downhill, one strength after the other: the penalty, then the factor of every view but one."""
    best = start
    for _ in range(SWEEPS):
        before = best
        best = _along(judge, best, PENALTIES, best.strengths.penalty, lambda s, value: replace(s, penalty=value))
        for view in range(1, len(best.strengths.views)):
            best = _weigh(judge, best, view)
        if best is before:
            break
    return best


def _weigh(judge: Judge, here: Fitted, view: int) -> Fitted:
    """Find a view's factor; a view may also be left out at once, where halving it changes nothing yet."""
    found = _along(judge, here, FACTORS, here.strengths.views[view], partial(_with_factor, view))
    if found is not here or here.strengths.views[view] == 0.0:
        return found
    left_out = here.strengths.view(view, 0.0)
    if left_out in judge.tried:
        return here
    without = judge.fit(left_out, here.folds)
    return without if without.loss < here.loss * (1.0 - LEAST_GAIN) else here


def _with_factor(view: int, strengths: Strengths, factor: float) -> Strengths:
    return strengths.view(view, factor)


def _along(
    judge: Judge,
    here: Fitted,
    ladder: Sequence[float],
    value: float,
    change: Callable[[Strengths, float], Strengths],
) -> Fitted:
    """Climb the ladder as long as the loss falls, and only if it does not, descend it."""
    begun = ladder.index(value)
    for step in (1, -1):
        place, best = begun, here
        while 0 <= place + step < len(ladder):
            changed = change(best.strengths, ladder[place + step])
            if changed in judge.tried:
                break
            found = judge.fit(changed, best.folds)
            if found.loss >= best.loss * (1.0 - LEAST_GAIN):
                break
            place, best = place + step, found
        if best is not here:
            return best
    return here


def blended(probabilities: NDArray[np.float32], opinion: NDArray[np.float32], say: float) -> NDArray[np.float32]:
    """Product of experts: probability times opinion to the power of `say`, normalised; shape ``(n, C)``."""
    if say == 0.0:
        return probabilities
    product = (probabilities + np.float32(1e-6)) * (opinion + np.float32(1e-3)) ** np.float32(say)
    product /= product.sum(axis=1, keepdims=True)
    return product


def loss(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Mean negative log-likelihood."""
    return -float(np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-6)).mean(dtype=np.float64))

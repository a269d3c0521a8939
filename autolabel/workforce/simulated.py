"""Simulated people: they know the truth and tell it with the errors that they are asked to make."""

from __future__ import annotations

import itertools
import struct
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from autolabel.errors import SettingsError
from autolabel.workforce.base import Answer, HumanTask
from autolabel.workforce.profiles import WorkerProfile, cumulative, require

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from autolabel.tasks.base import Task

SPREAD = 0.1
"""How far a worker's accuracy may lie from the asked mean."""

_START = datetime(2024, 1, 1, tzinfo=UTC)


class SimulatedWorkforce:
    """A pool of people who answer classification tasks at once; implements `Workforce`.

    Every answer depends on nothing but the seed, the object, its batch and the worker: it is the same in whatever
    order, how often and in which process it is asked for.

    Parameters
    ----------
    truth
        Class id of each object, by object number.
    task
        The classification task.
    accuracy
        Mean share of right answers in the pool, in [0, 1]; each worker's own lies within 0.1 of it, drawn
        from the seed. Or the least and the greatest accuracy, between which the workers lie evenly. A wrong
        answer is any other class, uniformly.
    workers
        People in the pool; each object is answered by as many different ones as its task asks for, so at
        least that.
    seed
        Another seed is another pool.
    confusion
        Instead of `accuracy`: P(answered class | true class), shape ``(C, C)`` for everybody or ``(W, C, C)``
        a worker, rows sum to 1.
    distributions
        Instead of both: how people in truth answer each object, as weights of its classes, by object number. Every
        answer is drawn from its own object's distribution, whoever gives it.
    fatigue
        Accuracy that everybody loses from batch to batch, in [0, 1], down to guessing.
    seconds_per_answer
        Mean time for an answer; each takes between half and one and a half of it.
    decline_rate
        Share of tasks that a worker declines, in [0, 1]. Who declines takes one of the task's places; an object
        that all of them declined gets no label, as in the service.
    profiles
        Each worker for themselves, instead of everything from `accuracy` to `decline_rate` but `distributions`.
    start
        When object 0 is accepted. Object i is accepted i · `seconds_per_answer` later.

    Raises
    ------
    SettingsError
        A setting is out of its range.
    """

    def __init__(
        self,
        truth: Mapping[int, int] | Sequence[int],
        task: Task,
        *,
        accuracy: float | tuple[float, float] = 1.0,
        workers: int = 9,
        seed: int = 0,
        confusion: ArrayLike | None = None,
        distributions: Mapping[int, ArrayLike] | Sequence[ArrayLike] | None = None,
        fatigue: float = 0.0,
        seconds_per_answer: float = 3.0,
        decline_rate: float = 0.0,
        profiles: Sequence[WorkerProfile] | None = None,
        start: datetime = _START,
    ) -> None:
        classes = len(task.categories)
        if profiles is None:
            require(workers >= 1, f"workers is {workers}, expected at least 1")
            profiles = [
                WorkerProfile(
                    accuracy=share,
                    fatigue=fatigue,
                    seconds_per_answer=seconds_per_answer,
                    decline_rate=decline_rate,
                )
                for share in _accuracies(accuracy, workers, seed).tolist()
            ]
        profiles = [profile for profile in profiles for _ in range(profile.count)]
        require(bool(profiles), "there is no worker, expected at least 1")
        self.workers = tuple(_worker_id(seed, place) for place in range(len(profiles)))
        """Ids of the people, shape ``(W,)``."""
        self.accuracies = np.array([profile.accuracy for profile in profiles])
        """Each one's share of right answers at first, unless a matrix or distributions say otherwise; ``(W,)``."""
        self._profiles = profiles
        self._truth = truth
        self._task = task
        self._classes = classes
        self._seed = seed
        self._matrices = _matrices(profiles, confusion, classes)
        self._distributions = distributions
        self._start = start
        self._offered: dict[int, HumanTask] = {}

    def publish(self, tasks: Sequence[HumanTask]) -> None:
        """Offer tasks; they are answered when the answers are collected.

        Raises
        ------
        SettingsError
            A task asks for more people than the pool has.
        """
        for task in tasks:
            require(
                task.workers <= len(self.workers),
                f"object {task.object} wants answers of {task.workers} different people, the simulated "
                f"workforce has {len(self.workers)}; give it workers={task.workers} or more",
            )
            self._offered[task.object] = task

    def collect(self) -> list[Answer]:
        """Answer what was offered since the last time, by object number."""
        tasks = [self._offered[number] for number in sorted(self._offered)]
        self._offered.clear()
        return [answer for task in tasks for answer in self._answers(task)]

    def cancel(self, objects: Iterable[int]) -> None:
        """Forget offered tasks."""
        for number in objects:
            self._offered.pop(number, None)

    def _answers(self, task: HumanTask) -> list[Answer]:
        """Ask as many people as the task wants, and leave out who has answered."""
        asked = itertools.islice(self._turns(task.object), task.workers)
        return [self._answer(task, place) for place in asked if self.workers[place] not in task.answered_by]

    def _turns(self, number: int) -> Iterator[int]:
        """Yield the people in the order in which they are asked about object `number`."""
        left = list(range(len(self.workers)))
        while left:
            chance = _uniforms(self._seed, "turn", number, len(left))[0]
            yield left.pop(int(chance * len(left)))

    def _answer(self, task: HumanTask, place: int) -> Answer:
        """Answer a task as worker `place` does."""
        number, profile = task.object, self._profiles[place]
        decline, chance, which, pace = _uniforms(self._seed, "answer", number, place)[:4]
        seconds = round(profile.seconds_per_answer * (0.5 + pace), 3)
        accepted = self._start + timedelta(seconds=number * profile.seconds_per_answer)
        content = None
        if decline >= profile.decline_rate:
            content = self._task.answer_from_label(self._label(task, place, chance, which))
        return Answer(
            number,
            self.workers[place],
            content,
            submitted=_iso(accepted + timedelta(seconds=seconds)),
            seconds=seconds,
            extra={"acceptanceTime": _iso(accepted)},
        )

    def _label(self, task: HumanTask, place: int, chance: float, which: float) -> int:
        """Choose the class that worker `place` sees in a task's object."""
        tired = self._profiles[place].fatigue * (task.batch - 1)
        if self._distributions is not None:
            return _drawn(self._distribution(task.object), chance)
        try:
            truth = self._truth[task.object]
        except (KeyError, IndexError):
            raise SettingsError(f"the truth has no label for object {task.object}, which a task asks for") from None
        matrix = self._matrices[place]
        if matrix is not None:
            guessing = min(1.0, tired)
            if guessing and which < guessing:
                return int(which / guessing * self._classes)
            return int(np.searchsorted(matrix[truth], chance, side="right"))
        accuracy = self._profiles[place].accuracy
        if tired:
            accuracy = max(accuracy - tired, min(accuracy, 1 / self._classes))
        if chance < accuracy:
            return truth
        other = int(which * (self._classes - 1))
        return other + (other >= truth)

    def _distribution(self, number: int) -> NDArray[np.float64]:
        """Weights of an object's classes, checked, shape ``(C,)``."""
        if self._distributions is None:
            raise AssertionError("there are no distributions to draw from")
        try:
            weights = np.asarray(self._distributions[number], dtype=np.float64)
        except (KeyError, IndexError):
            raise SettingsError(f"there is no distribution of answers for object {number}") from None
        fits = weights.shape == (self._classes,) and bool((weights >= 0).all()) and 0 < weights.sum() < np.inf
        require(fits, f"object {number} has the answers {weights.tolist()}, expected {self._classes} weights from 0")
        return weights


def _matrices(
    profiles: Sequence[WorkerProfile], confusion: ArrayLike | None, classes: int
) -> list[NDArray[np.float64] | None]:
    """Cumulated confusion matrix of each worker, ``None`` for those who err evenly; shape ``(C, C)`` each."""
    if confusion is not None:
        return list(cumulative(confusion, len(profiles), classes))
    return [None if profile.confusion is None else cumulative(profile.confusion, 1, classes)[0] for profile in profiles]


def _drawn(weights: NDArray[np.float64], chance: float) -> int:
    """Draw a class by its weight; one of weight 0 is never drawn."""
    summed = np.cumsum(weights)
    return int(min(np.searchsorted(summed, chance * summed[-1], side="right"), np.flatnonzero(weights)[-1]))


def _uniforms(seed: int, purpose: str, *numbers: int) -> tuple[float, ...]:
    """Draw eight numbers in [0, 1) that depend on the arguments alone, in every process and numpy version."""
    words = struct.unpack("<8Q", _digest(seed, purpose, *numbers))
    return tuple((word >> 11) * 2.0**-53 for word in words)


def _digest(seed: int, purpose: str, *numbers: int) -> bytes:
    """Hash the arguments, numpy integers like Python's."""
    return blake2b("/".join(map(str, (seed, purpose, *numbers))).encode()).digest()


def _worker_id(seed: int, place: int) -> str:
    """Name a worker in the form of a private workforce's ids."""
    return f"private.us-east-1.{_digest(seed, 'worker', place)[:8].hex()}"


def _accuracies(accuracy: float | tuple[float, float], workers: int, seed: int) -> NDArray[np.float64]:
    """Spread the workers' accuracies around a mean without moving it or leaving [0, 1], or evenly over a range."""
    if isinstance(accuracy, tuple):
        low, high = accuracy
        require(0 <= low <= high <= 1, f"accuracy is {low}..{high}, expected two shares from 0 to 1, the least first")
        return np.linspace(low, high, workers)
    require(0 <= accuracy <= 1, f"accuracy is {accuracy}, expected a share from 0 to 1")
    drawn = np.array([_uniforms(seed, "accuracy", place)[0] for place in range(workers)])
    centred = drawn - drawn.mean()
    spread: NDArray[np.float64] = accuracy + min(SPREAD, accuracy, 1 - accuracy) * centred
    return np.clip(spread, 0, 1)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

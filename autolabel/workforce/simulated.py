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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from autolabel.tasks.base import Task

SPREAD = 0.1
"""How far a worker's accuracy may lie from the asked mean."""

_START = datetime(2024, 1, 1, tzinfo=UTC)


class SimulatedWorkforce:
    """A pool of people who answer classification tasks at once; implements `Workforce`.

    Every answer depends on nothing but the seed, the object and the worker: it is the same in whatever order,
    how often and in which process it is asked for.

    Parameters
    ----------
    truth
        Class id of each object, by object number.
    task
        The classification task.
    accuracy
        Mean share of right answers in the pool, in [0, 1]; each worker's own lies within 0.1 of it, drawn
        from the seed. A wrong answer is any other class, uniformly.
    workers
        People in the pool; each object is answered by as many different ones as its task asks for, so at
        least that.
    seed
        Another seed is another pool.
    confusion
        Instead of `accuracy`: P(answered class | true class), shape ``(C, C)`` for everybody or ``(W, C, C)``
        a worker, rows sum to 1.
    seconds_per_answer
        Mean time for an answer; each takes between half and one and a half of it.
    decline_rate
        Share of tasks that a worker declines, in [0, 1]. Who declines takes one of the task's places; an object
        that all of them declined gets no label, as in the service.
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
        accuracy: float = 1.0,
        workers: int = 9,
        seed: int = 0,
        confusion: ArrayLike | None = None,
        seconds_per_answer: float = 3.0,
        decline_rate: float = 0.0,
        start: datetime = _START,
    ) -> None:
        _require(0 <= accuracy <= 1, f"accuracy is {accuracy}, expected a share from 0 to 1")
        _require(0 <= decline_rate <= 1, f"decline_rate is {decline_rate}, expected a share from 0 to 1")
        _require(workers >= 1, f"workers is {workers}, expected at least 1")
        _require(seconds_per_answer > 0, f"seconds_per_answer is {seconds_per_answer}, expected more than 0")
        self.workers = tuple(_worker_id(seed, place) for place in range(workers))
        """Ids of the people, shape ``(W,)``."""
        self.accuracies = _accuracies(accuracy, workers, seed)
        """Each one's share of right answers, unless a confusion matrix says otherwise; shape ``(W,)``."""
        self._truth = truth
        self._task = task
        self._classes = len(task.categories)
        self._seed = seed
        self._cumulative = None if confusion is None else _cumulative(confusion, workers, self._classes)
        self._seconds = seconds_per_answer
        self._decline_rate = decline_rate
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
            _require(
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
        answers = [self._answer(task.object, place) for place in asked]
        return [answer for answer in answers if answer.worker not in task.answered_by]

    def _turns(self, number: int) -> Iterator[int]:
        """Yield the people in the order in which they are asked about object `number`."""
        left = list(range(len(self.workers)))
        while left:
            chance = _uniforms(self._seed, "turn", number, len(left))[0]
            yield left.pop(int(chance * len(left)))

    def _answer(self, number: int, place: int) -> Answer:
        """Answer object `number` as worker `place` does."""
        decline, chance, which, pace = _uniforms(self._seed, "answer", number, place)[:4]
        seconds = round(self._seconds * (0.5 + pace), 3)
        accepted = self._start + timedelta(seconds=number * self._seconds)
        content = None
        if decline >= self._decline_rate:
            content = self._task.answer_from_label(self._label(number, place, chance, which))
        return Answer(
            number,
            self.workers[place],
            content,
            submitted=_iso(accepted + timedelta(seconds=seconds)),
            seconds=seconds,
            extra={"acceptanceTime": _iso(accepted)},
        )

    def _label(self, number: int, place: int, chance: float, which: float) -> int:
        """Choose the class that worker `place` sees in object `number`."""
        try:
            truth = self._truth[number]
        except (KeyError, IndexError):
            raise SettingsError(f"the truth has no label for object {number}, which a task asks for") from None
        if self._cumulative is not None:
            return int(np.searchsorted(self._cumulative[place, truth], chance, side="right"))
        if chance < self.accuracies[place]:
            return truth
        other = int(which * (self._classes - 1))
        return other + (other >= truth)


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


def _accuracies(mean: float, workers: int, seed: int) -> NDArray[np.float64]:
    """Spread the workers' accuracies around the mean without moving it or leaving [0, 1]."""
    drawn = np.array([_uniforms(seed, "accuracy", place)[0] for place in range(workers)])
    centred = drawn - drawn.mean()
    spread: NDArray[np.float64] = mean + min(SPREAD, mean, 1 - mean) * centred
    return spread


def _cumulative(confusion: ArrayLike, workers: int, classes: int) -> NDArray[np.float64]:
    """Check the confusion matrices and sum them along the answered class, shape ``(W, C, C)``."""
    shapes = ((classes, classes), (workers, classes, classes))
    try:
        matrix = np.asarray(confusion, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"confusion is no matrix of numbers of shape {shapes[0]}: {error}") from error
    _require(matrix.shape in shapes, f"confusion has the shape {matrix.shape}, expected {shapes[0]} or {shapes[1]}")
    fits = bool((matrix >= 0).all() and np.allclose(matrix.sum(axis=-1), 1))
    _require(fits, "confusion has a row that is no distribution; expected numbers from 0 that sum to 1 in each row")
    cumulative = np.cumsum(np.broadcast_to(matrix, shapes[1]), axis=-1)
    cumulative[..., -1] = 1.0  # a sum that rounds below 1 would leave a chance that belongs to no class
    return cumulative


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise SettingsError(message)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

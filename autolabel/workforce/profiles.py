"""What a simulated worker is like: how often right, how wrong, how fast, how willing, how tired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from autolabel.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray


class WorkerProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One simulated worker, or several alike."""

    accuracy: float = 1.0
    """Share of right answers in the first batch, in [0, 1]; a wrong answer is any other class, uniformly."""
    confusion: tuple[tuple[float, ...], ...] | None = None
    """P(answered class | true class), shape ``(C, C)``, rows sum to 1; instead of `accuracy`."""
    fatigue: float = 0.0
    """Accuracy lost from batch to batch, in [0, 1], down to guessing; a matrix is mixed with guessing alike."""
    seconds_per_answer: float = 3.0
    """Mean time for an answer; each takes between half and one and a half of it."""
    decline_rate: float = 0.0
    """Share of tasks that are declined, in [0, 1]."""
    count: int = 1
    """How many workers are like this, at least 1."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name, share in (
            ("accuracy", self.accuracy),
            ("fatigue", self.fatigue),
            ("decline_rate", self.decline_rate),
        ):
            require(0 <= share <= 1, f"{name} is {share}, expected a share from 0 to 1")
        seconds = self.seconds_per_answer
        require(seconds > 0, f"seconds_per_answer is {seconds}, expected more than 0")
        require(self.count >= 1, f"a worker profile has the count {self.count}, expected at least 1")


def read_profiles(path: Path) -> list[WorkerProfile]:
    """Read workers from a JSON file: a list of objects with the members of `WorkerProfile`.

    Raises
    ------
    SettingsError
        The file cannot be read, or holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[WorkerProfile])
    except OSError as error:
        raise SettingsError(f"the workers file {path} cannot be read: {error.strerror}") from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        known = ", ".join(WorkerProfile.__struct_fields__)
        raise SettingsError(
            f"the workers file {path} is no list of workers ({error}); each may have {known}"
        ) from error


def cumulative(confusion: ArrayLike, workers: int, classes: int) -> NDArray[np.float64]:
    """Check confusion matrices and sum them along the answered class, shape ``(W, C, C)``.

    Parameters
    ----------
    confusion
        P(answered class | true class), shape ``(C, C)`` for everybody or ``(W, C, C)`` a worker.

    Raises
    ------
    SettingsError
        The shape is another one, or a row is no distribution.
    """
    shapes = ((classes, classes), (workers, classes, classes))
    try:
        matrix = np.asarray(confusion, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"confusion is no matrix of numbers of shape {shapes[0]}: {error}") from error
    require(matrix.shape in shapes, f"confusion has the shape {matrix.shape}, expected {shapes[0]} or {shapes[1]}")
    fits = bool((matrix >= 0).all() and np.allclose(matrix.sum(axis=-1), 1))
    require(fits, "confusion has a row that is no distribution; expected numbers from 0 that sum to 1 in each row")
    summed = np.cumsum(np.broadcast_to(matrix, shapes[1]), axis=-1)
    summed[..., -1] = 1.0  # a sum that rounds below 1 would leave a chance that belongs to no class
    return summed


def require(holds: bool, message: str) -> None:
    """Raise `SettingsError` unless something holds."""
    if not holds:
        raise SettingsError(message)

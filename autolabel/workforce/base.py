"""The `Workforce` protocol: who answers. A job publishes tasks and collects answers; it never waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class HumanTask:
    """One object that people are asked to label. Audits look like every other task: workers are blind."""

    object: int
    """0-based number of the object in the manifest: AWS's ``datasetObjectId``."""
    batch: int
    """1-based human batch, AWS's ``iteration-N``."""
    input: dict[str, Any]
    """What the worker page shows: ``taskObject`` (URI or text) and ``labels``."""
    workers: int
    """Different people who should answer, 1 to 9 (`NumberOfHumanWorkersPerDataObject`)."""
    answered_by: tuple[str, ...] = ()
    """Workers whose answer is already in; they are not asked again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One worker's answer to one object, as in a worker-response file."""

    object: int
    worker: str
    content: dict[str, Any] | None
    """``answerContent`` as the worker page posts it; ``None`` declines the task."""
    submitted: str = ""
    """ISO 8601 with ``Z``; empty lets the job's clock decide."""
    seconds: float | None = None
    """Time spent, pauses excluded, if known."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Other members of the worker response (``acceptanceTime``, ``workerMetadata``), passed through."""


class Workforce(Protocol):
    """Somebody who answers tasks. Publishing the same task twice must be harmless."""

    def publish(self, tasks: Sequence[HumanTask]) -> None:
        """Offer tasks. A task that was offered before, with the same object, is the same task."""
        ...

    def collect(self) -> list[Answer]:
        """Return answers to published tasks; empty when nobody has answered yet. Repeats are harmless."""
        ...

    def cancel(self, objects: Iterable[int]) -> None:
        """Withdraw tasks that are no longer needed."""
        ...

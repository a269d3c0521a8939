"""Time, injected: a job asks its clock, so that a test can own it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where a job gets dates and durations from."""

    def now(self) -> datetime:
        """Return the present, timezone-aware, in UTC."""
        ...

    def seconds(self) -> float:
        """Return a monotonic reading in seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present, timezone-aware, in UTC."""
        return datetime.now(UTC)

    def seconds(self) -> float:
        """Return a monotonic reading in seconds."""
        return time.perf_counter()


class MonotonicClock:
    """A clock that never runs backwards: a deadline that has passed once stays passed.

    When the machine's date is set back, time goes on from the latest date seen at the pace of the monotonic reading.
    """

    def __init__(self, clock: Clock, *, floor: datetime | None = None) -> None:
        self._clock = clock
        self._seconds = clock.seconds()
        self._last = max(clock.now(), floor) if floor is not None else clock.now()

    def now(self) -> datetime:
        """Return a date no earlier than the last one."""
        seconds = self._clock.seconds()
        passed = timedelta(seconds=max(0.0, seconds - self._seconds))
        self._seconds = seconds
        self._last = max(self._clock.now(), self._last + passed)
        return self._last

    def seconds(self) -> float:
        """Return the monotonic reading."""
        return self._clock.seconds()


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and ``Z``: how events and answers are dated."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse(text: str) -> datetime:
    """Read `iso` back."""
    return datetime.fromisoformat(text)

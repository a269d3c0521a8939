"""Time, injected: a job asks its clock, so that a test can own it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
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


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and ``Z``: how events and answers are dated."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> datetime:
    """Read `iso` back."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)

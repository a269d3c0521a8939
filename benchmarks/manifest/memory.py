"""Resident memory of this process, sampled while something runs."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

MIB = 1 << 20
INTERVAL = 0.01
"""Seconds between two samples."""


def resident() -> tuple[int, int]:
    """Return bytes in memory now, and how many of them are not pages of mapped files."""
    with Path("/proc/self/statm").open() as file:
        _, pages, shared, *_ = map(int, file.read().split())
    size = os.sysconf("SC_PAGE_SIZE")
    return pages * size, (pages - shared) * size


def peak() -> int:
    """Return the most bytes that this process ever had in memory."""
    with Path("/proc/self/status").open() as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


class Phases:
    """Peak of the resident memory and seconds by phase, where a phase is a function the main thread is in.

    Parameters
    ----------
    names
        ``module.function`` to name of the phase; the innermost one counts.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self.peak: dict[str, tuple[int, int]] = {}
        self.seconds: dict[str, float] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Sample from another thread until the end of the block."""
        done = threading.Event()
        watched = threading.get_ident()

        def watch() -> None:
            before = time.perf_counter()
            while not done.wait(INTERVAL):
                phase = self._phase(sys._current_frames()[watched])  # noqa: SLF001 - no other name
                now, memory = time.perf_counter(), resident()
                self.seconds[phase] = self.seconds.get(phase, 0.0) + now - before
                most = self.peak.get(phase, (0, 0))
                self.peak[phase] = max(most[0], memory[0]), max(most[1], memory[1])
                before = now

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _phase(self, frame: FrameType | None) -> str:
        while frame is not None:
            key = f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}"
            if key in self._names:
                return self._names[key]
            frame = frame.f_back
        return "everything else"

"""How many requests a server can take at once, found by trying."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


MEMORY = 8
"""Requests over which the share of refused ones is averaged."""


@dataclass(slots=True)
class Slot:
    """One request under way."""

    epoch: int
    congested: bool = False
    """Set it when the server asked to slow down."""


class AdaptiveLimit:
    """A semaphore whose size adapts: additive increase, multiplicative decrease (Chiu & Jain, 1989).

    A round of successes at the limit raises it by one; a congested request lowers it, once for all that were
    under way together: by half where all are refused, by less where few are. S3 answers 503 until it has spread a
    prefix over more machines.

    Parameters
    ----------
    first
        Requests at once to begin with.
    most
        Requests at once, ever.
    """

    def __init__(self, first: int = 32, most: int = 256) -> None:
        self._size = float(first)
        self._most = float(most)
        self._busy = 0
        self._refused = 1.0
        self._epoch = 0
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        """Requests that may be under way now."""
        return int(self._size)

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """Wait for a place and hold it."""
        with self._changed:
            while self._busy >= self.size:
                self._changed.wait()
            self._busy += 1
            slot = Slot(self._epoch)
        try:
            yield slot
        finally:
            with self._changed:
                self._learn(slot)
                self._busy -= 1
                # This place, and the one by which the limit may have grown.
                self._changed.notify(2)

    def _learn(self, slot: Slot) -> None:
        self._refused += (slot.congested - self._refused) / MEMORY
        if slot.congested:
            if slot.epoch == self._epoch:
                self._size = max(1.0, min(self._size, self._busy) * (1.0 - self._refused / 2))
                self._epoch += 1
        elif self._busy >= self.size:
            self._size = min(self._most, self._size + 1 / self._size)

"""Many small fits at once: one BLAS thread each, one Python thread a core."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_T = TypeVar("_T")
_R = TypeVar("_R")


def each_on_a_core(work: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """Return ``[work(item) for item in items]``, computed side by side with single-threaded BLAS.

    A head's matrices are so small that two BLAS threads spend more time waiting for one another than multiplying: on
    two cores a fit takes ten times as long with two threads as with one. One thread also adds up in one order, so a
    fit has the same bits whatever the number of cores.
    """
    waiting = list(items)
    with _controller().limit(limits=1, user_api="blas"):
        cores = min(len(waiting), usable_cores())
        if cores < 2:
            return [work(item) for item in waiting]
        with ThreadPoolExecutor(cores) as pool:
            return list(pool.map(work, waiting))


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _controller() -> ThreadpoolController:
    """Find the BLAS libraries once: it takes milliseconds."""
    return ThreadpoolController()

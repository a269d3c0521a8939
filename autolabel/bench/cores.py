"""Side by side: one process for each core, each with one BLAS thread."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

from autolabel.learning.threads import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")

PARENT_SECONDS = 2.0
"""How often a process looks whether its parent is still there."""


def on_every_core(work: Callable[[_Item], _Found], items: Sequence[_Item]) -> Iterator[tuple[_Item, _Found]]:
    """Yield items with what `work` makes of them, as they are finished; `work` is a module's function, for pickling."""
    cores = usable_cores()
    if cores < 2 or len(items) < 2:
        for item in items:
            yield item, work(item)
        return
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read by the processes when they load BLAS
    context = get_context("spawn")
    free = context.Queue()
    for core in sorted(os.sched_getaffinity(0)):
        free.put(core)
    with ProcessPoolExecutor(cores, mp_context=context, initializer=_take_core, initargs=(free, os.getpid())) as pool:
        running = {pool.submit(work, item): item for item in items}
        for future in as_completed(running):
            yield running[future], future.result()


def _take_core(free: Any, parent: int) -> None:
    """Stay on one core: the linear algebra of several runs side by side is faster than that of one on all cores."""
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    os.sched_setaffinity(0, {free.get()})


def _end_with_parent(parent: int) -> None:
    """A process whose parent was killed would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)

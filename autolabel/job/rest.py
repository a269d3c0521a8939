"""The rest: objects that neither the machine nor people have labeled, in batches that overlap, so that nobody idles."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from autolabel.job.finish import publish_batch
from autolabel.job.people import collect, publish
from autolabel.job.rounds import choose_rest
from autolabel.report.data import Purpose
from autolabel.selection.batch import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.job.run import Run

AHEAD = 1
"""Batches that are out beyond the one that people are at: the queue opens their objects as soon as there is room."""


def label_rest(run: Run, machine: NDArray[np.int64]) -> None:
    """Have people label what is left, in batches of MaxConcurrentTaskCount; files are written after each.

    A batch is consolidated when all of it is answered, but the next one is out before that: one slow worker holds up
    one object, not everybody. With the setting ``sets`` the next is out only then, as in the service.
    """
    ahead = 0 if run.settings.sets else AHEAD
    choose = partial(choose_rest if run.settings.sets else _choose_ahead, run, machine)
    pending: deque[tuple[str, int]] = deque()
    number = 1
    more = True
    while more or pending:
        while more and len(pending) <= ahead:
            name = f"rest-{number:03d}"
            batch = publish(run, name, Purpose.REST, choose)
            number += 1
            if batch is not None:
                pending.append((name, batch))
            else:
                asked = run.steps.stored(f"{name}.ask")
                more = asked is not None and bool(asked.result.get("spared"))
        if pending:
            collect(run, *pending.popleft())
            publish_batch(run)


def _choose_ahead(run: Run, machine: NDArray[np.int64]) -> Batch:
    """Choose as `choose_rest` does, beside what people are at already."""
    out = np.asarray(
        [row["object"] for row in run.store.rows("SELECT object FROM task WHERE closed IS NULL")], np.int64
    )
    left = np.setdiff1d(run.unlabeled(), np.concatenate((machine, out)))
    most = min(run.request.max_concurrent_tasks, run.budget().after(len(machine) + len(out)).people)
    return Batch(left[:most], np.empty(0, np.int64))

"""What a look is shown by: reliability, risk and coverage, confusion and the objects next to the threshold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.api.kinds import TaskKind
from autolabel.errors import ObjectError, StorageError
from autolabel.job.look import audit_losses
from autolabel.report.data import BoundaryItem, Decision

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from autolabel.job.look import Look
    from autolabel.job.run import Run
    from autolabel.quality.design import Frozen, Walk

BINS = 10
BOUNDARY = 12
"""Objects shown on either side of the threshold, of all walks together."""
THUMBNAIL = 160
TEXT_SHOWN = 400


def look_views(run: Run, look: Look) -> dict[str, Any]:
    """Members of `ReportData` that come from the audit, an unbiased sample of every region it was drawn from."""
    frozen, ranks = look.frozen(), look.audit_ranks
    views: dict[str, Any] = {"boundary": tuple(_boundary(run, look, frozen))}
    if not len(ranks):
        return views
    references = {
        row["object"]: json.loads(row["label"])
        for row in run.store.rows("SELECT object, label FROM label JOIN task USING (object) WHERE purpose = 'audit'")
    }
    losses, _ = audit_losses(run, frozen, ranks, references)
    weights = _weights(look.walks, frozen.predicted[ranks])
    views["reliability"] = tuple(_reliability(frozen.error_probability[ranks], losses))
    coverage = (ranks + 1) / len(frozen)
    risk = np.cumsum(weights * losses) / np.cumsum(weights)
    views["risk_coverage"] = tuple(zip(coverage.tolist(), risk.tolist(), strict=True))
    views["confusion"] = _confusion(run, frozen, ranks, references)
    return views


def _weights(walks: tuple[Walk, ...], predicted: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many objects each audited one stands for: classes are audited at rates of their own."""
    stands_for = {walk.predicted: walk.region / walk.audited for walk in walks if walk.audited}
    return np.asarray([stands_for.get(number, stands_for.get(None, 1.0)) for number in predicted.tolist()])


def _reliability(probability: NDArray[np.floating], wrong: NDArray[np.float64]) -> Iterator[tuple[float, float, int]]:
    """Bins of equal count over the audit, by predicted error probability."""
    order = np.argsort(probability, kind="stable")
    for part in np.array_split(order, min(BINS, len(order))):
        yield float(probability[part].mean()), float(wrong[part].mean()), len(part)


def _confusion(run: Run, frozen: Frozen, ranks: NDArray[np.int64], references: dict[int, Any]) -> NDArray[np.int64]:
    size = len(run.task.categories)
    table = np.zeros((size, size), np.int64)
    for number, guess in zip(frozen.objects[ranks].tolist(), frozen.predicted[ranks].tolist(), strict=True):
        if number in references:
            table[references[number], guess] += 1
    return table


def _boundary(run: Run, look: Look, frozen: Frozen) -> Iterator[BoundaryItem]:
    """The last objects that each walk trusted the machine with, and the first ones it did not."""
    labeled = np.zeros(len(frozen), np.bool_)
    labeled[look.machine_ranks()] = True
    walks = [walk for walk in look.walks if walk.region]
    share = -(-BOUNDARY // max(1, len(walks)))
    found: dict[Decision, list[int]] = {Decision.ACCEPTED: [], Decision.REJECTED: []}
    for walk in walks:
        own = np.arange(len(frozen)) if walk.predicted is None else np.flatnonzero(frozen.predicted == walk.predicted)
        accepted = own[labeled[own]]
        stop = walk.stop_rank if walk.machine_labeled else 0
        found[Decision.ACCEPTED] += accepted[-share:].tolist()
        found[Decision.REJECTED] += own[stop : stop + share].tolist()
    for decision, ranks in found.items():
        # Of many classes those with the largest and the smallest error probability are nearest to the threshold.
        nearest = sorted(ranks, reverse=decision is Decision.ACCEPTED)[:BOUNDARY]
        for rank in sorted(nearest):
            number = int(frozen.objects[rank])
            text, thumbnail = _shown(run, number)
            yield BoundaryItem(
                object=number,
                predicted=run.task.categories[int(frozen.predicted[rank])],
                error_probability=float(frozen.error_probability[rank]),
                decision=decision,
                text=text,
                thumbnail=thumbnail,
                human=_human_name(run, run.store.one("SELECT label FROM label WHERE object = ?", number)),
            )


def _human_name(run: Run, row: sqlite3.Row | None) -> str | None:
    return None if row is None else run.task.categories[json.loads(row["label"])]


def _shown(run: Run, number: int) -> tuple[str | None, bytes | None]:
    """Text, or a small JPEG; an object that cannot be read any more is shown by its reference."""
    source = run.manifest.source(number)
    if run.task.kind is TaskKind.TEXT_CLASSIFICATION:
        return source[:TEXT_SHOWN], None
    from autolabel.inference.thumbnail import thumbnail

    try:
        raw = run.sources.get(number)
        return None, thumbnail(raw if isinstance(raw, bytes) else raw.encode(), THUMBNAIL)
    except (ObjectError, StorageError):
        return source[:TEXT_SHOWN], None

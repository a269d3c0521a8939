"""What is known of the people who labeled: how much, how fast, how often they agree with what came of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from autolabel.job.gold import gold_of
from autolabel.job.settings import MICRO

if TYPE_CHECKING:
    from autolabel.job.run import Run

SUSPICIOUS_SECONDS = 0.3
"""An answer that took less cannot have been thought about: flagged, never refused."""


@dataclass(slots=True)
class WorkerRow:
    """One worker's part in a job."""

    name: str
    answers: int = 0
    declines: int = 0
    returned: int = 0
    expired: int = 0
    """Tasks that the worker took and let run out."""
    late: int = 0
    """Answers that came too late: kept, not counted, not paid."""
    revised: int = 0
    holding: int = 0
    """Tasks at hand now."""
    dollars: float = 0.0
    median_seconds: float | None = None
    hasty: int = 0
    """Answers in under 0.3 seconds."""
    shared: int = 0
    """Answers to objects that have a label, and not by this answer alone."""
    agreed: int = 0
    """Those of them that are the label."""
    gold: int = 0
    """Answers to objects whose truth is known."""
    gold_right: int = 0
    latest: str = ""
    """Date of the latest answer."""

    def to_json(self) -> dict[str, Any]:
        """All of it, with the share of agreement."""
        return {**asdict(self), "agreement": self.agreed / self.shared if self.shared else None}


def worker_rows(run: Run) -> list[WorkerRow]:
    """Gather a row for everybody who took or answered a task, most answers first."""
    rows: dict[str, WorkerRow] = {}

    def of(name: str) -> WorkerRow:
        return rows.setdefault(name, WorkerRow(name))

    _count_answers(run, of)
    for row in run.store.rows("SELECT worker, state, COUNT(*) AS n FROM lease GROUP BY worker, state"):
        worker = of(row["worker"])
        name = {"returned": "returned", "expired": "expired", "active": "holding"}.get(row["state"])
        if name is not None:
            setattr(worker, name, row["n"])
    for name, query in (
        ("late", "SELECT worker, COUNT(*) AS n FROM late_answer JOIN lease ON lease.id = lease GROUP BY worker"),
        ("revised", "SELECT worker, COUNT(*) AS n FROM revision JOIN lease ON lease.id = lease GROUP BY worker"),
        ("dollars", "SELECT worker, SUM(micro_usd) AS n FROM ledger WHERE kind = 'answer' GROUP BY worker"),
    ):
        for row in run.store.rows(query):
            setattr(of(row["worker"]), name, row["n"] / MICRO if name == "dollars" else row["n"])
    return sorted(rows.values(), key=lambda row: (-row.answers, row.name))


def _count_answers(run: Run, of: Any) -> None:
    spent: dict[str, list[float]] = {}
    truth = gold_of(run.folder)
    for row in run.store.stream(
        "SELECT object, answer.worker, answer.panel, answer.content, answer.seconds, answer.submitted, label.label,"
        " SUM(answer.panel = 1 AND answer.content IS NOT NULL) OVER (PARTITION BY object) AS makers"
        " FROM answer LEFT JOIN label USING (object)"
    ):
        worker = of(row["worker"])
        if row["content"] is None:
            worker.declines += 1
            continue
        worker.answers += 1
        worker.latest = max(worker.latest, row["submitted"])
        if row["seconds"] is not None:
            spent.setdefault(row["worker"], []).append(row["seconds"])
            worker.hasty += row["seconds"] < SUSPICIOUS_SECONDS
        if run.request.consolidation_lambda is not None:
            continue
        said = run.task.label_from_answer(json.loads(row["content"]))
        if row["label"] is not None and (row["panel"] == 2 or row["makers"] > 1):
            worker.shared += 1
            worker.agreed += said == json.loads(row["label"])
        if row["object"] in truth:
            worker.gold += 1
            worker.gold_right += said == truth[row["object"]]
    for name, seconds in spent.items():
        of(name).median_seconds = median(seconds)


def answers_by_minute(run: Run, minutes: int = 60) -> list[tuple[str, int]]:
    """Count the answers of each of the latest minutes in which there were any, oldest first."""
    rows = run.store.rows(
        "SELECT substr(at, 1, 16) AS minute, COUNT(*) AS n FROM event WHERE kind = 'task-submitted'"
        " GROUP BY 1 ORDER BY 1 DESC LIMIT ?",
        minutes,
    )
    return [(row["minute"], row["n"]) for row in reversed(rows)]


def batch_at_hand(run: Run) -> dict[str, Any] | None:
    """Describe the batch that people are at: objects, answers, places, live leases; ``None`` between two batches."""
    row = run.store.one(
        "SELECT COALESCE(again, batch) AS batch, COUNT(*) AS objects, SUM(IIF(again IS NULL, slots, again_slots))"
        " AS wanted, SUM((SELECT COUNT(*) FROM answer WHERE answer.object = task.object AND content IS NOT NULL"
        " AND panel = IIF(again IS NULL, 1, 2))) AS answers, SUM(busy) AS leases,"
        " SUM(opened IS NULL) AS queued, SUM(free = 0 AND busy = 0 OR declines >= slots) AS done,"
        " MIN(IIF(again IS NULL, purpose, 'repeat')) AS purpose"
        " FROM task WHERE frozen IS NULL GROUP BY 1 ORDER BY 1 LIMIT 1"
    )
    return None if row is None else dict(row)

"""Money: the ledger line by line, and its sums beside what people alone would have cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autolabel.job.settings import MICRO

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from autolabel.job.settings import PriceList
    from autolabel.job.store import JobStore

LINES_PER_WRITE = 10_000
HEADER = b"object,purpose,kind,worker,quantity,amount_usd\n"


@dataclass(frozen=True, slots=True)
class Cost:
    """Sums of one job, in millionths of a dollar; counts beside them."""

    answers: int
    answers_micro: int
    repeated: int
    """Answers of second panels, which are not among `answers`."""
    repeated_micro: int
    human_objects: int
    human_objects_micro: int
    machine_objects: int
    machine_micro: int
    compute_seconds: float
    compute_micro: int
    all_human_micro: int

    @property
    def human_micro(self) -> int:
        """Everything people cost."""
        return self.answers_micro + self.repeated_micro + self.human_objects_micro

    @property
    def total_micro(self) -> int:
        """Everything the job cost."""
        return self.human_micro + self.machine_micro + self.compute_micro

    def to_json(self) -> dict[str, float]:
        """Sums in dollars."""
        return {
            "human": self.human_micro / MICRO,
            "machine": self.machine_micro / MICRO,
            "compute": self.compute_micro / MICRO,
            "total": self.total_micro / MICRO,
            "all_human": self.all_human_micro / MICRO,
        }


def add_up(store: JobStore, prices: PriceList, *, workers: int, machine: int) -> Cost:
    """Sum the ledger; `machine` labels of this job are charged here, one price each.

    All-human is what the same delivered objects would have cost with `workers` answers each.
    """
    sums = {
        row["kind"]: (row["n"], row["micro"])
        for row in store.rows(
            "SELECT IIF(panel = 2, 'repeat', kind) AS kind, COUNT(*) AS n, COALESCE(SUM(micro_usd), 0) AS micro"
            " FROM ledger LEFT JOIN answer USING (object, worker) GROUP BY 1"
        )
    }
    answers, answers_micro = sums.get("answer", (0, 0))
    repeated, repeated_micro = sums.get("repeat", (0, 0))
    objects, objects_micro = sums.get("human-object", (0, 0))
    row = store.one("SELECT COALESCE(SUM(seconds), 0) AS seconds FROM step")
    seconds = float(row["seconds"]) if row else 0.0
    return Cost(
        answers=answers,
        answers_micro=answers_micro,
        repeated=repeated,
        repeated_micro=repeated_micro,
        human_objects=objects,
        human_objects_micro=objects_micro,
        machine_objects=machine,
        machine_micro=machine * prices.machine_object,
        compute_seconds=seconds,
        compute_micro=_compute_micro(seconds, prices),
        all_human_micro=(objects + machine) * prices.human_micro(workers),
    )


def ledger_lines(
    store: JobStore, prices: PriceList, machine: NDArray[np.int64], *, before: str | None = None
) -> Iterator[bytes]:
    """``ledger.csv``: people's answers and fees by object, then machine labels, then compute by step.

    `before` names the step that wrote the file: neither its own seconds nor later ones stand in it.
    """
    yield HEADER
    for row in store.stream(
        "SELECT ledger.*, IIF(panel = 2, 'repeat', task.purpose) AS purpose FROM ledger JOIN task USING (object)"
        " LEFT JOIN answer USING (object, worker) ORDER BY object, kind, worker"
    ):
        yield _line(row["object"], row["purpose"], row["kind"], row["worker"], 1, row["micro_usd"])
    behind_number = _line("", "machine", "machine-object", "", 1, prices.machine_object)
    for first in range(0, len(machine), LINES_PER_WRITE):
        numbers = machine[first : first + LINES_PER_WRITE].tolist()
        yield b"".join(b"%d%b" % (number, behind_number) for number in numbers)
    for row in store.stream(
        "SELECT name, seconds FROM step WHERE position <"
        " COALESCE((SELECT position FROM step WHERE name = ?), 1 << 62) ORDER BY position",
        before,
    ):
        micro = _compute_micro(row["seconds"], prices)
        yield _line("", "compute", "seconds", row["name"], round(row["seconds"], 6), micro)


def _compute_micro(seconds: float, prices: PriceList) -> int:
    return round(seconds * prices.compute_hour / 3600)


def _line(number: int | str, purpose: str, kind: str, worker: str, quantity: float, micro: int) -> bytes:
    """One CSV line; worker names come from outside, so formulas are disarmed and separators quoted."""
    if worker[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        worker = "'" + worker
    if any(sign in worker for sign in ',"\n\r'):
        worker = '"' + worker.replace('"', '""') + '"'
    return f"{number},{purpose},{kind},{worker},{quantity},{micro / MICRO:.6f}\n".encode()

"""Looking through machine labels on a grid: accept all but these.

Every page shows labels of one class, the least sure first, and among them a few *planted* cells: objects that the
machine gave another class. Whoever accepts those has not looked; how many were found says what the review is worth.
One row is stored for each cell, with its worker, time and price, as for any other answer. The job, its certificate and
its manifest stay what they are; a review writes a manifest of its own.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import AnswerError, JobError
from autolabel.job.clock import iso, parse
from autolabel.job.look import stored_look
from autolabel.job.output import additions_of
from autolabel.job.settings import MICRO
from autolabel.job.store import add_event, to_json
from autolabel.manifest.output import Splice, iso_micro, write_manifest
from autolabel.storage.durable import make_folder, write_atomically

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from datetime import datetime

    from autolabel.job.run import Run

PICTURES_A_PAGE = 24
TEXTS_A_PAGE = 10
PLANTED_SHARE = 0.08
LEAST_SECONDS_A_CELL = 0.1
"""Nobody looks at a cell in less: a page that comes back faster is not taken."""


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """A grid of cells that the machine gave one label."""

    id: int
    label: Any
    objects: tuple[int, ...]
    """Object of each cell."""
    planted: frozenset[int]
    """Cells that were planted; nobody who reviews is told."""


class Review:
    """The review of one job's machine labels by any number of people.

    Parameters
    ----------
    run
        A walk of the job, open in this process.
    page
        Cells on a page.

    Raises
    ------
    JobError
        The machine has labeled nothing.
    """

    def __init__(self, run: Run, *, page: int = PICTURES_A_PAGE) -> None:
        look = stored_look(run)
        objects, predicted, errors = look.machine_labels() if look is not None else (None, None, None)
        if objects is None or predicted is None or errors is None or not len(objects):
            raise JobError(f"{run.folder.root}: the machine has labeled nothing here, so there is nothing to review")
        self._run = run
        self._look = look
        self._size = page
        order = np.argsort(-errors, kind="stable")  # the least sure first
        self._objects, self._predicted = objects[order], predicted[order]

    def classes(self, tables: sqlite3.Connection, worker: str) -> list[dict[str, Any]]:
        """List every class that the machine gave: its label, and how many of it there are and `worker` has seen."""
        seen = self._seen(tables, worker)
        total = Counter(self._predicted.tolist())
        done = Counter(
            key for number, key in zip(self._objects.tolist(), self._predicted.tolist(), strict=True) if number in seen
        )
        return [
            {"label": self._run.predicted_label(key), "objects": total[key], "seen": done[key]} for key in sorted(total)
        ]

    def next_page(self, tables: sqlite3.Connection, now: datetime, worker: str, label: Any) -> ReviewPage | None:
        """Compose the next page of a class for a worker; ``None`` when he has seen all of it.

        A page that was shown and not handed in is shown again.
        """
        text = to_json(label)
        row = tables.execute(
            "SELECT * FROM review_page WHERE worker = ? AND label = ?"
            " AND NOT EXISTS (SELECT 1 FROM review WHERE page = review_page.id) ORDER BY id DESC LIMIT 1",
            (worker, text),
        ).fetchone()
        if row is not None:
            tables.execute("UPDATE review_page SET shown = ? WHERE id = ?", (iso(now), row["id"]))
            return _page(row)
        seen = self._seen(tables, worker)
        own = [number for number in self._objects[self._is(label)].tolist() if number not in seen]
        if not own:
            return None
        (pages,) = tables.execute("SELECT COUNT(*) FROM review_page").fetchone()
        rng = self._run.rng(f"review-{pages}")
        others = self._objects[~self._is(label)]
        count = int(rng.binomial(min(len(own), self._size), PLANTED_SHARE)) if len(others) else 0
        cells = own[: self._size - count]
        places = sorted(rng.choice(len(cells) + count, size=count, replace=False).tolist())
        strangers = rng.choice(others, size=min(count, len(others)), replace=False).tolist()
        for place, stranger in zip(places, strangers, strict=False):
            cells.insert(place, stranger)
        planted = places[: len(strangers)]
        (number,) = tables.execute(
            "INSERT INTO review_page (worker, label, objects, planted, shown) VALUES (?, ?, ?, ?, ?) RETURNING id",
            (worker, text, to_json(cells), to_json(planted), iso(now)),
        ).fetchone()
        return ReviewPage(number, label, tuple(cells), frozenset(planted))

    def page_of(self, tables: sqlite3.Connection, worker: str, page: int) -> ReviewPage | None:
        """Return a page that was shown to a worker."""
        row = tables.execute("SELECT * FROM review_page WHERE id = ? AND worker = ?", (page, worker)).fetchone()
        return None if row is None else _page(row)

    def hand_in(
        self,
        tables: sqlite3.Connection,
        now: datetime,
        worker: str,
        page: int,
        rejected: Mapping[int, Any],
        seconds: float,
    ) -> int:
        """Store what a worker says of a page: all is accepted but `rejected`, cell by cell with a label or ``None``.

        Handing a page in again replaces what was said of it. Returns the number of cells.

        Raises
        ------
        AnswerError
            No such page of this worker, cells that it does not have, or nobody can have looked at it.
        """
        row = tables.execute("SELECT * FROM review_page WHERE id = ? AND worker = ?", (page, worker)).fetchone()
        if row is None:
            raise AnswerError("this page is not yours, or there is no such page")
        shown = _page(row)
        if not set(rejected) <= set(range(len(shown.objects))):
            raise AnswerError(f"found the cells {sorted(rejected)}; the page has 0 to {len(shown.objects) - 1}")
        there = tables.execute("DELETE FROM review WHERE page = ?", (page,)).rowcount
        passed = (now - parse(row["shown"])).total_seconds()
        if not there and passed < LEAST_SECONDS_A_CELL * len(shown.objects):
            raise AnswerError("that was faster than anybody can look; please look at every cell")
        each = round(min(max(seconds, 0.0), passed) / len(shown.objects), 3)
        tables.executemany(
            "INSERT INTO review (page, cell, object, worker, planted, accepted, label, seconds, micro_usd, submitted)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    page,
                    cell,
                    number,
                    worker,
                    cell in shown.planted,
                    cell not in rejected,
                    to_json(rejected[cell]) if rejected.get(cell) is not None else None,
                    each,
                    self._run.prices.answer,
                    iso(now),
                )
                for cell, number in enumerate(shown.objects)
            ],
        )
        add_event(tables, iso(now), "review-revised" if there else "review", page=page, worker=worker)
        return len(shown.objects)

    def summary(self) -> dict[str, Any]:
        """Say what the review has found so far."""
        verdicts = self._verdicts()
        rows = self._run.store.rows("SELECT * FROM review")
        planted = [row for row in rows if row["planted"]]
        real = [row for row in rows if not row["planted"]]
        return {
            "machine_labels": len(self._objects),
            "reviewed": len(verdicts),
            "rejected": sum(verdict is not None for verdict in verdicts.values()),
            "corrected": sum(verdict is not None and verdict[0] is not None for verdict in verdicts.values()),
            "planted": len(planted),
            "planted_found": sum(not row["accepted"] for row in planted),
            "answers": len(real),
            "dollars": sum(row["micro_usd"] for row in rows) / MICRO,
            "seconds": round(sum(row["seconds"] for row in rows), 3),
            "workers": sorted({row["worker"] for row in rows}),
        }

    def write(self) -> dict[str, Any]:
        """Write the reviewed manifest and what the review found; return the latter.

        A rejected label is replaced by the reviewers' own, or taken out: a job that is chained on the manifest asks
        people about exactly those objects.
        """
        run = self._run
        additions = additions_of(run, self._look)
        created = iso_micro(run.clock.now())
        for number, verdict in self._verdicts().items():
            if verdict is None:
                continue
            (label,) = verdict
            if label is None:
                additions.which[number] = 0
                continue
            fields = run.task.manifest_fields(
                run.request.label_attribute,
                label,
                confidence=0.0,
                human=True,
                job_name=run.request.name,
                created=created,
            )
            additions.which[number] = additions.add(Splice(fields))
        path = run.folder.review_manifest
        make_folder(path.parent)
        digest = write_manifest(path, run.manifest, additions)
        facts = {**self.summary(), "manifest": str(path), "sha256": digest}
        write_atomically(run.folder.review, json.dumps(facts, ensure_ascii=False, indent=1).encode() + b"\n")
        return facts

    def _verdicts(self) -> dict[int, tuple[Any] | None]:
        """Say of every reviewed object: ``None`` where it is right, else the right label, ``None`` when nobody said it.

        The majority of reviewers decides, and a tie is a doubt, hence a rejection.
        """
        votes: dict[int, list[tuple[int, str | None]]] = defaultdict(list)
        for row in self._run.store.rows(
            "SELECT object, accepted, label FROM review WHERE NOT planted ORDER BY page, cell"
        ):
            votes[row["object"]].append((row["accepted"], row["label"]))
        found: dict[int, tuple[Any] | None] = {}
        for number, given in votes.items():
            if 2 * sum(accepted for accepted, _ in given) > len(given):
                found[number] = None
                continue
            named = Counter(label for accepted, label in given if not accepted and label is not None)
            found[number] = (json.loads(named.most_common(1)[0][0]) if named else None,)
        return found

    def _is(self, label: Any) -> Any:
        keys = [key for key in np.unique(self._predicted).tolist() if self._run.predicted_label(key) == label]
        return np.isin(self._predicted, keys)

    @staticmethod
    def _seen(tables: sqlite3.Connection, worker: str) -> set[int]:
        rows = tables.execute("SELECT object FROM review WHERE worker = ? AND NOT planted", (worker,))
        return {row[0] for row in rows}


def _page(row: sqlite3.Row) -> ReviewPage:
    return ReviewPage(
        row["id"], json.loads(row["label"]), tuple(json.loads(row["objects"])), frozenset(json.loads(row["planted"]))
    )

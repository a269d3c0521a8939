"""Work that is done once: a step's result is stored with a chained hash of all that went before it.

Running a job again, after a crash or after days of waiting for people, walks the same steps; those that are stored
return what they found the first time. A step that was cut short left nothing behind but, perhaps, a file of arrays
that the next try writes again with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import JobCorruptError
from autolabel.job.clock import iso
from autolabel.job.store import add_event, to_json
from autolabel.storage.durable import write_atomically

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from autolabel.job.clock import Clock
    from autolabel.job.folder import JobFolder
    from autolabel.job.store import JobStore


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What a step leaves behind."""

    result: dict[str, Any]
    """JSON."""
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Written to one safetensors file."""
    rows: Callable[[sqlite3.Connection], None] | None = None
    """Changes of the tables, made in the transaction that stores the result."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A stored step."""

    name: str
    result: dict[str, Any]
    seconds: float
    _folder: JobFolder
    _arrays_sha256: str | None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Read the step's arrays; `JobCorruptError` when the file is not the one that was stored."""
        if self._arrays_sha256 is None:
            return {}
        from safetensors.numpy import load

        path = self._folder.step_arrays(self.name)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            msg = f"{path}: the arrays of step {self.name!r} are gone"
            raise JobCorruptError(msg) from None
        if hashlib.sha256(data).hexdigest() != self._arrays_sha256:
            msg = f"{path}: not the bytes that step {self.name!r} stored"
            raise JobCorruptError(msg)
        found: dict[str, NDArray[Any]] = load(data)
        return found

    @property
    def arrays_sha256(self) -> str:
        """The hash of the step's arrays; empty when it has none."""
        return self._arrays_sha256 or ""


class Steps:
    """The steps of one job, walked in order."""

    def __init__(self, store: JobStore, folder: JobFolder, clock: Clock) -> None:
        self._store = store
        self._folder = folder
        self._clock = clock
        self._chain = ""
        self._position = 0

    def run(self, name: str, work: Callable[[], StepOutput]) -> StepRecord:
        """Return the stored result of step `name`, or do `work` and store it."""
        stored = self._store.one("SELECT * FROM step WHERE name = ?", name)
        if stored is None:
            self._do(name, work)
            stored = self._store.one("SELECT * FROM step WHERE name = ?", name)
        if stored is None or stored["inputs"] != self._chain or stored["position"] != self._position:
            msg = f"step {name!r} does not follow from the steps before it; the job folder was changed by hand"
            raise JobCorruptError(msg)
        self._advance(name, stored["result"], stored["arrays"])
        return self._record(stored)

    def stored(self, name: str) -> StepRecord | None:
        """Return step `name` if it is stored, wherever the walk stands."""
        row = self._store.one("SELECT * FROM step WHERE name = ?", name)
        return None if row is None else self._record(row)

    def known(self, name: str) -> bool:
        """Whether step `name` is stored."""
        return self.stored(name) is not None

    def skip_to(self, name: str) -> None:
        """Go past every stored step before `name`, or past all of them, without asking what they were."""
        for row in self._store.rows("SELECT name, result, arrays FROM step ORDER BY position"):
            if row["name"] == name:
                return
            self._advance(row["name"], row["result"], row["arrays"])

    def count_before(self, prefix: str, name: str) -> int:
        """Count the stored steps whose name begins with `prefix` and that come before step `name`, if it is there."""
        rows = self._store.rows("SELECT name FROM step ORDER BY position")
        names = [row["name"] for row in rows]
        until = names.index(name) if name in names else len(names)
        return sum(found.startswith(prefix) for found in names[:until])

    def _record(self, row: sqlite3.Row) -> StepRecord:
        return StepRecord(row["name"], json.loads(row["result"]), row["seconds"], self._folder, row["arrays"])

    def _do(self, name: str, work: Callable[[], StepOutput]) -> None:
        begun = self._clock.seconds()
        output = work()
        arrays_sha256 = self._write_arrays(name, output.arrays)
        seconds = self._clock.seconds() - begun
        at = iso(self._clock.now())
        with self._store.transaction() as connection:
            if output.rows is not None:
                output.rows(connection)
            connection.execute(
                "INSERT INTO step (position, name, inputs, result, arrays, seconds, finished)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self._position, name, self._chain, to_json(output.result), arrays_sha256, seconds, at),
            )
            add_event(connection, at, "step", name=name)

    def _write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> str | None:
        if not arrays:
            return None
        from safetensors.numpy import save

        data = save({key: np.ascontiguousarray(array) for key, array in arrays.items()})
        path = self._folder.step_arrays(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
        return hashlib.sha256(data).hexdigest()

    def _advance(self, name: str, result: str, arrays: str | None) -> None:
        text = "\n".join((self._chain, name, result, arrays or ""))
        self._chain = hashlib.sha256(text.encode()).hexdigest()
        self._position += 1

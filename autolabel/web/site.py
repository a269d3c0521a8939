"""What all pages of one job share: the job, its desk, its doors, and how an object is shown."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autolabel.api.kinds import TaskKind
from autolabel.errors import ObjectError, StorageError
from autolabel.web.pictures import browser_copy
from autolabel.web.replies import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from autolabel.job.desk import Desk
    from autolabel.job.job import LabelingJob
    from autolabel.web.doors import Doors
    from autolabel.workforce.leases import Lease


@dataclass
class Site:
    """One job's site."""

    job: LabelingJob
    desk: Desk
    doors: Doors
    has_template: bool = False
    """Whether tasks are shown by a template of the job's own."""
    phase: Callable[[], str] = str
    """Says what the machine is doing."""
    finished: threading.Event = field(default_factory=threading.Event)
    """Set when the job has ended; people are told so."""

    @property
    def is_text(self) -> bool:
        """Whether the objects are texts; else pictures."""
        return self.job.task.kind is TaskKind.TEXT_CLASSIFICATION

    def shown(self, lease: Lease) -> dict[str, Any]:
        """Build what the page needs to show one object."""
        task: dict[str, Any] = {"lease": lease.id, "seconds_left": self.desk.seconds_left(lease)}
        if lease.guess is not None:
            task["guess"] = self.job.task.categories[lease.guess]
        return task | self.object(lease.object, lease.id)

    def object(self, number: int, lease: int) -> dict[str, Any]:
        """Build what is to be seen of an object: its text, or the address of its picture or of its own page."""
        if self.has_template:
            return {"frame": f"/frame/{lease}"}
        if self.is_text:
            return {"text": self.job.manifest.source(number)}
        return {"picture": f"/api/pictures/{lease}"}

    async def picture(self, number: int) -> tuple[bytes, str]:
        """Read an object's picture for a browser, and its content type; `RefusedError` when it cannot be shown."""
        return await asyncio.to_thread(self._picture, number)

    def _picture(self, number: int) -> tuple[bytes, str]:
        try:
            raw = self.job.sources.get(number)
            return browser_copy(raw if isinstance(raw, bytes) else raw.encode())
        except ObjectError as error:
            raise RefusedError(422, f"this picture cannot be shown: {error}") from error
        except StorageError as error:
            raise RefusedError(503, "this picture cannot be read now; try again") from error

    @property
    def state(self) -> str:
        """Say why somebody may have nothing to do: ``working``, ``learning`` or ``finished``."""
        if self.finished.is_set():
            return "finished"
        return "learning" if self.desk.is_walking else "working"


async def settled(future: Future[Any]) -> Any:
    """Wait for the desk; `RefusedError` 503 when it cannot store anything."""
    try:
        return await asyncio.wrap_future(future)
    except StorageError as error:
        raise RefusedError(
            503, "nothing can be stored now; keep this page open, what you answered is kept in it"
        ) from error

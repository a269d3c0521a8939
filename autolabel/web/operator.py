"""The operator's page: how far the job is, what it costs, who works; invite, remove, stop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from starlette.routing import Route

from autolabel.errors import SettingsError
from autolabel.job.workers import answers_by_minute, batch_at_hand, worker_rows
from autolabel.storage.durable import write_atomically
from autolabel.web.replies import RefusedError, read_as, reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from autolabel.web.site import Site

FRESH_SECONDS = 1.5
"""How long what was counted is shown again: many open pages cost as much as one."""
WORKERS_FRESH_SECONDS = 10.0
"""The same for the table of workers, which reads every answer."""


class _Key(msgspec.Struct, forbid_unknown_fields=True):
    key: Annotated[str, msgspec.Meta(max_length=200)]


class _Name(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(max_length=200)]


class Operating:
    """The part of the site that the operator uses."""

    def __init__(self, site: Site, origin: str) -> None:
        self._site = site
        self._origin = origin
        self._seen: dict[str, tuple[float, Any]] = {}
        self._counting = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return the addresses of this part."""
        return [
            Route("/api/operator", self.enter, methods=["POST"]),
            Route("/api/progress", self.progress, methods=["GET"]),
            Route("/api/invitations", self.invite, methods=["POST"]),
            Route("/api/removals", self.remove, methods=["POST"]),
            Route("/api/stop", self.stop, methods=["POST"]),
        ]

    async def enter(self, request: Request) -> Response:
        """Let the operator in."""
        given = await read_as(request, _Key)
        if not self._site.doors.is_key(given.key):
            raise RefusedError(401, "this key is not valid; the command printed the right link")
        response = reply({})
        self._site.doors.sign_in_operator(response, given.key)
        return response

    async def progress(self, request: Request) -> Response:
        """Say how the job stands."""
        self._site.doors.operator(request)
        async with self._counting:
            facts = await self._counted("facts", FRESH_SECONDS, self._facts)
            workers = await self._counted("workers", WORKERS_FRESH_SECONDS, self._workers)
        return reply({**facts, "workers": workers, "state": self._site.state})

    async def invite(self, request: Request) -> Response:
        """Invite somebody; the link is in the answer and nowhere else."""
        self._site.doors.operator(request)
        name = (await read_as(request, _Name)).name.strip()
        try:
            (token,) = (await asyncio.to_thread(self._site.doors.team.invite, [name])).values()
        except SettingsError as error:
            raise RefusedError(422, str(error)) from error
        self._seen.pop("workers", None)
        return reply({"name": name, "link": f"{self._origin}/join#{token}"})

    async def remove(self, request: Request) -> Response:
        """Take somebody out of the team; what he has at hand goes to others."""
        self._site.doors.operator(request)
        name = (await read_as(request, _Name)).name
        try:
            await asyncio.to_thread(self._site.doors.team.remove, [name])
        except SettingsError as error:
            raise RefusedError(422, str(error)) from error
        self._seen.pop("workers", None)
        return reply({"name": name})

    async def stop(self, request: Request) -> Response:
        """Stop the job before its next step; everything so far is written."""
        self._site.doors.operator(request)
        await asyncio.to_thread(write_atomically, self._site.job.folder.stop_flag, b"")
        return reply({})

    async def _counted(self, name: str, fresh: float, count: Any) -> Any:
        seen = self._seen.get(name)
        if seen is None or time.monotonic() - seen[0] > fresh:
            seen = self._seen[name] = (time.monotonic(), await asyncio.to_thread(count))
        return seen[1]

    def _facts(self) -> dict[str, Any]:
        job = self._site.job
        run = job.walk()
        summary, plan = job.summary(), job.plan()
        return {
            "name": job.request.name,
            "title": job.request.task_title,
            "status": summary["status"],
            "failure_reason": summary["failure_reason"],
            "counters": summary["counters"],
            "human_labels": summary["human_labels"],
            "cost": summary["cost"],
            "guesses": summary["guesses"],
            "certificate": (summary["certificate"] or {}).get("sentence"),
            "objects": plan["objects"],
            "forecast": plan["forecast"],
            "rounds": len(plan["rounds"]),
            "error": plan["error"],
            "confidence": plan["confidence"],
            "automated": job.request.automated,
            "needed": job.settings.people_an_object(job.request.workers_per_object),
            "answers": summary["answers"],
            "batch": batch_at_hand(run),
            "pace": answers_by_minute(run),
            "phase": self._site.phase(),
        }

    def _workers(self) -> list[dict[str, Any]]:
        rows = {row.name: row.to_json() for row in worker_rows(self._site.job.walk())}
        invited = {worker.name: worker for worker in self._site.doors.team.workers}
        for name in invited.keys() - rows.keys():
            rows[name] = {"name": name, "answers": 0}
        return [
            {**row, "invited": name in invited, "sessions": len(invited[name].sessions) if name in invited else 0}
            for name, row in rows.items()
        ]

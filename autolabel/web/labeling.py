"""What the labeling page asks for: a session, tasks, and a place to send answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from autolabel.job.desk import Submission
from autolabel.web.replies import RefusedError, read_as, reply
from autolabel.web.site import settled
from autolabel.workforce.leases import Verdict

if TYPE_CHECKING:
    from starlette.requests import Request

    from autolabel.web.site import Site
    from autolabel.workforce.leases import Lease, Receipt

LONGEST_REASON = 1_000
MOST_AT_ONCE = 8
"""Tasks that one request may ask for, and leases that it may name."""
STATUS = {Verdict.LATE: 410, Verdict.REFUSED: 409}
"""Status of an answer that does not stand; all others are 200."""

Want = Annotated[int, msgspec.Meta(ge=0, le=MOST_AT_ONCE)]
LeaseId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Have = Annotated[list[LeaseId], msgspec.Meta(max_length=MOST_AT_ONCE)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class _Invitation(msgspec.Struct, forbid_unknown_fields=True):
    invitation: Annotated[str, msgspec.Meta(max_length=200)]


class _Taking(msgspec.Struct, forbid_unknown_fields=True):
    want: Want = 0
    have: Have = []


class _Answering(_Taking, forbid_unknown_fields=True, kw_only=True):
    lease: LeaseId
    content: dict[str, Any]
    seconds: Seconds | None = None
    guess_seen: bool = False


class _Declining(_Taking, forbid_unknown_fields=True, kw_only=True):
    lease: LeaseId
    reason: Annotated[str, msgspec.Meta(max_length=LONGEST_REASON)] = ""


class _Returning(_Taking, forbid_unknown_fields=True, kw_only=True):
    leases: Have


class Labeling:
    """The part of the site that workers use."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the addresses of this part."""
        return [
            Route("/api/session", self.join, methods=["POST"]),
            Route("/api/session", self.leave, methods=["DELETE"]),
            Route("/api/job", self.job, methods=["GET"]),
            Route("/api/tasks", self.take, methods=["POST"]),
            Route("/api/answers", self.answer, methods=["POST"]),
            Route("/api/declines", self.decline, methods=["POST"]),
            Route("/api/returns", self.give_back, methods=["POST"]),
            Route("/api/recent", self.recent, methods=["GET"]),
            Route("/api/pictures/{lease:int}", self.picture, methods=["GET"]),
        ]

    async def join(self, request: Request) -> Response:
        """Turn an invitation into a session."""
        given = await read_as(request, _Invitation)
        joined = self._site.doors.team.join(given.invitation)
        if joined is None:
            raise RefusedError(401, "this invitation is not valid, or not any more; ask for a new one")
        name, session = joined
        response = reply({"worker": name})
        self._site.doors.sign_in(response, session)
        return response

    async def leave(self, request: Request) -> Response:
        """End a session."""
        response = reply({})
        self._site.doors.sign_out(request, response)
        return response

    async def job(self, request: Request) -> Response:
        """Say what is asked, in whose name."""
        worker = self._site.doors.worker(request)
        job = self._site.job
        return reply(
            {
                "worker": worker,
                "name": job.request.name,
                "title": job.request.task_title,
                "description": job.request.task_description,
                "shows": self._shows(),
                "element": "" if self._site.has_template else next(iter(job.task.answer_from_label(0))),
                "categories": job.task.categories,
                "time_limit": job.request.task_time_limit_seconds,
                "guesses": job.settings.guesses,
                "revisable": self._site.desk.rules.revisable,
            }
        )

    async def take(self, request: Request) -> Response:
        """Lend tasks."""
        worker = self._site.doors.worker(request)
        asked = await read_as(request, _Taking)
        leases = await settled(self._site.desk.take(worker, want=asked.want, have=asked.have))
        return reply(self._tasks(leases))

    async def answer(self, request: Request) -> Response:
        """Take an answer, and lend the next tasks in the same breath."""
        worker = self._site.doors.worker(request)
        asked = await read_as(request, _Answering)
        submission = Submission(asked.lease, asked.content, asked.seconds, asked.guess_seen)
        receipt, leases = await settled(self._site.desk.exchange(worker, submission, want=asked.want, have=asked.have))
        return self._receipt(receipt, leases)

    async def decline(self, request: Request) -> Response:
        """Note that a worker does not want an object."""
        worker = self._site.doors.worker(request)
        asked = await read_as(request, _Declining)
        receipt = await settled(self._site.desk.decline(worker, asked.lease, asked.reason.strip()))
        leases = await settled(self._site.desk.take(worker, want=asked.want, have=asked.have)) if asked.want else []
        return self._receipt(receipt, leases)

    async def give_back(self, request: Request) -> Response:
        """Return tasks unanswered."""
        worker = self._site.doors.worker(request)
        asked = await read_as(request, _Returning)
        count = await settled(self._site.desk.give_back(worker, asked.leases))
        leases = await settled(self._site.desk.take(worker, want=asked.want, have=asked.have)) if asked.want else []
        return reply({"returned": count, **self._tasks(leases)})

    async def recent(self, request: Request) -> Response:
        """List the answers that the worker may still change."""
        worker = self._site.doors.worker(request)
        found = await settled(self._site.desk.recent(worker))
        return reply(
            {
                "answers": [
                    {"lease": each["lease"], "content": each["content"]}
                    | self._site.object(each["object"], each["lease"])
                    for each in found
                ]
            }
        )

    async def picture(self, request: Request) -> Response:
        """Show the picture of an object that the worker has at hand; nobody else's, and no other."""
        worker = self._site.doors.worker(request)
        number = await settled(self._site.desk.held(worker, request.path_params["lease"]))
        if number is None or self._site.is_text:
            raise RefusedError(404, "there is no such picture among your tasks")
        data, kind = await self._site.picture(number)
        return Response(data, media_type=kind, headers={"content-disposition": "inline"})

    def _shows(self) -> str:
        if self._site.has_template:
            return "frame"
        return "text" if self._site.is_text else "picture"

    def _receipt(self, receipt: Receipt, leases: list[Lease]) -> Response:
        facts = {"verdict": receipt.verdict.value, "message": receipt.message, **self._tasks(leases)}
        return reply(facts, STATUS.get(receipt.verdict, 200))

    def _tasks(self, leases: list[Lease]) -> dict[str, Any]:
        return {"tasks": [self._site.shown(lease) for lease in leases], "state": self._site.state}

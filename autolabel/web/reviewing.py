"""The grid on which machine labels are looked through: for operators only, because it shows what the machine thinks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from autolabel.errors import AnswerError
from autolabel.web.replies import RefusedError, read_as, reply
from autolabel.web.site import settled

if TYPE_CHECKING:
    from starlette.requests import Request

    from autolabel.job.review import Review, ReviewPage
    from autolabel.web.site import Site


class _Page(msgspec.Struct, forbid_unknown_fields=True):
    category: str


class _HandIn(msgspec.Struct, forbid_unknown_fields=True):
    page: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    rejected: dict[Annotated[int, msgspec.Meta(ge=0, le=1_000)], str | None]
    """Cells that are wrong, with the right category or null."""
    seconds: Annotated[float, msgspec.Meta(ge=0)]


class Reviewing:
    """The part of the site that a reviewer uses.

    Parameters
    ----------
    reviewer
        In whose name pages are handed in.
    """

    def __init__(self, site: Site, review: Review, reviewer: str) -> None:
        self._site = site
        self._review = review
        self._reviewer = reviewer
        self._label_of = {name: label for label, name in enumerate(site.job.task.categories)}

    def routes(self) -> list[Route]:
        """Return the addresses of this part."""
        return [
            Route("/api/review", self.overview, methods=["GET"]),
            Route("/api/review/pages", self.next_page, methods=["POST"]),
            Route("/api/review/verdicts", self.hand_in, methods=["POST"]),
            Route("/api/review/finish", self.finish, methods=["POST"]),
            Route("/api/review/pictures/{page:int}/{cell:int}", self.picture, methods=["GET"]),
        ]

    async def overview(self, request: Request) -> Response:
        """List the classes, and what was found so far."""
        self._site.doors.operator(request)
        classes = await settled(self._site.desk.look(lambda tables, _now: self._review.classes(tables, self._reviewer)))
        return reply(
            {
                "name": self._site.job.request.name,
                "reviewer": self._reviewer,
                "shows": "text" if self._site.is_text else "picture",
                "categories": self._site.job.task.categories,
                "classes": [
                    {
                        "category": self._site.job.task.categories[each["label"]],
                        "objects": each["objects"],
                        "seen": each["seen"],
                    }
                    for each in classes
                ],
                "summary": await asyncio.to_thread(self._review.summary),
            }
        )

    async def next_page(self, request: Request) -> Response:
        """Show the next page of a class."""
        self._site.doors.operator(request)
        label = self._label((await read_as(request, _Page)).category)
        page = await settled(
            self._site.desk.look(lambda tables, now: self._review.next_page(tables, now, self._reviewer, label))
        )
        return reply({"page": None} if page is None else self._shown(page))

    async def hand_in(self, request: Request) -> Response:
        """Take a page: all is right but what is named."""
        self._site.doors.operator(request)
        given = await read_as(request, _HandIn)
        rejected = {cell: None if name is None else self._label(name) for cell, name in given.rejected.items()}
        try:
            count = await settled(
                self._site.desk.look(
                    lambda tables, now: self._review.hand_in(
                        tables, now, self._reviewer, given.page, rejected, given.seconds
                    )
                )
            )
        except AnswerError as error:
            raise RefusedError(409, str(error)) from error
        return reply({"cells": count})

    async def finish(self, request: Request) -> Response:
        """Write what was found."""
        self._site.doors.operator(request)
        return reply(await asyncio.to_thread(self._review.write))

    async def picture(self, request: Request) -> Response:
        """Show the picture of one cell of a page."""
        self._site.doors.operator(request)
        number, cell = request.path_params["page"], request.path_params["cell"]
        page: ReviewPage | None = await settled(
            self._site.desk.look(lambda tables, _now: self._review.page_of(tables, self._reviewer, number))
        )
        if page is None or cell >= len(page.objects) or self._site.is_text:
            raise RefusedError(404, "there is no such picture on your pages")
        data, kind = await self._site.picture(page.objects[cell])
        return Response(data, media_type=kind)

    def _label(self, name: str) -> Any:
        if name not in self._label_of:
            raise RefusedError(422, f"found the category {name!r:.80}; expected one of the job's")
        return self._label_of[name]

    def _shown(self, page: ReviewPage) -> dict[str, Any]:
        cells = [
            {"text": self._site.job.manifest.source(number)}
            if self._site.is_text
            else {"picture": f"/api/review/pictures/{page.id}/{place}"}
            for place, number in enumerate(page.objects)
        ]
        return {"page": page.id, "category": self._site.job.task.categories[page.label], "cells": cells}

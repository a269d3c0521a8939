"""Worker pages from templates: foreign HTML in a sandboxed frame that can reach nothing but its parent, by messages.

The frame's origin is nobody's, so that it has no cookies and no storage; its policy lets it load our own elements and
pictures that it was granted, and connect to nothing. What it may load is signed for an hour, like a presigned S3 URL.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from autolabel.errors import InvalidRequestError, ObjectError, StorageError
from autolabel.job.people import task_input
from autolabel.storage.objects import object_reader
from autolabel.tasks.liquid import WorkerTemplate
from autolabel.web.pages import static_version
from autolabel.web.pictures import browser_copy
from autolabel.web.replies import RefusedError
from autolabel.web.site import settled

if TYPE_CHECKING:
    from starlette.requests import Request

    from autolabel.job.job import LabelingJob
    from autolabel.web.site import Site

GRANTED_SECONDS = 3_600
FRAME_POLICY = (
    "sandbox allow-scripts allow-forms; default-src 'none'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'"
)


class Frames:
    """Renders a job's template for the tasks of its workers.

    Raises
    ------
    InvalidRequestError
        The template cannot be used.
    """

    def __init__(self, site: Site, template: str) -> None:
        self._site = site
        self._secret = secrets.token_bytes(32)
        self._template = WorkerTemplate(template, self.grant, elements=f"/static/{static_version()}/crowd.js")
        self._objects = object_reader(site.job.storage_options, root=site.job.settings.root)

    def routes(self) -> list[Route]:
        """Return the addresses of this part."""
        return [
            Route("/frame/{lease:int}", self.frame, methods=["GET"]),
            Route("/granted/{token}", self.granted, methods=["GET"]),
        ]

    def grant(self, uri: str) -> str:
        """Return an address under which the object of a URI can be loaded for an hour: ``grant_read_access``."""
        body = f"{int(time.time()) + GRANTED_SECONDS} {uri}".encode()
        signature = hmac.digest(self._secret, body, hashlib.sha256)
        return "/granted/" + base64.urlsafe_b64encode(signature + body).decode().rstrip("=")

    async def frame(self, request: Request) -> Response:
        """Show a worker the template's page of an object that he has at hand."""
        worker = self._site.doors.worker(request)
        number = await settled(self._site.desk.held(worker, request.path_params["lease"]))
        if number is None:
            raise RefusedError(404, "there is no such task among yours")
        page = await asyncio.to_thread(self._render, number)
        return HTMLResponse(page, headers={"content-security-policy": FRAME_POLICY})

    async def granted(self, request: Request) -> Response:
        """Show what a template was granted."""
        uri = self._opened(request.path_params["token"])
        data, kind = await asyncio.to_thread(self._read, uri)
        return Response(data, media_type=kind, headers={"cross-origin-resource-policy": "cross-origin"})

    def _render(self, number: int) -> str:
        run = self._site.job.walk()
        row = run.store.one("SELECT object, input FROM task WHERE object = ?", number)
        if row is None:
            raise RefusedError(404, "nobody was asked about this object")
        try:
            page = self._template.render(task_input(run, row))
        except InvalidRequestError as error:
            raise RefusedError(500, str(error)) from error
        return f'<!DOCTYPE html>\n<meta charset="utf-8">\n{page}'

    def _opened(self, token: str) -> str:
        """Return the URI of an address that was granted and still is."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            signature, body = raw[:32], raw[32:]
            if not hmac.compare_digest(signature, hmac.digest(self._secret, body, hashlib.sha256)):
                raise ValueError("not signed here")  # noqa: TRY301 - told with the others
            until, _, uri = body.decode().partition(" ")
        except ValueError:
            raise RefusedError(404, "there is no such address") from None
        if time.time() > int(until):
            raise RefusedError(410, "this address was granted for a while only; load the task again")
        return uri

    def _read(self, uri: str) -> tuple[bytes, str]:
        try:
            return browser_copy(self._objects.get(uri))
        except ObjectError as error:
            raise RefusedError(422, f"this picture cannot be shown: {error}") from error
        except StorageError as error:
            raise RefusedError(503, "this picture cannot be read now; try again") from error


def template_of(job: LabelingJob, *, wanted: bool) -> str | None:
    """Read the template that a job keeps, if it has one and it is wanted."""
    path = job.folder.template
    text: str | None = path.read_text(encoding="utf-8") if wanted and path.is_file() else None
    return text

"""The pages themselves and the files that they load; nothing comes from anywhere else."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from autolabel.web.replies import RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request

    from autolabel.web.site import Site

KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
WORK_MODULES = (
    "work.js",
    "client.js",
    "choices.js",
    "notices.js",
    "outbox.js",
    "stage.js",
    "stopwatch.js",
    "theme.js",
)
REVIEW_MODULES = ("review.js", "client.js", "choices.js", "notices.js", "stopwatch.js", "theme.js")
OPERATOR_MODULES = ("operator.js", "client.js", "notices.js", "theme.js")
"""Each page's own script and those that it imports, which the browser fetches beside it."""
FOREVER = "public, max-age=31536000, immutable"


class Pages:
    """Serves HTML shells, which hold nothing of the job but its title, and static files by their content's name."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the addresses of this part."""
        return [
            Route("/", self.work, methods=["GET"]),
            Route("/join", self.work, methods=["GET"]),
            Route("/operator", self.operator, methods=["GET"]),
            Route("/review", self.review, methods=["GET"]),
            Route("/static/{version}/{name}", self.static, methods=["GET"]),
        ]

    async def work(self, _request: Request) -> Response:
        """Show the labeling page."""
        return self._page("work.html", WORK_MODULES)

    async def operator(self, _request: Request) -> Response:
        """Show the operator's page."""
        return self._page("operator.html", OPERATOR_MODULES)

    async def review(self, _request: Request) -> Response:
        """Show the grid of machine labels."""
        return self._page("review.html", REVIEW_MODULES)

    async def static(self, request: Request) -> Response:
        """Send a file of the package; only names that the package has are known."""
        name = request.path_params["name"]
        found = static_files().get(name)
        if found is None or request.path_params["version"] != static_version():
            raise RefusedError(404, "there is no such file")
        kind = KINDS["." + name.rpartition(".")[2]]
        headers = {
            "cache-control": FOREVER,
            "cross-origin-resource-policy": "cross-origin",
            "access-control-allow-origin": "*",
        }
        return Response(found, media_type=None, headers={"content-type": kind, **headers})

    def _page(self, name: str, modules: tuple[str, ...]) -> Response:
        page = _environment().get_template(name)
        title = self._site.job.request.task_title
        return HTMLResponse(page.render(title=title, static=f"/static/{static_version()}", modules=modules))


@cache
def static_files() -> dict[str, bytes]:
    """Return the package's static files by name."""
    folder = files("autolabel.web") / "static"
    return {
        entry.name: entry.read_bytes()
        for entry in folder.iterdir()
        if entry.is_file() and "." + entry.name.rpartition(".")[2] in KINDS
    }


@cache
def static_version() -> str:
    """Return a name that changes whenever one of the files does, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for name, data in sorted(static_files().items()):
        digest.update(name.encode() + b"\0" + data)
    return digest.hexdigest()[:12]


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("autolabel.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

"""The whole site as one ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Router

from autolabel.web.frames import Frames
from autolabel.web.guard import Guard, TooLargeError
from autolabel.web.labeling import Labeling
from autolabel.web.operator import Operating
from autolabel.web.pages import Pages
from autolabel.web.replies import RefusedError, reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from autolabel.web.guard import App
    from autolabel.web.reviewing import Reviewing
    from autolabel.web.site import Site


def build_app(site: Site, origin: str, *, reviewing: Reviewing | None = None, template: str | None = None) -> App:
    """Build the site of one job.

    Parameters
    ----------
    origin
        Scheme, host and port that people reach the site by, for example ``http://127.0.0.1:8765``.
    reviewing
        Serves the review of machine labels instead of tasks.
    template
        The worker page in Liquid; ours without it.
    """
    part = Labeling(site) if reviewing is None else reviewing
    site.has_template = template is not None
    frames = Frames(site, template).routes() if template is not None else []
    routes = [*Pages(site).routes(), *part.routes(), *Operating(site, origin).routes(), *frames]
    handlers: dict[Any, Any] = {
        RefusedError: _refused,
        HTTPException: _http_error,
        TooLargeError: _too_large,
        TimeoutError: _too_slow,
    }
    return Guard(ExceptionMiddleware(Router(routes, redirect_slashes=False), handlers), origin)


async def _refused(_request: Request, error: RefusedError) -> Response:
    return error.response()


async def _http_error(_request: Request, error: HTTPException) -> Response:
    response = reply({"error": error.detail}, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _too_large(_request: Request, _error: TooLargeError) -> Response:
    return reply({"error": "the request is too large"}, 413)


async def _too_slow(_request: Request, _error: TimeoutError) -> Response:
    return reply({"error": "the request took too long to arrive"}, 408)

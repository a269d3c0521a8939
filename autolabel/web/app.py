"""The whole site as one ASGI application."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from autolabel.web.guard import Guard, TooLargeError
from autolabel.web.labeling import Labeling
from autolabel.web.pages import Pages
from autolabel.web.replies import RefusedError, reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from autolabel.web.guard import App
    from autolabel.web.site import Site

log = logging.getLogger("autolabel.web")


def build_app(site: Site, origin: str) -> App:
    """Build the site of one job.

    Parameters
    ----------
    origin
        Scheme, host and port that people reach the site by, for example ``http://127.0.0.1:8765``.
    """
    routes = [*Pages(site).routes(), *Labeling(site).routes()]
    handlers: dict[Any, Any] = {
        RefusedError: _refused,
        HTTPException: _http_error,
        TooLargeError: _too_large,
        TimeoutError: _too_slow,
        Exception: _failed,
    }
    return Guard(Starlette(routes=routes, exception_handlers=handlers), origin)


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


async def _failed(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return reply({"error": "something went wrong here; the operator's log says what"}, 500)

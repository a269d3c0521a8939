"""Requests read into values of a known shape, and answers in JSON; what cannot be read has its own status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request

T = TypeVar("T")

_encoder = msgspec.json.Encoder()


class RefusedError(Exception):
    """A request that is answered with a status and one sentence."""

    def __init__(self, status: int, message: str, **facts: Any) -> None:
        self.status = status
        self.facts = facts
        super().__init__(message)

    def response(self) -> Response:
        """Return the answer."""
        return reply({"error": str(self), **self.facts}, self.status)


def reply(document: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(_encoder.encode(document), status, media_type="application/json")


async def read_as(request: Request, shape: type[T]) -> T:
    """Read a request's body as JSON of one shape.

    Raises
    ------
    RefusedError
        400: it is no JSON; 422: it is another shape.
    """
    body = await request.body()
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise RefusedError(422, f"the request is not what is expected here: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(400, f"the request is no JSON: {error}") from error

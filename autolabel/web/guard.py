"""What stands before every request: who is addressed, from where it comes, how large it is, and what goes back with it.

Cross-site requests are told by Fetch Metadata and Origin (W3C Fetch Metadata; OWASP's cheat sheet on cross-site request
forgery): a browser cannot forge either, and a program that sends neither has no cookies of somebody else's browser.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("autolabel.web")

MOST_BYTES = 1 << 20
"""Largest request body: an answer is a label, or a few hundred of them."""
MOST_HEADER_BYTES = 32_768
DRAINED_BYTES = 64 << 20
DRAINED_SECONDS = 5.0
"""How much of a body that is too large is read and thrown away, so that its sender gets to read why."""
BODY_SECONDS = 30.0
"""How long a body may take to arrive."""
SAFE = frozenset({"GET", "HEAD"})
OPEN_TO_FRAMES = ("/static/", "/granted/")
"""Paths that a sandboxed template, whose origin is nobody's, may load: nothing in them is secret or needs a cookie."""

FOREIGN = (403, "the request comes from another site")

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
COMMON_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


class Guard:
    """ASGI middleware in front of the whole site.

    Parameters
    ----------
    app
        What is guarded.
    origin
        Scheme, host and port that people reach the site by.
    """

    def __init__(self, app: App, origin: str) -> None:
        self._app = app
        self._origins = {origin}
        self._hosts = {urlsplit(origin).netloc.lower()}
        parts = urlsplit(origin)
        if parts.hostname in {"127.0.0.1", "::1", "localhost"}:  # the same machine by its other names
            port = f":{parts.port}" if parts.port else ""
            names = [f"{name}{port}" for name in ("127.0.0.1", "[::1]", "localhost")]
            self._hosts |= set(names)
            self._origins |= {f"{parts.scheme}://{name}" for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with a body that cannot grow without end."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        headers = _headers(scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            if refusal[0] == 413:
                await _drain(receive)
            await _refuse(send, *refusal)
            return
        answer = _Answer(send)
        try:
            await self._app(scope, _Body(receive).receive, answer.send)
        except Exception:
            # Whatever went wrong is ours; the browser learns only that something did.
            log.exception("%s %r failed", scope["method"], scope["path"])
            if not answer.begun:
                await _refuse(send, 500, "something went wrong here; the operator's log says what")

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        method, path = scope["method"], scope["path"]
        if sum(map(len, headers)) + sum(map(len, headers.values())) > MOST_HEADER_BYTES:
            return 431, f"a request has headers of at most {MOST_HEADER_BYTES:,} bytes"
        if headers.get("host", "").lower() not in self._hosts:
            return 421, "this server does not go by that name"
        if {"content-length", "transfer-encoding"} <= headers.keys():
            return 400, "a request has one length"
        if method in SAFE:
            return None if _may_read(path, headers) else FOREIGN
        if not self._may_write(headers):
            return FOREIGN
        return _refusal_of_body(headers)

    def _may_write(self, headers: dict[str, str]) -> bool:
        """Tell whether a request that changes something comes from the site itself."""
        if "origin" in headers:
            return headers["origin"] in self._origins
        return headers.get("sec-fetch-site", "same-origin") == "same-origin"


def _refusal_of_body(headers: dict[str, str]) -> tuple[int, str] | None:
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length) > MOST_BYTES:
        return 413, f"a request has at most {MOST_BYTES:,} bytes"
    has_body = length != "0" or "transfer-encoding" in headers
    if has_body and headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        return 415, "a request's body is JSON, with the content type application/json"
    return None


def _may_read(path: str, headers: dict[str, str]) -> bool:
    """Let other sites link here, and nothing more."""
    site = headers.get("sec-fetch-site", "none")
    if site in {"same-origin", "none"} or path.startswith(OPEN_TO_FRAMES):
        return True
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


class TooLargeError(ValueError):
    """A body that does not end where it may."""


class _Body:
    """A request's body, no longer and no slower than allowed."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0
        self._ended = False

    async def receive(self) -> Message:
        if self._ended:  # what comes now is the end of the connection, however long that takes
            return await self._receive()
        async with asyncio.timeout(BODY_SECONDS):
            message = await self._receive()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._ended = not message.get("more_body", False)
            if self._bytes > MOST_BYTES:
                await _drain(self._receive)
                raise TooLargeError
        return message


class _Answer:
    """A response with the headers that every response has."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            message["headers"] = [*message.get("headers", ()), *_added(message.get("headers", ()))]
        await self._send(message)


def _added(given: Any) -> list[tuple[bytes, bytes]]:
    """Return the common headers that a response does not set otherwise."""
    names = {name.lower() for name, _ in given}
    added = [header for header in COMMON_HEADERS if header[0] not in names]
    for name, value in (
        (b"content-security-policy", PAGE_POLICY.encode()),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cache-control", b"no-store"),
    ):
        if name not in names:
            added.append((name, value))
    return added


def _headers(scope: Scope) -> dict[str, str]:
    """Return headers by lower-case name; of one given twice, both values, so that neither passes as the other."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


async def _drain(receive: Receive) -> None:
    """Read what a client is still sending: one whose connection is closed meanwhile may never see the answer."""
    count = 0
    try:
        async with asyncio.timeout(DRAINED_SECONDS):
            while count < DRAINED_BYTES:
                message = await receive()
                count += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


async def _refuse(send: Send, status: int, why: str) -> None:
    body = msgspec.json.encode({"error": why})
    start = {"type": "http.response.start", "status": status}
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({**start, "headers": [*headers, *_added(headers)]})
    await send({"type": "http.response.body", "body": body})

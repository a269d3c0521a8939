"""A proxy in front of an S3 server that spoils the answers a plan names."""

from __future__ import annotations

import http.client
import os
import socket
import struct
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_NOT_FORWARDED = {"connection", "keep-alive", "transfer-encoding", "expect", "proxy-connection"}


class Fault(Enum):
    """What may happen to a request."""

    INTERNAL_ERROR = auto()
    """500, upstream not asked."""
    SLOW_DOWN = auto()
    """503, upstream not asked."""
    DENIED = auto()
    """403, upstream not asked."""
    EXPIRED = auto()
    """400 ExpiredToken, upstream not asked."""
    RESET = auto()
    """The connection is reset, upstream not asked."""
    LOST = auto()
    """Upstream does it, and the connection is reset instead of the answer."""
    HALF = auto()
    """The announced length, half of the body, end."""
    STALL = auto()
    """No answer until the client gives up."""
    ERROR_200 = auto()
    """Status 200 with an error inside, upstream not asked."""


_ERRORS = {
    Fault.INTERNAL_ERROR: (500, "InternalError"),
    Fault.SLOW_DOWN: (503, "SlowDown"),
    Fault.DENIED: (403, "AccessDenied"),
    Fault.EXPIRED: (400, "ExpiredToken"),
    Fault.ERROR_200: (200, "InternalError"),
}


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    number: int
    """From 1."""
    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""


Plan: TypeAlias = "Callable[[Request], Fault | None]"


def never(request: Request) -> None:
    """Pass everything on."""


def every(k: int, fault: Fault) -> Plan:
    """Spoil every k-th request."""
    return lambda request: fault if request.number % k == 0 else None


def always(fault: Fault, *, of: str = "") -> Plan:
    """Spoil every request whose path contains `of`."""
    return lambda request: fault if of in request.path else None


def once(fault: Fault, *, method: str, of: str = "") -> Plan:
    """Spoil the first request with this method whose path contains `of`."""
    left = [fault]
    return lambda request: left.pop() if left and request.method == method and of in request.path else None


class FaultProxy(ThreadingHTTPServer):
    """The running proxy: `endpoint` to send to, `requests` as they came."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: str, plan: Plan) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.plan = plan
        self.requests: list[Request] = []
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self._lock = threading.Lock()

    def note(self, method: str, path: str, headers: Mapping[str, str]) -> Fault | None:
        """Remember a request and look up its fate."""
        with self._lock:
            request = Request(len(self.requests) + 1, method, path, headers)
            self.requests.append(request)
            return self.plan(request)

    def count(self, method: str, of: str = "") -> int:
        """Return how many requests of a method had `of` in their path."""
        return sum(request.method == method and of in request.path for request in self.requests)

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over clients that hang up; show everything else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def fault_proxy(upstream: str, plan: Plan = never) -> Iterator[FaultProxy]:
    """Run a proxy in front of the server at the URL `upstream`."""
    with FaultProxy(upstream, plan) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultProxy

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.server.note(self.command, self.path, headers)
        match fault:
            case None:
                self._answer(*self._forward(body, headers))
            case Fault.RESET:
                self._reset()
            case Fault.LOST:
                self._forward(body, headers)
                self._reset()
            case Fault.HALF:
                status, answer_headers, answer = self._forward(body, headers)
                self._answer(status, answer_headers, answer[: len(answer) // 2])
                self.close_connection = True
            case Fault.STALL:
                self.rfile.read(1)
                self.close_connection = True
            case _:
                self._error(*_ERRORS[fault])

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - names that the base class calls

    def _forward(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection(self.server.upstream)
        kept = {name: value for name, value in headers.items() if name not in _NOT_FORWARDED}
        upstream.request(self.command, self.path, body, kept)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        sent = {name: value for name, value in answer.getheaders() if name.lower() not in _NOT_FORWARDED}
        if self.command != "HEAD" and answer.status != http.client.NO_CONTENT:
            sent["Content-Length"] = str(len(content))
        return answer.status, sent, content

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _error(self, status: int, code: str) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        headers = {"Content-Type": "application/xml", "Content-Length": str(len(body))}
        self._answer(status, headers, b"" if self.command == "HEAD" else body)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

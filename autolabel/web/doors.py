"""Who is asking: workers by a session of the team, operators by the key of the job, both in cookies."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

import msgspec

from autolabel.storage.durable import write_atomically
from autolabel.web.replies import RefusedError
from autolabel.workforce.team import SESSION_DAYS

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from autolabel.workforce.team import Team

MOST_KEYS = 5
NO_SESSION = "you are not signed in: open the link of your invitation"


class Doors:
    """Checks sessions and operator keys of one job's site.

    Cookies do not know ports, so their names say which job they are for.

    Parameters
    ----------
    team
        The people who may label.
    job
        Anything that tells this job from others on the same machine, for example its ARN.
    keys
        File for the hashes of operator keys; earlier ones stay valid, so that a restart signs nobody out.
    encrypted
        Whether browsers see https.
    """

    def __init__(self, team: Team, job: str, keys: Path, *, encrypted: bool) -> None:
        self.team = team
        mark = hashlib.sha256(job.encode()).hexdigest()[:8]
        prefix = "__Host-" if encrypted else ""
        self._worker_cookie = f"{prefix}autolabel-{mark}-worker"
        self._operator_cookie = f"{prefix}autolabel-{mark}-operator"
        self._encrypted = encrypted
        self.operator_key = secrets.token_urlsafe(24)
        """The key of this start; shown once, to whoever started the server."""
        earlier = msgspec.json.decode(keys.read_bytes(), type=list[str]) if keys.is_file() else []
        self._keys = [*earlier[1 - MOST_KEYS :], _hash(self.operator_key)]
        write_atomically(keys, msgspec.json.encode(self._keys))

    def worker(self, request: Request) -> str:
        """Return the name of the worker who asks; `RefusedError` 401 when nobody known does."""
        session = request.cookies.get(self._worker_cookie)
        name = self.team.who(session) if session else None
        if name is None:
            raise RefusedError(401, NO_SESSION)
        return name

    def is_operator(self, request: Request) -> bool:
        """Tell whether an operator asks."""
        return self.is_key(request.cookies.get(self._operator_cookie, ""))

    def operator(self, request: Request) -> None:
        """Raise `RefusedError` 401 unless an operator asks."""
        if not self.is_operator(request):
            raise RefusedError(401, "this page is for the operator: open the link that the command printed")

    def is_key(self, key: str) -> bool:
        """Tell whether a text is an operator's key."""
        given = _hash(key)
        return any(secrets.compare_digest(given, known) for known in self._keys)

    def sign_in(self, response: Response, session: str) -> None:
        """Give a worker's browser its session."""
        self._set(response, self._worker_cookie, session)

    def sign_in_operator(self, response: Response, key: str) -> None:
        """Give an operator's browser the key."""
        self._set(response, self._operator_cookie, key)

    def sign_out(self, request: Request, response: Response) -> None:
        """End a worker's session, here and in the browser."""
        session = request.cookies.get(self._worker_cookie)
        if session:
            self.team.leave(session)
        response.delete_cookie(self._worker_cookie, path="/", secure=self._encrypted, httponly=True, samesite="strict")

    def _set(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(
            name,
            value,
            max_age=SESSION_DAYS * 86_400,
            path="/",
            secure=self._encrypted,
            httponly=True,
            samesite="strict",
        )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

"""A team: the people who were invited to label, in one file that every process of this machine may read.

Nobody registers himself: the operator invites a person by name and hands over a link. What lies in the file are hashes
of 192-bit random tokens, so that reading it opens nothing.

::

    {"workers": [{"name": "ann", "invited": "2026-03-01T12:00:00.000000Z",
                  "invitations": [{"sha256": "...", "expires": "..."}],
                  "sessions": [{"sha256": "...", "expires": "..."}]}]}
"""

from __future__ import annotations

import hashlib
import os
import secrets
import unicodedata
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from autolabel.errors import SettingsError
from autolabel.storage.durable import make_folder, write_atomically
from autolabel.storage.lock import FolderLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FILE = "workers.json"
LONGEST_NAME = 64
INVITATION_DAYS = 30
SESSION_DAYS = 30
MOST_TOKENS = 10
"""Invitations, and sessions, that one person has at a time; the oldest end when there are more."""
PATIENCE = 5.0


class Token(msgspec.Struct, frozen=True):
    """A secret that somebody holds, by its hash."""

    sha256: str
    expires: str
    """ISO 8601 with ``Z``."""


class Worker(msgspec.Struct, frozen=True):
    """One invited person."""

    name: str
    invited: str
    invitations: tuple[Token, ...] = ()
    sessions: tuple[Token, ...] = ()


class _File(msgspec.Struct, frozen=True):
    workers: tuple[Worker, ...] = ()


def team_folder() -> Path:
    """Return where the team lives unless told otherwise: AUTOLABEL_TEAM, else the user's data folder."""
    named = os.environ.get("AUTOLABEL_TEAM")
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "autolabel" / "team"


class Team:
    """The people who may label; safe for several threads and processes.

    Parameters
    ----------
    folder
        Holds ``workers.json``; made when the first person is invited.
    now
        The present, timezone-aware.

    Raises
    ------
    SettingsError
        The file is not one of a team.
    StorageError
        The file cannot be read or written.
    """

    def __init__(
        self, folder: str | Path | None = None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.folder = team_folder() if folder is None else Path(folder)
        self._now = now
        self._version: tuple[int, int, int] | None = None
        self._file = _File()
        self._by_session: dict[str, tuple[str, str]] = {}
        self._read()

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Everybody who is invited, in the order of invitation."""
        self._read()
        return self._file.workers

    def names(self) -> frozenset[str]:
        """Names of everybody who is invited."""
        return frozenset(worker.name for worker in self.workers)

    def invite(self, names: Sequence[str]) -> dict[str, str]:
        """Invite people, or again; return each one's token, which is not kept and cannot be shown again.

        Raises
        ------
        SettingsError
            A name that is no name, or differs from somebody's in case only.
        """
        for name in names:
            _check_name(name)
        tokens = {name: secrets.token_urlsafe(24) for name in names}
        with self._change() as workers:
            taken = {worker.name.casefold(): worker.name for worker in workers}
            for name, token in tokens.items():
                if taken.setdefault(name.casefold(), name) != name:
                    raise SettingsError(
                        f"found the name {name!r}, and {taken[name.casefold()]!r} is in the team already"
                    )
                place = next((place for place, worker in enumerate(workers) if worker.name == name), None)
                if place is None:
                    workers.append(Worker(name, _text(self._now())))
                    place = len(workers) - 1
                workers[place] = msgspec.structs.replace(
                    workers[place], invitations=self._add(workers[place].invitations, token, INVITATION_DAYS)
                )
        return tokens

    def remove(self, names: Sequence[str]) -> None:
        """Take people out of the team: links and sessions end at once.

        Raises
        ------
        SettingsError
            Nobody has one of the names; nobody was removed.
        """
        with self._change() as workers:
            unknown = sorted(set(names) - {worker.name for worker in workers})
            if unknown:
                raise SettingsError(f"found nobody called {unknown[0]!r} in {self.folder}")
            workers[:] = [worker for worker in workers if worker.name not in names]

    def join(self, invitation: str) -> tuple[str, str] | None:
        """Open a session with an invitation: name and session token, or ``None`` when it is no invitation."""
        wanted = _hash(invitation)
        if not any(self._valid(worker.invitations, wanted) for worker in self.workers):
            return None
        session = secrets.token_urlsafe(24)
        with self._change() as workers:
            for place, worker in enumerate(workers):
                if self._valid(worker.invitations, wanted):
                    workers[place] = msgspec.structs.replace(
                        worker, sessions=self._add(worker.sessions, session, SESSION_DAYS)
                    )
                    return worker.name, session
        return None

    def who(self, session: str) -> str | None:
        """Return whose session a token is, if anybody's."""
        self._read()
        found = self._by_session.get(_hash(session))
        return found[0] if found is not None and _text(self._now()) < found[1] else None

    def leave(self, session: str) -> None:
        """End a session."""
        ended = _hash(session)
        with self._change() as workers:
            for place, worker in enumerate(workers):
                kept = tuple(token for token in worker.sessions if token.sha256 != ended)
                if kept != worker.sessions:
                    workers[place] = msgspec.structs.replace(worker, sessions=kept)

    def _valid(self, tokens: Sequence[Token], wanted: str) -> bool:
        now = _text(self._now())
        return any(secrets.compare_digest(token.sha256, wanted) and now < token.expires for token in tokens)

    def _add(self, tokens: tuple[Token, ...], secret: str, days: int) -> tuple[Token, ...]:
        now = self._now()
        living = [token for token in tokens if _text(now) < token.expires]
        return (*living[1 - MOST_TOKENS :], Token(_hash(secret), _text(now + timedelta(days=days))))

    def _read(self) -> None:
        """Read the file when it is another than the one that was read."""
        path = self.folder / FILE
        try:
            stat = path.stat()
            version = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if version == self._version:
                return
            file = msgspec.json.decode(path.read_bytes(), type=_File)
        except FileNotFoundError:
            version, file = None, _File()
        except (OSError, msgspec.DecodeError) as error:
            raise SettingsError(
                f"{path}: not a team's file ({error}); expected what `autolabel workers` writes"
            ) from error
        self._file = file
        self._by_session = {
            token.sha256: (worker.name, token.expires) for worker in file.workers for token in worker.sessions
        }
        self._version = version

    @contextmanager
    def _change(self) -> Iterator[list[Worker]]:
        """Change the list of workers; others wait, and nothing is written when the change raises."""
        make_folder(self.folder)
        with FolderLock(self.folder, patience=PATIENCE):
            workers = list(self.workers)
            yield workers
            if tuple(workers) != self._file.workers:
                write_atomically(self.folder / FILE, msgspec.json.format(msgspec.json.encode(_File(tuple(workers)))))


def _check_name(name: str) -> None:
    shown = name.strip() == name and 0 < len(name) <= LONGEST_NAME
    if not shown or any(unicodedata.category(sign)[0] == "C" or sign in "\u2028\u2029" for sign in name):
        raise SettingsError(f"found the name {name!r:.90}; expected 1 to {LONGEST_NAME} visible characters")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

"""What the text of a ``web`` workforce says: who may label, and where the page is served."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from autolabel.errors import SettingsError

FORM = "web[:TEAM/][?host=127.0.0.1&port=8765&cert=FILE&key=FILE&url=https://NAME&page=false&undo_seconds=3]"
DEFAULT_PORT = 8765


class WebSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where and how the labeling page is served.

    Raises
    ------
    SettingsError
        An address that others could reach without encryption, a certificate without its key, or a value out of range.
    """

    team: str | None = None
    """Folder of the team; ``None``: the user's own."""
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    """0 takes a free one."""
    cert: str | None = None
    """File with the certificate chain, PEM."""
    key: str | None = None
    """File with its private key, PEM."""
    url: str | None = None
    """How people reach the page, when that is not host and port: the address of a proxy that encrypts."""
    page: bool = True
    """Whether a template of the job's own is shown; without it the built-in page is."""
    undo_seconds: float = 3.0
    """How long a finished batch waits for its last answers to be taken back."""

    def __post_init__(self) -> None:
        """Refuse what would not work or not be safe."""
        if not 0 <= self.port <= 65_535:
            raise SettingsError(f"found port = {self.port}; expected 0 to 65535")
        if not 0 <= self.undo_seconds <= 3_600:
            raise SettingsError(f"found undo_seconds = {self.undo_seconds}; expected 0 to 3600")
        if (self.cert is None) != (self.key is None):
            raise SettingsError("found only one of cert and key; expected both, or neither")
        parts = urlsplit(self.url or "https://x")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
            raise SettingsError(f"found url = {self.url!r}; expected https://NAME or http://NAME without a path")
        if not self.is_loopback and self.cert is None and parts.scheme != "https":
            raise SettingsError(f"found url = {self.url!r}; expected https, for cookies must not travel in the open")
        if not self.is_loopback and self.cert is None and self.url is None:
            raise SettingsError(
                f"found host = {self.host!r} without keys: others could read the cookies of your workers on the way. "
                "Give cert and key, or the https url of a proxy in front, or stay on 127.0.0.1"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_encrypted(self) -> bool:
        """Whether browsers see https."""
        return self.cert is not None or (self.url or "").startswith("https://")

    def origin(self, port: int) -> str:
        """Return scheme, host and port as a browser writes them, when the page is served on `port`."""
        if self.url is not None:
            return self.url.rstrip("/")
        scheme, default = ("https", 443) if self.cert is not None else ("http", 80)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}" if port == default else f"{scheme}://{host}:{port}"


def is_web(spec: str | None) -> bool:
    """Tell whether the text names the page."""
    return spec is not None and spec.split(":")[0].split("?")[0] == "web"


def web_settings(spec: str) -> WebSettings:
    """Read ``web``, ``web:TEAM/`` and what may follow a question mark; `SettingsError` for anything else."""
    head, _, query = spec.partition("?")
    name, _, team = head.partition(":")
    if name != "web" or "://" in head:
        raise SettingsError(f"found the workforce {spec!r}, expected {FORM}")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
        if "team" in dict(pairs) or len(dict(pairs)) < len(pairs):
            raise ValueError("a setting is given twice")  # noqa: TRY301 - told with the others
        values = dict(pairs) | ({"team": team} if team else {})
        return msgspec.convert(values, WebSettings, strict=False)
    except SettingsError:
        raise
    except ValueError as error:
        if isinstance(error.__cause__, SettingsError):
            raise error.__cause__ from None
        known = ", ".join(WebSettings.__struct_fields__)
        raise SettingsError(f"in the workforce {spec!r}: {error}; the settings are {known}") from error


def absolute_web(spec: str) -> str:
    """Return `spec` with its files' paths made absolute, so that it means the same from any working directory."""
    settings = web_settings(spec)
    head = "web" if settings.team is None else f"web:{Path(settings.team).absolute()}"
    named = {
        name: str(Path(value).absolute()) if name in {"cert", "key"} else value
        for name, default in zip(settings.__struct_fields__, settings.__struct_defaults__, strict=True)
        if name != "team" and (value := getattr(settings, name)) != default
    }
    return f"{head}?{urlencode(named)}" if named else head

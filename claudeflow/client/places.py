"""Where the daemon is: a socket or an address, as arguments, environment and configuration say."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_CONFIG = Path("/etc/claudeflow/claudeflow.toml")
DEFAULT_SOCKET = Path("/run/claudeflow/claudeflow.sock")
ON_THE_SOCKET = "http://claudeflow"

_WAY_OUT = (
    "start it (systemctl start claudeflow, or claudeflow run), or name the socket of another one with "
    "CLAUDEFLOW_SOCKET or Claudeflow(socket=...)"
)
_NOT_PERMITTED = "join the group that may use it, as docs/operations.md says"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the daemon is. With a `socket` the host in `base_url` is nobody's."""

    base_url: str
    socket: Path | None = None
    token: str | None = None

    def __str__(self) -> str:
        return str(self.socket or self.base_url)

    @property
    def headers(self) -> dict[str, str]:
        """What every request says."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    def way_out(self, *, is_permitted: bool) -> str:
        """What a person can do when nobody answers."""
        if not is_permitted:
            return _NOT_PERMITTED
        return _WAY_OUT if self.socket else "check the address and whether the daemon listens there"


def find_place(socket: str | os.PathLike[str] | None, base_url: str | None, token: str | None) -> Place:
    """The daemon's place. Raises ValueError when two are named, the address is none, or the named
    configuration cannot be used.
    """
    if socket is not None and base_url is not None:
        raise ValueError("name a socket or a base_url, not both")
    said = token or os.environ.get("CLAUDEFLOW_TOKEN") or None
    if base_url is not None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"base_url must be like http://127.0.0.1:8765; found {base_url!r}")
        return Place(base_url.rstrip("/"), token=said)
    return Place(ON_THE_SOCKET, Path(socket) if socket is not None else _socket(), said)


def _socket() -> Path:
    named = os.environ.get("CLAUDEFLOW_SOCKET")
    return Path(named) if named else _socket_of_config()


def _socket_of_config() -> Path:
    """What the configuration says. The default one may not be there, or not be ours to read."""
    named = os.environ.get("CLAUDEFLOW_CONFIG")
    try:
        text = Path(named or DEFAULT_CONFIG).read_text(encoding="utf-8")
    except OSError as error:
        if named:
            raise ValueError(f"CLAUDEFLOW_CONFIG names {named}: {error.strerror}") from error
        return DEFAULT_SOCKET
    import tomllib

    try:
        section = tomllib.loads(text).get("socket", {})
    except ValueError as error:
        raise ValueError(f"{named or DEFAULT_CONFIG} is no TOML: {error}") from error
    return Path(section.get("path", DEFAULT_SOCKET))

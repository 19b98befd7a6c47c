"""Who is at the other end of a Unix socket, as the kernel knows it."""

from __future__ import annotations

import asyncio
import pwd
import socket
import struct
from functools import lru_cache

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from claudeflow.intake.http.streams import ABORT

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class PeerProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's HTTP protocol whose `client` is the login name and process id of the peer."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Read the peer's credentials once per connection, and let streams end it at once."""
        super().connection_made(transport)
        self.app_state = {ABORT: transport.abort}
        peer = peer_of(transport.get_extra_info("socket"))
        if peer:
            self.client = peer


def peer_of(sock: socket.socket | None) -> tuple[str, int] | None:
    """Login name and process id of the process that connected, None when the socket is not Unix."""
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return login_name(uid), pid


@lru_cache(maxsize=1024)
def login_name(uid: int) -> str:
    """The login name of a user id, `uid:1234` when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"

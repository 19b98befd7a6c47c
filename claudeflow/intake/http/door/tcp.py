"""The TCP door: where it listens. It is there only when it is configured, and then lets in tokens alone."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import NamedTuple

from claudeflow.intake.http.door.listener import SocketUnavailable

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[0-9.]+|localhost):(\d{1,5})", re.ASCII)
_BACKLOG = 1024


class TcpAddress(NamedTuple):
    """`host` is an IP address."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def name(self) -> str:
        """The host as it stands in `Host`."""
        return f"[{self.host}]" if ":" in self.host else self.host


def read_address(text: str) -> TcpAddress:
    """`127.0.0.1:8765`, `[::1]:8765` or `localhost:8765`. Raises ValueError."""
    found = _ADDRESS.fullmatch(text)
    host = None if found is None else _ip_of(found[1])
    if found is None or host is None or not 1 <= int(found[2]) <= 65_535:
        raise ValueError('must be an address and a port such as "127.0.0.1:8765" or "[::1]:8765"')
    return TcpAddress(host, int(found[2]))


def _ip_of(text: str) -> str | None:
    """The IP address that is written; None when it is none."""
    try:
        return "127.0.0.1" if text == "localhost" else str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return None


def listen_on(address: TcpAddress) -> socket.socket:
    """A listening socket. Raises SocketUnavailable."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(tuple(address))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        place = f"{address.name}:{address.port}"
        raise SocketUnavailable(f"cannot listen on {place}: {error.strerror}; see `[http] tcp`") from error
    return sock

"""Who is at the other end of a Unix socket, as the kernel knows it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import socket
import struct
from functools import lru_cache
from pathlib import Path

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from claudeflow.domain.caller import Caller
from claudeflow.intake.http.door.streams import ABORT

PEER = "claudeflow.peer"
"""The key of the request's `state` under which the peer is; None: the connection is not a Unix one."""

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_SO_PEERGROUPS = 59
_MOST_GROUPS_BYTES = 1024  # the most that Python reads of a socket option: 256 groups
_NOBODY = 65_534


class PeerProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol whose requests know the peer of their connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Read the peer's credentials once per connection, and let streams end it at once."""
        super().connection_made(transport)
        self.app_state = {ABORT: transport.abort, PEER: peer_of(transport.get_extra_info("socket"))}


def peer_of(sock: socket.socket | None) -> Caller | None:
    """The user whose process connected, None when the socket is not Unix."""
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return Caller(login_name(uid), uid, gid, pid, _known_groups(gid, _peer_groups(sock, uid, gid)))


def own_process() -> Caller:
    """The user of this process."""
    uid, gid = os.geteuid(), os.getegid()
    return Caller(login_name(uid), uid, gid, os.getpid(), _known_groups(gid, os.getgroups()))


def user_of(sock: socket.socket | None) -> tuple[int, str]:
    """User id and login name of whoever connected; -1 when the socket is not Unix."""
    if sock is None or sock.family != socket.AF_UNIX:
        return -1, ""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid = _CREDENTIALS.unpack(raw)[1]
    return uid, login_name(uid)


@lru_cache(maxsize=1024)
def login_name(uid: int) -> str:
    """The login name of a user id, `uid:1234` when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"


@lru_cache(maxsize=1)
def overflow_uid() -> int:
    """The user id by which the kernel shows users of namespaces that have no id here."""
    return _overflow("overflowuid")


def forget_names() -> None:
    """Users and groups may have changed: look them up anew."""
    login_name.cache_clear()
    _groups_of_user.cache_clear()


def _peer_groups(sock: socket.socket, uid: int, gid: int) -> list[int]:
    """The peer's supplementary groups when it connected; else those that the user database gives it."""
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUPS_BYTES)
    except OSError:  # more groups than are read at once, or a kernel before 4.13
        return list(_groups_of_user(uid, gid))
    return list(struct.unpack(f"{len(raw) // 4}I", raw))


@lru_cache(maxsize=1024)
def _groups_of_user(uid: int, gid: int) -> tuple[int, ...]:
    with contextlib.suppress(KeyError):
        return tuple(os.getgrouplist(pwd.getpwuid(uid).pw_name, gid))
    return (gid,)


def _known_groups(gid: int, others: list[int]) -> frozenset[int]:
    """All groups, but the one that stands for those of another namespace."""
    return frozenset({gid, *others}) - {_overflow("overflowgid")}


@lru_cache(maxsize=2)
def _overflow(name: str) -> int:
    try:
        return int(Path("/proc/sys/kernel", name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return _NOBODY

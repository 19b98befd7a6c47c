"""The Unix socket that producers connect to.

It is made under a temporary name, given its mode and group, and only then moved to its place: nobody
can connect while the mode is wrong, and the path never names a socket on which nobody listens.
"""

from __future__ import annotations

import errno
import grp
import os
import shutil
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from claudeflow.domain.errors import ClaudeflowError

_LONGEST_PATH_BYTES = 107  # sizeof(sockaddr_un.sun_path), less the NUL
_BACKLOG = 1024


class SocketUnavailable(ClaudeflowError):
    """The socket cannot be made; the message names the path and the way out."""


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """Where the socket is, its mode, and the group that owns it (None: the process's own)."""

    path: Path
    mode: int = 0o660
    group: str | None = None


class Listener:
    """A socket that listens. `close` removes its path, but only while that is still this socket."""

    def __init__(self, sock: socket.socket, path: Path) -> None:
        self.sock = sock
        self._path = path
        self._identity = _identity(path)

    def close(self) -> None:
        """Stop listening and remove the path. May be called again."""
        self.sock.close()
        if self._identity is not None and _identity(self._path) == self._identity:
            self._path.unlink()
        self._identity = None


def listen(settings: ListenerSettings) -> Listener:
    """A listening socket at `settings.path`. Replaces a dead socket, and nothing else.

    Raises SocketUnavailable.
    """
    _check_place(settings.path)
    temporary = settings.path.with_name(f".{os.getpid()}.sock")
    for path in (settings.path, temporary):
        if len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
            raise SocketUnavailable(
                f"{path} is too long for a socket; use at most {_LONGEST_PATH_BYTES} bytes"
            )
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _bind(sock, temporary, settings)
        temporary.replace(settings.path)
    except OSError as error:
        sock.close()
        temporary.unlink(missing_ok=True)
        raise SocketUnavailable(f"cannot make the socket {settings.path}: {error.strerror}") from error
    except BaseException:
        sock.close()
        temporary.unlink(missing_ok=True)
        raise
    return Listener(sock, settings.path)


def _bind(sock: socket.socket, path: Path, settings: ListenerSettings) -> None:
    path.unlink(missing_ok=True)
    sock.bind(str(path))
    if settings.group is not None:
        try:
            shutil.chown(path, group=_group_of(settings.group))
        except LookupError:
            raise SocketUnavailable(f"there is no group {settings.group!r} for {settings.path}") from None
    path.chmod(settings.mode)
    sock.listen(_BACKLOG)


def _group_of(text: str) -> str | int:
    """A group by name, or by the number itself where no group is called so."""
    is_number = text.isascii() and text.isdigit()
    return int(text) if is_number and text not in (found.gr_name for found in grp.getgrall()) else text


def _check_place(path: Path) -> None:
    """Refuse a path that is in use: something that is no socket, or a socket that someone serves."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise SocketUnavailable(f"{path.parent} is no folder; make it before the socket") from None
        return
    except OSError as error:
        raise SocketUnavailable(f"cannot look at {path}: {error.strerror}") from error
    if not stat.S_ISSOCK(mode):
        raise SocketUnavailable(
            f"{path} exists and is no socket; it is left alone: move it, or choose another path"
        )
    if _is_served(path):
        raise SocketUnavailable(f"another process listens on {path}; stop it, or choose another path")


def _is_served(path: Path) -> bool:
    """Whether a connection finds a listener. When in doubt, it does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        result = probe.connect_ex(str(path))
    return result not in {errno.ECONNREFUSED, errno.ENOENT}


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino

"""Remote: one HTTP call over the daemon's Unix socket."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from claudeflow.cli.exits import Exit
from claudeflow.cli.problems import Failure
from claudeflow.domain.errors import DaemonUnreachable

Body = bytes | Iterable[bytes]

ANSWER_TIMEOUT_S = 60.0
JOIN = "join the group that may, as docs/operations.md says"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon answered. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """True when the daemon did what was asked."""
        return self.status < 400

    def json(self) -> Any:
        """The body, parsed. Raises Failure when something else than the daemon answered."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Failure(Exit.FAILED, "the daemon's answer is not JSON: is this its socket?") from error


class Door(Protocol):
    """A way to ask the daemon, or what stands in for it."""

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Answer:
        """Ask once. An error answer is an Answer; no answer is DaemonUnreachable or Failure."""
        ...


class SocketDoor:
    """The daemon behind a Unix socket. Bodies in pieces are sent as they come, in bounded memory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Answer:
        """Ask the daemon. Raises DaemonUnreachable before anything was sent, Failure afterwards."""
        connection = _UnixConnection(self._path, timeout_s)
        self._connect(connection)
        target = f"{path}?{urlencode(query)}" if query else path
        headers = {"Accept": "application/json", "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            _send(connection, method, target, body, headers)
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, response.read())
        except TimeoutError as error:
            text = f"the daemon did not answer within {timeout_s:.0f} s"
            raise Failure(Exit.UNREACHABLE, text) from error
        except (ConnectionError, http.client.HTTPException) as error:
            text = f"the daemon hung up without an answer ({type(error).__name__})"
            raise Failure(Exit.UNREACHABLE, text) from error
        finally:
            connection.close()

    def _connect(self, connection: _UnixConnection) -> None:
        try:
            connection.connect()
        except PermissionError as error:
            text = f"not permitted to use the socket {self._path}: {JOIN}"
            raise Failure(Exit.NOT_PERMITTED, text) from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise DaemonUnreachable(f"no daemon on {self._path} ({reason})") from error


def _send(
    connection: _UnixConnection, method: str, target: str, body: Body | None, headers: Mapping[str, str]
) -> None:
    """Send a request. A daemon that hangs up early has answered already: the caller reads why."""
    in_pieces = body is not None and not isinstance(body, bytes)
    extra = {"Transfer-Encoding": "chunked"} if in_pieces else {}
    try:
        connection.request(method, target, body, {**headers, **extra}, encode_chunked=in_pieces)
    except (BrokenPipeError, ConnectionResetError):
        return


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection whose other end is a file."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket. Raises OSError."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self.timeout)
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        self.sock = connection

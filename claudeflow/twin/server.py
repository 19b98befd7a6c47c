"""The twin as a server on a TCP port or a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from claudeflow.twin.app import CONNECTION_STATE_KEY, TwinApp
from claudeflow.twin.engine import Twin
from claudeflow.twin.settings import TwinSettings

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _HttpProtocol
except ImportError:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _HttpProtocol  # type: ignore[assignment]

_BACKLOG = 4_096


async def serve(
    settings: TwinSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    uds: Path | None = None,
    handle_signals: bool = True,
) -> None:
    """Serve until stopped, and print the address once the socket is bound; port 0 picks a free one.

    Without `handle_signals` the caller stops the server by cancelling it.
    """
    listener, address = _bind_unix(uds) if uds is not None else _bind_tcp(host, port)
    server = _Server(_config(TwinApp(Twin(settings))))
    if handle_signals:
        _stop_on_signals(server)
    sys.stdout.write(f"twin listening on {address}\n")
    sys.stdout.flush()
    try:
        await server.serve(sockets=[listener])
    finally:
        _close(listener, uds)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn's own way ends the process before sockets are removed."""
        yield


def _stop_on_signals(server: uvicorn.Server) -> None:
    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)


class _Protocol(_HttpProtocol):
    """Puts the connection into each request's state, so that the app can reset it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app_state = {**self.app_state, CONNECTION_STATE_KEY: self}


def _config(app: TwinApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )


def _close(listener: socket.socket, uds: Path | None) -> None:
    listener.close()
    if uds is not None:
        uds.unlink(missing_ok=True)


def _bind_tcp(host: str, port: int) -> tuple[socket.socket, str]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    return listener, f"http://{shown}:{listener.getsockname()[1]}"


def _bind_unix(path: Path) -> tuple[socket.socket, str]:
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener, f"unix:{path}"

"""uvicorn over our own socket: without its signal handlers, its log format and its polling."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from functools import partial
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp

from claudeflow.intake.http.door.dates import DatedHeaders
from claudeflow.intake.http.door.protocol import DoorProtocol
from claudeflow.intake.http.door.rules import Door

GRACE_S = 5
"""How long requests that are being answered may still take after the stop."""


class StopRequest(Protocol):
    """An event that someone sets: asyncio's or anyio's."""

    async def wait(self) -> object:
        """Return once it is set."""
        ...


async def serve(
    app: ASGIApp, sock: socket.socket, stop: StopRequest, door: Door | None = None, grace_s: int = GRACE_S
) -> None:
    """Answer requests on a listening socket until `stop` is set, then end within about `grace_s`.

    Cancelling it closes all connections at once. The socket is closed in either case.
    """
    door = door or Door()
    config = uvicorn.Config(
        app,
        http=partial(DoorProtocol, door=door),  # type: ignore[arg-type]
        ws="none",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=door.settings.keep_alive_s,
        timeout_graceful_shutdown=grace_s,
    )
    server = _Server(config, stop)
    try:
        await server.serve(sockets=[sock])
    finally:
        server.abort()
        sock.close()


class _Server(uvicorn.Server):
    """A server that waits for an event; uvicorn's own looks at a flag ten times a second."""

    def __init__(self, config: uvicorn.Config, stop: StopRequest) -> None:
        super().__init__(config)
        self._stop = stop
        self.server_state.default_headers = DatedHeaders()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the daemon."""
        yield

    async def main_loop(self) -> None:
        """Wait for the end; dates are written as answers need them, and there is no limit to watch."""
        await self._stop.wait()

    def abort(self) -> None:
        """Drop what is left: the listening servers and every connection."""
        for server in getattr(self, "servers", ()):
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()

"""The real server over a real Unix socket, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from starlette.types import ASGIApp

from claudeflow.intake.http.app import build_app
from claudeflow.intake.http.door.listener import ListenerSettings, listen
from claudeflow.intake.http.door.rules import Door
from claudeflow.intake.http.door.server import serve
from tests.intake.builders import NOW_MS
from tests.support.fake_desk import FakeDesk
from tests.support.truth import Truth


@dataclass(slots=True)
class Served:
    """A running server: its desk, a client, and what it reported as its own trouble."""

    desk: FakeDesk
    client: httpx2.AsyncClient
    path: Path
    troubles: list[Exception]
    stop: asyncio.Event
    ended: asyncio.Task[None]


def a_client(path: Path) -> httpx2.AsyncClient:
    """A client of the socket. Nothing here speaks TLS, so no certificates are loaded."""
    transport = httpx2.AsyncHTTPTransport(uds=str(path), verify=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://claudeflow", timeout=20)


@asynccontextmanager
async def serving(
    desk: FakeDesk, folder: Path, *, grace_s: int = 5, door: Door | None = None, app: ASGIApp | None = None
) -> AsyncIterator[Served]:
    """Serve `desk` on a socket in `folder` until the block ends; each answer must be as OpenAPI says."""
    listener = listen(ListenerSettings(folder / "claudeflow.sock"))
    troubles: list[Exception] = []
    stop = asyncio.Event()
    truth = Truth(app or build_app(desk, lambda: NOW_MS, troubles.append))
    ended = asyncio.create_task(serve(truth, listener.sock, stop, door, grace_s))
    try:
        async with a_client(folder / "claudeflow.sock") as client:
            yield Served(desk, client, folder / "claudeflow.sock", troubles, stop, ended)
    finally:
        stop.set()
        await asyncio.gather(ended, return_exceptions=True)
        listener.close()
    truth.raise_if_any()

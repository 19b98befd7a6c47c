"""A daemon on the bench behind its socket, and the real Anthropic SDK in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx2

from claudeflow.config import Config
from claudeflow.domain.job import JobRecord
from claudeflow.intake.desks.desk import JobFilter
from claudeflow.intake.http.app import build_app
from claudeflow.intake.http.listener import ListenerSettings, listen
from claudeflow.intake.http.server import ServerSettings, serve
from claudeflow.twin.engine import Twin
from tests.support.clocks import WoundClock
from tests.support.daemons import MODEL, Bench, opened, until
from tests.support.processes import short_folder

QUESTION: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "The VPN drops every morning."}],
}


@dataclass
class Door:
    """The socket of a daemon on the bench."""

    bench: Bench
    path: Path
    sdk: anthropic.AsyncAnthropic
    http: httpx2.AsyncClient

    async def jobs(self) -> list[JobRecord]:
        """Every job, the newest first."""
        return await self.bench.parts.desk.list_jobs(JobFilter(limit=500))

    async def post(self, body: dict[str, Any], **headers: str) -> httpx2.Response:
        """One request without any SDK; underscores in header names are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post("/v1/messages", json=body, headers=named)


def over_socket(path: Path) -> httpx2.AsyncClient:
    """An HTTP client of the socket. Nothing here speaks TLS, so no certificates are loaded."""
    transport = httpx2.AsyncHTTPTransport(uds=str(path), verify=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://claudeflow", timeout=30)


def an_sdk(path: Path, **settings: Any) -> anthropic.AsyncAnthropic:
    """The real SDK, whose base URL is the socket's."""
    return anthropic.AsyncAnthropic(
        **{
            "api_key": "not-the-daemons",
            "base_url": "http://claudeflow",
            "http_client": over_socket(path),
            "max_retries": 0,
            **settings,
        }
    )


@asynccontextmanager
async def door(
    folder: Path,
    twin: Twin | None = None,
    *,
    clock: WoundClock | None = None,
    config: Config | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
    works: bool = True,
) -> AsyncIterator[Door]:
    """A daemon at work behind a socket of its own; with `works` False it is still starting."""
    with short_folder() as short:
        async with opened(folder, twin, clock=clock, config=config) as bench:
            path = short / "api.sock"
            listener = listen(ListenerSettings(path))
            stop = asyncio.Event()
            app = build_app(bench.parts.desk, bench.clock.epoch_ms, _raise)
            serving = asyncio.create_task(serve(app, listener.sock, stop, ServerSettings(grace_s=1)))
            if works:
                bench.start(transport)
                await until(lambda: bench.parts.engine.is_working)
            try:
                async with an_sdk(path) as sdk, over_socket(path) as http:
                    yield Door(bench, path, sdk, http)
            finally:
                stop.set()
                await serving
                listener.close()


def _raise(problem: Exception) -> None:
    raise problem

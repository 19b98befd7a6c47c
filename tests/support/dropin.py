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
from claudeflow.domain.events import JobFinished
from claudeflow.domain.job import JobRecord, JobState
from claudeflow.intake.desks.desk import JobFilter
from claudeflow.intake.http.app import build_app
from claudeflow.intake.http.door.listener import ListenerSettings, listen
from claudeflow.intake.http.door.server import serve
from claudeflow.twin.engine import Twin
from claudeflow.twin.transport import TwinTransport
from tests.support.clocks import WoundClock
from tests.support.daemons import MODEL, Bench, opened, until
from tests.support.processes import short_folder

NO_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
QUESTION: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "The VPN drops every morning."}],
}


class Weir(httpx2.AsyncBaseTransport):
    """Stands between the daemon's SDK and the twin: keeps each request, and may hold an answer back.

    `before`: nothing is sent on until it is set. `within`: so is what follows the first `pieces` pieces of
    an answer's body.
    """

    def __init__(self, twin: Twin, *, pieces: int = 3) -> None:
        self._twin = TwinTransport(twin)
        self._pieces = pieces
        self.requests: list[httpx2.Request] = []
        self.before, self.within = asyncio.Event(), asyncio.Event()
        self.before.set()
        self.within.set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        await self.before.wait()
        response = await self._twin.handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=_Held(response.stream, self)
        )

    async def passing(self, stream: httpx2.AsyncByteStream) -> AsyncIterator[bytes]:
        """The pieces of a body."""
        number = 0
        async for piece in stream:
            yield piece
            number += 1
            if number == self._pieces:
                await self.within.wait()


class _Held(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, weir: Weir) -> None:
        self._stream = stream
        self._weir = weir

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._weir.passing(self._stream)

    async def aclose(self) -> None:
        await self._stream.aclose()


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

    async def the_job(self) -> JobRecord:
        """The only job."""
        [job] = await self.jobs()
        return job

    async def ended(self, state: JobState) -> JobRecord:
        """The only job, once it has ended so."""
        await self.bench.recorder.wait_for(JobFinished, lambda event: event.state is state)
        return await self.the_job()

    async def post(self, body: dict[str, Any], **headers: str) -> httpx2.Response:
        """One request without any SDK; underscores in header names are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post("/v1/messages", json=body, headers=named)


def over_socket(path: Path) -> httpx2.AsyncClient:
    """An HTTP client of the socket. Nothing here speaks TLS, so no certificates are loaded."""
    transport = httpx2.AsyncHTTPTransport(uds=str(path), verify=False, limits=NO_LIMITS)
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
            serving = asyncio.create_task(serve(app, listener.sock, stop, grace_s=1))
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

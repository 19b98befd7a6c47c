"""The real daemon on the real SDK and the twin in virtual time: hours pass in a moment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from claudeflow.claude.batches import BatchClient
from claudeflow.claude.client import ClaudeClient
from claudeflow.config import Config, FoundKey
from claudeflow.daemon.keys import FindKey, KeyRing
from claudeflow.daemon.shared import EventStream
from claudeflow.daemon.wiring import Parts, parts
from claudeflow.domain.job import JobId, JobRecord, JobState
from claudeflow.intake.wire import parse_job
from claudeflow.simulation.clock import SimulatedClock
from claudeflow.simulation.timeline import VirtualTimeLoop
from claudeflow.twin.clock import LoopClock
from claudeflow.twin.engine import Twin
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.transport import TwinTransport
from tests.support.daemons import PLENTY, a_config
from tests.support.recorder import Recorder

Refusal = Callable[[httpx2.Request], httpx2.Response | None]
EPOCH = "2026-11-22T10:17:00"


def in_virtual_time(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Play a scene to its end."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scene())


def now_s() -> float:
    """Virtual seconds since the scene began."""
    return asyncio.get_running_loop().time()


def refused(status: int, kind: str, message: str) -> httpx2.Response:
    """An error of the API."""
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_0"}
    return httpx2.Response(status, json=body, headers={"request-id": "req_0"})


def only_with(key: str) -> Refusal:
    """Every key but this one is refused."""

    def refuse(request: httpx2.Request) -> httpx2.Response | None:
        if request.headers["authorization"] == f"Bearer {key}":
            return None
        return refused(401, "authentication_error", "invalid x-api-key")

    return refuse


class HostClock(SimulatedClock):
    """The clock of a host that somebody sets; the loop's own time does not notice."""

    _ahead_ms = 0

    def step(self, seconds: float) -> None:
        """Set the date forward."""
        self._ahead_ms += round(seconds * 1000)

    def epoch_ms(self) -> int:
        """Whole milliseconds since 1970, as this host sees them."""
        return super().epoch_ms() + self._ahead_ms


class Door(httpx2.AsyncBaseTransport):
    """The twin behind somebody who may refuse a call at once, and who notes when each came."""

    def __init__(self, twin: Twin) -> None:
        self._inside = TwinTransport(twin)
        self.refuse: Refusal = lambda _: None
        self.delay_s = 0.0
        self.came_s: list[float] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.came_s.append(now_s())
        await request.aread()
        response = self.refuse(request)
        if response is None:
            return await self._inside.handle_async_request(request)
        await asyncio.sleep(self.delay_s)
        return response

    def came_between(self, from_s: float, to_s: float) -> list[float]:
        """When calls came, in a stretch of time."""
        return [moment for moment in self.came_s if from_s <= moment < to_s]


@dataclass
class VirtualBench:
    """A daemon at work in virtual time, and the other side."""

    parts: Parts
    twin: Twin
    door: Door
    clock: HostClock
    recorder: Recorder
    config: Config
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    async def submit(self, *jobs: dict[str, Any]) -> list[JobId]:
        """Hand in jobs as a front door does; their ids."""
        desk, now_ms = self.parts.desk, self.clock.epoch_ms()
        new = [
            parse_job(json.dumps(job).encode(), desk.catalog, now_ms=now_ms, submitted_by="test")
            for job in jobs
        ]
        return [found.id for found in await desk.submit(new)]

    async def records(self, ids: Sequence[JobId]) -> list[JobRecord]:
        """The jobs as they are now."""
        return [await self.parts.desk.job(job_id) for job_id in ids]

    async def states(self, ids: Sequence[JobId]) -> set[JobState]:
        """The states that the jobs are in."""
        return {record.state for record in await self.records(ids)}


@asynccontextmanager
async def living(
    folder: Path,
    twin: Twin | None = None,
    *,
    config: Config | None = None,
    epoch: str = EPOCH,
    key: str = "k",
    find_key: FindKey | None = None,
    batches: bool = False,
) -> AsyncIterator[VirtualBench]:
    """A daemon at work on the running virtual loop, which began at `epoch` (UTC); by `batches` too."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    epoch_s = datetime.fromisoformat(epoch).replace(tzinfo=UTC).timestamp()
    config, clock, recorder, events = (
        config or a_config(folder),
        HostClock(epoch_s, 7),
        Recorder(),
        EventStream(),
    )
    events.listen(recorder.apply)
    twin = twin or a_virtual_twin(epoch)
    async with parts(config, clock, events, instance="bench", hand_over=loop.hand_over) as built:
        bench = VirtualBench(built, twin, Door(twin), clock, recorder, config)
        ring = KeyRing(FoundKey(key, "a test"), find_key or (lambda: FoundKey(key, "a test")), events.emit)
        built.keeper.use(ring)
        http = httpx2.AsyncClient(transport=bench.door, timeout=None, trust_env=False)
        batch_client = BatchClient(config.api, ring.key, http_client=http) if batches else None
        worker = built.worker(ClaudeClient(config.api, ring.key, http_client=http), batch_client)
        running = asyncio.create_task(built.engine.run(worker, bench.stop, bench.hurry))
        try:
            yield bench
        finally:
            bench.stop.set()
            bench.hurry.set()
            await running


def a_virtual_twin(epoch: str = EPOCH, **settings: Any) -> Twin:
    """A twin on the loop's clock with plenty of quota and short answers."""
    epoch_s = datetime.fromisoformat(epoch).replace(tzinfo=UTC).timestamp()
    return Twin(TwinSettings(**{"reply_tokens": 20, **PLENTY, **settings}), LoopClock(epoch_s))

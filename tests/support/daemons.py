"""A daemon's real parts in this process: real store, real SDK, and a twin on the other side of the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2

from claudeflow.claude.batches import BatchClient
from claudeflow.claude.client import ClaudeClient
from claudeflow.claude.enquiries import EnquiryClient
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.config import Config, DaemonSettings, StoreSettings
from claudeflow.daemon.shared import EventStream
from claudeflow.daemon.wiring import Parts, parts
from claudeflow.domain.events import DaemonStopped, Event, JobFinished
from claudeflow.domain.job import JobId, JobRecord, JobState
from claudeflow.intake.wire import parse_job
from claudeflow.policy.limits.margin import MarginSettings
from claudeflow.policy.limits.settings import LimiterSettings, PoolLimits
from claudeflow.policy.retries.retry import RetrySettings
from claudeflow.policy.retries.retry_budget import BudgetSettings
from claudeflow.store import ledger
from claudeflow.twin.engine import Twin
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.transport import TwinTransport
from tests.support.books import disagreements
from tests.support.clocks import WoundClock
from tests.support.recorder import PATIENCE_S, Recorder

PLENTY: dict[str, Any] = {"rpm": 1_000_000, "itpm": 1_000_000_000, "otpm": 1_000_000_000}
PLENTY_OF_RETRIES = BudgetSettings(floor_per_s=1_000.0, burst=1_000.0)
MODEL = "claude-haiku-5-5"
LOOK_EVERY_S = 0.001
PRICE_OF_A_MODEL_THAT_IS_NOT_THERE = """
[[model]]
id = "claude-atlas-1"
pool = "atlas"
cache_minimum_tokens = 512
context_tokens = 1_000_000
max_output_tokens = 64_000

[[model.price]]
effective_from = 2026-01-01
input = 1
write_5m = 1.25
write_1h = 2
read = 0.1
output = 5
"""


def a_config(folder: Path, **changes: Any) -> Config:
    """A configuration that nothing slows down, with its store in `folder`."""
    config = Config(
        store=StoreSettings(str(folder / "store.db")),
        daemon=DaemonSettings(grace_s=10.0),
        api=ClaudeSettings(base_url="http://api.test"),
        limits=PoolLimits(1_000_000, 1_000_000_000, 1_000_000_000),
        limiter=LimiterSettings(margin=MarginSettings(cold_theta=1.0), cold_in_flight=64),
        retry=RetrySettings(base_s=0.02, cap_s=0.05, budget=PLENTY_OF_RETRIES),
    )
    return replace(config, **changes)


def a_twin(clock: WoundClock, **settings: Any) -> Twin:
    """A twin with plenty of quota and short answers."""
    return Twin(TwinSettings(**{"reply_tokens": 20, **PLENTY, **settings}), clock)


def a_job(
    number: int = 1, *, system: str | None = None, model: str = MODEL, **envelope: Any
) -> dict[str, Any]:
    """A job as a producer writes it; the number makes its answer its own."""
    request: dict[str, Any] = {
        "model": model,
        "max_tokens": 300,
        "messages": [{"role": "user", "content": f"Ticket {number}: the VPN drops every morning."}],
    }
    if system is not None:
        request["system"] = system
    return {"request": request, **envelope}


def some_jobs(count: int, **envelope: Any) -> list[dict[str, Any]]:
    """Jobs that differ in their number."""
    return [a_job(number, **envelope) for number in range(1, count + 1)]


@dataclass
class Bench:
    """A daemon on the bench: its parts, the other side, and everything that happens."""

    parts: Parts
    twin: Twin
    clock: WoundClock
    recorder: Recorder
    store_path: Path
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    running: asyncio.Task[None] | None = None

    def start(self, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        """Work on jobs from now on; `transport` may stand between the SDK and the twin."""
        shared = self.parts.shared
        http = httpx2.AsyncClient(transport=transport or TwinTransport(self.twin))
        api = shared.config.api
        batches = BatchClient(api, "k", http_client=http)
        self.parts.desk.messages.use(EnquiryClient(api, "k", http_client=http))
        worker = self.parts.worker(ClaudeClient(api, "k", http_client=http), batches)
        self.running = asyncio.create_task(self.parts.engine.run(worker, self.stop, self.hurry))

    async def drained(self) -> DaemonStopped:
        """Ask for a stop and see it through."""
        self.stop.set()
        assert self.running is not None
        async with asyncio.timeout(PATIENCE_S):
            await self.running
        [stopped] = self.recorder.of(DaemonStopped)
        return stopped

    async def submit(self, *jobs: dict[str, Any]) -> list[JobId]:
        """Hand in jobs as a front door does; their ids."""
        desk, now_ms = self.parts.desk, self.clock.epoch_ms()
        new = [
            parse_job(json.dumps(job).encode(), desk.catalog, now_ms=now_ms, submitted_by="test")
            for job in jobs
        ]
        return [found.id for found in await desk.submit(new)]

    async def finished(self, ids: Sequence[JobId]) -> list[JobRecord]:
        """The jobs, once all have ended."""
        wanted = set(ids)
        await self.recorder.wait_for(JobFinished, lambda event: event.job_id in wanted, count=len(wanted))
        return [await self.parts.desk.job(job_id) for job_id in ids]

    async def run(self, *jobs: dict[str, Any]) -> list[JobRecord]:
        """Hand in jobs and see them through."""
        return await self.finished(await self.submit(*jobs))

    async def states(self, ids: Sequence[JobId]) -> list[JobState]:
        """Where the jobs stand."""
        return [(await self.parts.desk.job(job_id)).state for job_id in ids]

    def wake(self) -> None:
        """Let the gates look at the clock again."""
        self.parts.engine.reconfigure()

    async def settled_nanousd(self) -> int:
        """What the books say was spent."""
        return (await self.parts.shared.store.read(ledger.spend)).settled_nanousd

    async def book_mistakes(self) -> list[str]:
        """How the books differ from the twin's invoice."""
        invoice = {line.request_id: line.cost_nanousd for line in self.twin.invoice().lines}
        return await asyncio.to_thread(disagreements, self.store_path, invoice)


@asynccontextmanager
async def opened(
    folder: Path, twin: Twin | None = None, *, clock: WoundClock | None = None, config: Config | None = None
) -> AsyncIterator[Bench]:
    """A daemon that is built but does not work yet: see `Bench.start`."""
    clock = clock or WoundClock()
    config = config or a_config(folder)
    recorder, events = Recorder(), EventStream()
    events.listen(recorder.apply)
    async with parts(config, clock, events) as built:
        bench = Bench(built, twin or a_twin(clock), clock, recorder, Path(config.store.path))
        try:
            yield bench
        finally:
            await _stopped(bench)
    assert nameless(recorder.events) == []


def nameless(events: Iterable[Event]) -> list[Event]:
    """Events of one job that do not say who sent it: its sender would never be told of them."""
    return [
        event
        for event in events
        if getattr(event, "job_id", None) is not None
        and getattr(event, "kind", "message") == "message"
        and event.submitted_by is None  # type: ignore[union-attr]
    ]


async def _stopped(bench: Bench) -> None:
    bench.stop.set()
    bench.hurry.set()
    if bench.running is not None:
        async with asyncio.timeout(PATIENCE_S):
            await bench.running


@asynccontextmanager
async def running(
    folder: Path, twin: Twin | None = None, *, clock: WoundClock | None = None, config: Config | None = None
) -> AsyncIterator[Bench]:
    """A daemon at work."""
    async with opened(folder, twin, clock=clock, config=config) as bench:
        bench.start()
        yield bench


async def yield_to_others(times: int) -> None:
    """Let the other tasks run on, so many steps of the loop."""
    for _ in range(times):
        await asyncio.sleep(0)


async def until(fact: Callable[[], bool]) -> None:
    """Let the other tasks and the store's threads run on until the fact holds. Raises TimeoutError.

    A loop that never rests would keep the interpreter lock from those threads.
    """
    async with asyncio.timeout(PATIENCE_S):
        while not fact():
            await _rest()


async def _rest() -> None:
    await asyncio.sleep(LOOK_EVERY_S)

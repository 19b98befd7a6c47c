"""Run: the real daemon lives through a scenario, on the twin, in virtual time.

Real are the engine with all its policy, the desk, the store with its threads, and the SDK. Simulated
are the API (the twin, in process, below the SDK) and time. There is no socket: jobs come to the desk.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Protocol

import httpx2
import orjson

from claudeflow.claude.batches import BatchClient
from claudeflow.claude.client import ClaudeClient
from claudeflow.config import Config, StoreSettings
from claudeflow.daemon.shared import EventStream
from claudeflow.daemon.wiring import Parts, parts
from claudeflow.domain.errors import QueueFull
from claudeflow.domain.events import Event
from claudeflow.domain.job import JobId, JobState
from claudeflow.domain.report import Status
from claudeflow.intake.desks.desk import JobFilter
from claudeflow.intake.wire import parse_job
from claudeflow.simulation.arrivals import Arrival
from claudeflow.simulation.clock import SimulatedClock
from claudeflow.simulation.prompts import PromptFolder, write_prompts
from claudeflow.simulation.timeline import VirtualTimeLoop
from claudeflow.twin.clock import LoopClock
from claudeflow.twin.engine import Twin
from claudeflow.twin.meters import Meters
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.stats import Stats
from claudeflow.twin.transport import TwinTransport

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
PRODUCER = "simulation"


@dataclass(frozen=True, slots=True)
class Stage:
    """What a run needs: both sides of the wire, what arrives in order of time, and for how long (seconds).

    `epoch_s` is the date of its second 0. `prompts` are there beside those of the configuration.
    `store` is a new file in which the store is kept; without it nothing is.
    """

    config: Config
    twin: TwinSettings
    arrivals: Iterable[Arrival]
    epoch_s: float
    duration_s: float
    seed: int = 0
    prompts: tuple[PromptFolder, ...] = ()
    store: Path | None = None


class Watcher(Protocol):
    """Sees what happens. Times are virtual seconds since the start."""

    def begin(self, now_s: Callable[[], float]) -> None:
        """The run begins; `now_s` tells the time from now on."""
        ...

    def apply(self, event: Event) -> None:
        """Something happened in the daemon."""
        ...

    def sample(self, at_s: float, status: Status, meters: Meters) -> None:
        """How the daemon and the API stand at regular times."""
        ...

    def expected(self, job_id: JobId, goes_at_s: float) -> None:
        """`explain` was asked about a job that waits, and this is when it expects it to go."""
        ...

    def end(self, at_s: float, stats: Stats) -> None:
        """Nothing more will happen: the time is over, or somebody has stopped the run."""
        ...


def simulate(stage: Stage, watcher: Watcher, sample_every_s: float) -> None:
    """Run a stage to its end, or until KeyboardInterrupt (`watcher.end` is called then too)."""
    with (
        tempfile.TemporaryDirectory(prefix="claudeflow-simulation-", dir=_fast_folder()) as folder,
        asyncio.Runner(loop_factory=VirtualTimeLoop) as runner,
    ):
        config = _staged(stage, Path(folder))
        runner.run(_Run(replace(stage, config=config), watcher, sample_every_s).live())


def _staged(stage: Stage, folder: Path) -> Config:
    """The configuration with its store, and with the prompts of the stage, in a folder."""
    store = stage.store or folder / "store.db"
    config = replace(stage.config, store=StoreSettings(str(store)))
    if not stage.prompts:
        return config
    write_prompts(stage.prompts, folder / "prompts", beside=config.prompts.folder)
    return replace(config, prompts=replace(config.prompts, folder=str(folder / "prompts")))


def _fast_folder() -> str | None:
    """Where a store costs the least: nothing of it is kept."""
    return str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None


class _Run:
    def __init__(self, stage: Stage, watcher: Watcher, sample_every_s: float) -> None:
        self._stage = stage
        self._watcher = watcher
        self._sample_every_s = sample_every_s
        self._clock = SimulatedClock(stage.epoch_s, stage.seed)
        self._chance = Random(stage.seed)  # noqa: S311 - which job is asked about
        self._twin = Twin(replace(stage.twin, epoch_s=stage.epoch_s), LoopClock(stage.epoch_s))

    async def live(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        events = EventStream()
        events.listen(self._watcher.apply)
        self._twin.start()
        self._watcher.begin(loop.time)
        opened = parts(
            self._stage.config, self._clock, events, instance="simulation", hand_over=loop.hand_over
        )
        try:
            async with opened as built:
                await self._work(built)
        finally:
            self._watcher.end(loop.time(), self._twin.stats())

    async def _work(self, built: Parts) -> None:
        stop, hurry = asyncio.Event(), asyncio.Event()
        http = httpx2.AsyncClient(transport=TwinTransport(self._twin), timeout=None, trust_env=False)
        client = ClaudeClient(built.shared.config.api, PRODUCER, http_client=http)
        batches = BatchClient(built.shared.config.api, PRODUCER, http_client=http)
        async with asyncio.TaskGroup() as group:
            engine = group.create_task(built.engine.run(built.worker(client, batches), stop, hurry))
            outside = [
                group.create_task(self._submit_all(built, group)),
                group.create_task(self._sample_all(built)),
            ]
            await asyncio.sleep(self._stage.duration_s)
            for task in outside:
                task.cancel()
            hurry.set()
            stop.set()
            await engine
        await client.aclose()

    async def _submit_all(self, built: Parts, group: asyncio.TaskGroup) -> None:
        for arrival in self._stage.arrivals:
            await _sleep_until(arrival.at_s)
            group.create_task(self._submit(built, arrival))

    async def _submit(self, built: Parts, arrival: Arrival) -> None:
        """A producer hands in a job; where the lane is full it comes again as it was told."""
        desk = built.desk
        raw = orjson.dumps(arrival.job)
        while True:
            job = parse_job(raw, desk.catalog, now_ms=self._clock.epoch_ms(), submitted_by=PRODUCER)
            try:
                await desk.submit([job])
            except QueueFull as full:
                await asyncio.sleep(full.retry_after_s)
            else:
                return

    async def _sample_all(self, built: Parts) -> None:
        number = 0
        while True:
            await _sleep_until(number * self._sample_every_s)
            now_s = asyncio.get_running_loop().time()
            self._watcher.sample(now_s, await built.desk.status(), self._twin.meters())
            await self._ask_about_one(built)
            number += 1

    async def _ask_about_one(self, built: Parts) -> None:
        """What a person would do who wonders when a job's turn comes."""
        waiting = JobFilter(state=JobState.QUEUED, limit=1)
        for newest in await built.desk.list_jobs(waiting):
            below = 2 + int(self._chance.random() * newest.id)
            for record in await built.desk.list_jobs(replace(waiting, before_id=below)):
                told = await built.desk.queue.explain(record.id)
                if told.goes_at_ms is not None:
                    self._watcher.expected(record.id, told.goes_at_ms / 1000 - self._stage.epoch_s)


async def _sleep_until(at_s: float) -> None:
    delay_s = at_s - asyncio.get_running_loop().time()
    if delay_s > 0:
        await asyncio.sleep(delay_s)

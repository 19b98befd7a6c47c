"""What do three programs make of the same 429s? Arrivals go on while the API refuses everything.

- stubborn: 40 workers, each of which waits 2 s after a 429 and tries again; the SDK's retries are off
- SDK: 40 workers and the SDK as it comes, which tries twice more and heeds `retry-after`; what then
  still fails is lost
- claudeflow: the daemon with its default configuration

Each has a twin of its own; all three run at the same time.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import httpx2

from benchmarks.load import Producer, prepared
from benchmarks.processes import Daemon, daemon
from benchmarks.size import Size, number, table
from benchmarks.workload import job, request_body
from claudeflow.twin.child import twin_process
from claudeflow.twin.faults import Fault
from claudeflow.twin.settings import TwinSettings

RATE_PER_S = 20
WORKERS = 40
STUBBORN_PAUSE_S = 2.0
PATIENCE_S = 240.0


@dataclass(frozen=True, slots=True)
class Weather:
    """Arrivals for `arrivals_s`; from `from_s` to `until_s` everything gets 429."""

    arrivals_s: float
    from_s: int
    until_s: int

    @property
    def jobs(self) -> int:
        """How many jobs arrive."""
        return round(self.arrivals_s * RATE_PER_S)

    def twin(self) -> TwinSettings:
        """An API of this weather. `retry-after` always names the end of the episode."""
        faults = tuple(
            Fault("rate_429", from_s=second, until_s=second + 1, retry_after_s=self.until_s - second)
            for second in range(self.from_s, self.until_s)
        )
        return TwinSettings(
            rpm=4_000,
            itpm=4_000_000,
            otpm=800_000,
            flight_s=0.05,
            ttft_s=0.3,
            tokens_per_s=150.0,
            faults=faults,
        )


@dataclass(slots=True)
class Course:
    """How one program fares. Times count from the first arrival."""

    name: str
    url: str
    done: int = 0
    lost: int = 0
    drained_s: float = 0.0
    waiting: list[tuple[float, int]] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)


Handle = Callable[[int], Awaitable[None]]


def run(size: Size) -> Iterator[str]:
    """A table of what each did, and one of its queue over time."""
    weather = size.of(tiny=Weather(1.5, 1, 2), quick=Weather(30, 8, 18), full=Weather(60, 15, 40))
    yield (
        f"{RATE_PER_S} jobs/s for {weather.arrivals_s:g} s; from {weather.from_s} s to {weather.until_s} s "
        "every call gets 429 with a `retry-after` that names the end. An answer takes about 1.3 s."
    )
    courses = _watch(weather)
    yield table(("", *(course.name for course in courses)), _facts(courses, weather))
    yield table(("jobs not done after", *(course.name for course in courses)), _queues(courses, weather))


def _facts(courses: list[Course], weather: Weather) -> Iterator[list[str]]:
    refused = [course.stats["calls_by_status"].get("429", 0) for course in courses]
    yield ["calls that reached the API", *(number(course.stats["calls"], 0) for course in courses)]
    yield ["of them refused with 429", *(number(count, 0) for count in refused)]
    yield [
        "of them before `retry-after` had passed",
        *(str(course.stats["early_calls"]) for course in courses),
    ]
    yield ["most calls within 100 ms", *(str(course.stats["burst_max_100ms"]) for course in courses)]
    yield [
        "jobs lost",
        *(f"{course.lost} of {weather.jobs:,}" if course.lost else "none" for course in courses),
    ]
    yield [
        "all done, seconds after the last arrival",
        *(number(max(0.0, course.drained_s - weather.arrivals_s), 1) for course in courses),
    ]


def _queues(courses: list[Course], weather: Weather) -> Iterator[list[str]]:
    last = max(course.drained_s for course in courses)
    step = max(1, round(weather.arrivals_s / 12))
    for second in range(0, int(last) + step + 1, step):
        yield [f"{second} s", *(str(_waiting_at(course, second)) for course in courses)]


def _waiting_at(course: Course, second: float) -> int:
    return next((count for at, count in reversed(course.waiting) if at <= second), 0)


def _watch(weather: Weather) -> list[Course]:
    with ExitStack() as stack:
        urls = [stack.enter_context(twin_process(weather.twin())).address for _ in range(3)]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = stack.enter_context(daemon(folder, urls[2]))
        stubborn = Course("stubborn workers", urls[0])
        by_sdk = Course("SDK's own retries", urls[1])
        ours = Course("claudeflow", urls[2])
        asyncio.run(_run_all(weather, stubborn, by_sdk, ours, running))
        return [stubborn, by_sdk, ours]


async def _run_all(weather: Weather, stubborn: Course, by_sdk: Course, ours: Course, running: Daemon) -> None:
    async with (
        anthropic.AsyncAnthropic(api_key="bench", base_url=by_sdk.url) as patient,
        anthropic.AsyncAnthropic(api_key="bench", base_url=stubborn.url, max_retries=0) as impatient,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(_work(stubborn, weather, lambda _: _stubborn_call(impatient)))
        group.create_task(_work(by_sdk, weather, lambda _: _sdk_call(patient, by_sdk)))
        group.create_task(_through_daemon(ours, weather, running))
    for course in (stubborn, by_sdk, ours):
        async with httpx2.AsyncClient(trust_env=False) as client:
            course.stats = (await client.get(f"{course.url}/twin/stats")).json()


async def _stubborn_call(client: anthropic.AsyncAnthropic) -> None:
    while True:
        try:
            await client.messages.create(**request_body())
        except anthropic.RateLimitError:
            await asyncio.sleep(STUBBORN_PAUSE_S)
        else:
            return


async def _sdk_call(client: anthropic.AsyncAnthropic, course: Course) -> None:
    try:
        await client.messages.create(**request_body())
    except anthropic.RateLimitError:
        course.lost += 1


async def _work(course: Course, weather: Weather, handle: Handle) -> None:
    """Let workers take jobs as they arrive, until all have been handled."""
    arrived: asyncio.Queue[int | None] = asyncio.Queue()

    async def work() -> None:
        while (number := await arrived.get()) is not None:
            await handle(number)
            course.done += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work())
        watching = group.create_task(_watch_queue(course, weather))
        await _arrivals(weather, arrived.put)
        for _ in range(WORKERS):
            arrived.put_nowait(None)
        await watching


async def _through_daemon(course: Course, weather: Weather, running: Daemon) -> None:
    producer, request = Producer(running.socket), prepared(job())
    await producer.open()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(_watch_queue(course, weather, running))
        await _arrivals(weather, lambda _: producer.post(request))
        await watching
    await producer.close()


async def _arrivals(weather: Weather, arrive: Handle) -> None:
    began = time.monotonic()
    for count in range(weather.jobs):
        await arrive(count)
        await asyncio.sleep(max(0.0, began + (count + 1) / RATE_PER_S - time.monotonic()))


async def _watch_queue(course: Course, weather: Weather, running: Daemon | None = None) -> None:
    """Note twice a second how many jobs have arrived and are not done."""
    began = time.monotonic()
    while (elapsed_s := time.monotonic() - began) < PATIENCE_S:
        if running is not None:
            course.done = await asyncio.to_thread(running.finished)
        arrived = min(weather.jobs, int(elapsed_s * RATE_PER_S) + 1)
        course.waiting.append((elapsed_s, max(0, arrived - course.done)))
        course.drained_s = elapsed_s
        if course.done >= weather.jobs:
            return
        await asyncio.sleep(0.25)

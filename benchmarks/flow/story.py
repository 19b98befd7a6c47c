"""The morning at 10:17, lived through by three programs: 12 minutes in which others take most of the limits.

- a fixed pause: 40 workers, each of which waits 2 s after a 429 and tries again
- the SDK: 40 workers with its own retries, as they come; what still fails goes to the queue's end
- claudeflow with its default configuration

All of them on the same twin with the same arrivals.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import anthropic
import httpx2

from benchmarks.flow.loads import A_TUESDAY_S, Work, around, backlog, lived, stream
from benchmarks.flow.witness import Witness
from benchmarks.size import Size, number, table
from claudeflow.simulation.arrivals import Arrival
from claudeflow.simulation.timeline import VirtualTimeLoop
from claudeflow.twin.clock import LoopClock
from claudeflow.twin.consumers import Consumer
from claudeflow.twin.engine import Twin
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.transport import TwinTransport

WAITING_AT_FIRST = 118
ARRIVALS_PER_S = 3.05
RPM = 240
TAKEN_SHARE = 0.8
EVENT_FROM_S, EVENT_UNTIL_S = 300.0, 1_020.0
END_S = 3_600.0
WORKERS = 40
FIXED_PAUSE_S = 2.0
TOKENS = around(1_200, 250, 0.4)
"""12 s each: 40 workers are about what the limits let through."""
TWIN = TwinSettings(
    rpm=RPM,
    itpm=2_000_000,
    otpm=400_000,
    ttft_s=2.0,
    tokens_per_s=30.0,
    consumers=(Consumer(share=TAKEN_SHARE, from_s=EVENT_FROM_S, until_s=EVENT_UNTIL_S),),
)

Depth = list[tuple[float, int]]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program came through: its queue at each change, and what the API saw of it."""

    program: str
    depth: Depth
    calls: int
    refused: int
    early: int

    @property
    def deepest(self) -> int:
        """The longest queue."""
        return max(depth for _, depth in self.depth)

    @property
    def calm_again_s(self) -> float:
        """Seconds from the event's end until the queue is as short as it was at first."""
        after = (at_s for at_s, depth in self.depth if at_s >= EVENT_UNTIL_S and depth <= WAITING_AT_FIRST)
        return next(after, END_S) - EVENT_UNTIL_S


def jobs_of_the_morning(seed: int, end_s: float = END_S) -> Iterator[Arrival]:
    """What waits at first and what comes."""
    yield from backlog(Work(TOKENS, "left-over"), WAITING_AT_FIRST, seed)
    yield from stream(Work(TOKENS, "morning"), ARRIVALS_PER_S, seed, 0.0, end_s)


def the_morning(seed: int, end_s: float = END_S) -> Witness:
    """What the real daemon makes of it."""
    return lived(TWIN, jobs_of_the_morning(seed, end_s), end_s, seed)


def with_claudeflow(seed: int, end_s: float = END_S) -> Ending:
    """The real daemon."""
    witness = the_morning(seed, end_s)
    assert witness.stats is not None
    stats = witness.stats
    return Ending("claudeflow", witness.depth(), stats.calls, witness.throttled(), stats.early_calls)


def with_a_fixed_pause(seed: int, end_s: float = END_S) -> Ending:
    """40 workers with a loop around each call."""
    return _with_workers("fixed pause of 2 s", seed, end_s, retries=0, pause_s=FIXED_PAUSE_S)


def with_the_sdk(seed: int, end_s: float = END_S) -> Ending:
    """40 workers that rely on the SDK's retries."""
    return _with_workers("SDK defaults", seed, end_s, retries=anthropic.DEFAULT_MAX_RETRIES, pause_s=0.0)


def _with_workers(program: str, seed: int, end_s: float, *, retries: int, pause_s: float) -> Ending:
    random.seed(seed)  # the SDK's jitter
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_Crew(seed, retries, pause_s).work(program, end_s))


class _Crew:
    """Workers over one queue. With a pause they stick to a job; without one it goes to the end."""

    def __init__(self, seed: int, retries: int, pause_s: float) -> None:
        self._jobs = jobs_of_the_morning(seed)
        self._pause_s = pause_s
        self._queue: deque[dict[str, Any]] = deque()
        self._arrived = asyncio.Semaphore(0)
        self._depth: Depth = []
        self._waiting = 0
        self._twin = Twin(replace(TWIN, seed=seed), LoopClock(A_TUESDAY_S))
        http = httpx2.AsyncClient(transport=TwinTransport(self._twin), timeout=None, trust_env=False)
        self._sdk = anthropic.AsyncAnthropic(
            api_key="k", base_url="http://api.test", max_retries=retries, http_client=http
        )

    async def work(self, program: str, end_s: float) -> Ending:
        self._twin.start()
        tasks = [asyncio.create_task(self._worker()) for _ in range(WORKERS)]
        tasks.append(asyncio.create_task(self._producer()))
        await asyncio.sleep(end_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        stats = self._twin.stats()
        return Ending(program, self._depth, stats.calls, stats.calls_by_status.get(429, 0), stats.early_calls)

    async def _producer(self) -> None:
        for arrival in self._jobs:
            await asyncio.sleep(arrival.at_s - asyncio.get_running_loop().time())
            self._change(+1)
            self._put(dict(arrival.job["request"]))

    async def _worker(self) -> None:
        while True:
            await self._arrived.acquire()
            request = self._queue.popleft()
            if await self._answered(request):
                self._change(-1)
            else:
                self._put(request)

    async def _answered(self, request: dict[str, Any]) -> bool:
        while True:
            try:
                await self._sdk.messages.create(**request)
            except anthropic.RateLimitError:
                if not self._pause_s:
                    return False
                await asyncio.sleep(self._pause_s)
            else:
                return True

    def _put(self, request: dict[str, Any]) -> None:
        self._queue.append(request)
        self._arrived.release()

    def _change(self, jobs: int) -> None:
        self._waiting += jobs
        self._depth.append((asyncio.get_running_loop().time(), self._waiting))


PROGRAMS: tuple[Callable[[int, float], Ending], ...] = (with_a_fixed_pause, with_the_sdk, with_claudeflow)


def run(size: Size) -> Iterator[str]:
    """The table of one morning."""
    end_s = size.of(tiny=60.0, quick=END_S, full=END_S)
    endings = [program(1, end_s) for program in PROGRAMS]
    yield table(
        ("program", "deepest queue", "calm again after, min", "calls", "answered 429", "before retry-after"),
        [
            (
                ending.program,
                number(ending.deepest, 0),
                number(ending.calm_again_s / 60, 1),
                number(ending.calls, 0),
                number(ending.refused, 0),
                number(ending.early, 0),
            )
            for ending in endings
        ],
    )

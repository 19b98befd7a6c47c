"""One twin as the benchmark sees it: used up before the start, and read when all is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from benchmarks.peers.programs.stage import MODEL, request
from benchmarks.peers.scenes import RPM

DRAINERS = 60
HEADERS = {"x-api-key": "bench", "anthropic-version": "2023-06-01"}
SHORT = {"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "Another consumer."}]}
MARK = 400
"""An empty body is refused with this status, counts for nothing, and marks the start among the calls."""
BURST_S = 0.1
TIMEOUT = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True, slots=True)
class Before:
    """How the twin stood at the start: calls and early calls so far, and requests left in the bucket."""

    calls: int
    early: int
    level: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """What reached the twin since the start; moments in seconds since then."""

    level: float
    early: int
    granted_at: tuple[float, ...]
    refused_at: tuple[float, ...]

    def granted_between(self, from_s: float, until_s: float) -> int:
        """How many calls were let through meanwhile."""
        return sum(from_s <= moment < until_s for moment in self.granted_at)

    def worst_burst(self) -> int:
        """The most calls within any 100 ms."""
        moments = sorted(self.granted_at + self.refused_at)
        worst = first = 0
        for last, moment in enumerate(moments):
            while moment - moments[first] >= BURST_S:
                first += 1
            worst = max(worst, last - first + 1)
        return worst


class Api:
    """Talks to one twin over HTTP. To be used as an async context manager."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Api:
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(connector=connector, headers=HEADERS, timeout=TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def answer_times(self, calls: int) -> list[float]:
        """How long ordinary calls take that nothing holds up, in seconds."""
        return await asyncio.gather(*(self._timed_call(number) for number in range(calls)))

    async def use_up(self) -> None:
        """Make calls, as another consumer of the same organisation, until one is refused."""
        refused = asyncio.Event()
        await asyncio.gather(*(self._use(refused) for _ in range(DRAINERS)))

    async def start(self, script: dict[str, object] | None) -> Before:
        """Put a fault script in force, whose time counts from now; how things stand."""
        if script is not None:
            async with self._session.post(f"{self._url}/twin/faults", json=script) as answer:
                answer.raise_for_status()
        stats = await self._stats()
        await self._post({})
        level = max((pool["requests"]["level"] for pool in stats["pools"].values()), default=float(RPM))
        return Before(stats["calls"], stats["early_calls"], level)

    async def traffic_since(self, before: Before) -> Traffic:
        """Everything that arrived after the start."""
        async with self._session.get(f"{self._url}/twin/calls") as answer:
            lines = [orjson.loads(line) for line in (await answer.read()).splitlines()]
        ours = lines[before.calls :]
        began = next(line["at_s"] for line in _with_status(ours, MARK))
        stats = await self._stats()
        return Traffic(
            before.level,
            stats["early_calls"] - before.early,
            tuple(line["at_s"] - began for line in _with_status(ours, 200)),
            tuple(line["at_s"] - began for line in _with_status(ours, 429)),
        )

    async def _stats(self) -> dict[str, Any]:
        async with self._session.get(f"{self._url}/twin/stats") as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def _timed_call(self, number: int) -> float:
        began = time.monotonic()
        await self._post(request(-1 - number))
        return time.monotonic() - began

    async def _use(self, refused: asyncio.Event) -> None:
        while not refused.is_set():
            if await self._post(SHORT) == 429:
                refused.set()

    async def _post(self, body: dict[str, Any]) -> int:
        async with self._session.post(f"{self._url}/v1/messages", json=body) as answer:
            await answer.read()
            return answer.status


def _with_status(lines: list[dict[str, Any]], status: int) -> Iterator[dict[str, Any]]:
    return (line for line in lines if line["status"] == status)

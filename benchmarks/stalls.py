"""For how long does the event loop do nothing else, while work comes in from all sides?

Jobs one by one at a steady rate, now and then a large NDJSON request, and somebody who asks for the
status. A heart in the daemon's own loop notes every late beat.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvloop

from benchmarks.load import Producer, prepared
from benchmarks.machine import rss_mb
from benchmarks.processes import Daemon, daemon, fake_api, unlimited
from benchmarks.size import Size, number, table
from benchmarks.workload import job, jobs

PROBED = (sys.executable, "-m", "benchmarks.probed_daemon")
RATE_PER_S = 300
TICK_S = 0.01
LATENCY_S = 1.0
BULK_EVERY_S = 15.0
BULK_JOBS = 500
STATUS_EVERY_S = 2.0
IN_FLIGHT = 2_000


@dataclass(frozen=True, slots=True)
class Stall:
    """The loop came late: by so much, and used so much CPU meanwhile."""

    at: float
    late_s: float
    cpu_s: float


def run(size: Size) -> Iterator[str]:
    """One table."""
    seconds = 60 * size.minutes
    with fake_api(LATENCY_S) as api, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with daemon(folder, api.url, unlimited(IN_FLIGHT), program=PROBED) as running:
            began = time.monotonic()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_load(running, seconds))
            ended = time.monotonic()
            done, memory_mb = running.finished(), rss_mb(running.pid, peak=True)
        stalls = [stall for stall in _stalls(folder) if began <= stall.at <= ended]
    yield (
        f"{seconds / 60:g} minutes: {RATE_PER_S} jobs/s one by one, {BULK_JOBS} more at once every "
        f"{BULK_EVERY_S:g} s, status every {STATUS_EVERY_S:g} s; answers after {LATENCY_S:g} s. "
        f"{done:,} jobs done, peak RSS {memory_mb:,.0f} MB."
    )
    yield table(
        ("beats that came late by", "how many", "of them with as much CPU of the loop"), _rows(stalls)
    )
    yield _longest(stalls)


def _rows(stalls: list[Stall]) -> Iterator[list[str]]:
    for most_ms in (2, 5, 10, 20, 50, 100):
        late = [stall for stall in stalls if 1000 * stall.late_s > most_ms]
        ours = [stall for stall in late if 1000 * stall.cpu_s > most_ms]
        yield [f"more than {most_ms} ms", number(len(late), 0), number(len(ours), 0)]


def _longest(stalls: list[Stall]) -> str:
    latest = max((stall.late_s for stall in stalls), default=0.0)
    busiest = max((min(stall.late_s, stall.cpu_s) for stall in stalls), default=0.0)
    return (
        f"Longest: {1000 * latest:.1f} ms; longest that the loop's own CPU explains: {1000 * busiest:.1f} ms."
    )


def _stalls(folder: Path) -> list[Stall]:
    lines = (folder / "stalls.jsonl").read_text(encoding="utf-8").splitlines()
    return [Stall(**orjson.loads(line)) for line in lines]


async def _load(running: Daemon, seconds: float) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_steady(running, seconds))
        group.create_task(asyncio.to_thread(_now_and_then, running, seconds))


async def _steady(running: Daemon, seconds: float) -> None:
    """Submit jobs one by one at the agreed rate, whatever the daemon makes of it."""
    producers = [Producer(running.socket) for _ in range(max(1, round(RATE_PER_S * TICK_S)))]
    for producer in producers:
        await producer.open()
    request, loop = prepared(job()), asyncio.get_running_loop()
    began = loop.time()
    for tick in range(round(seconds / TICK_S)):
        await asyncio.gather(*(producer.post(request) for producer in producers))
        await asyncio.sleep(max(0.0, began + (tick + 1) * TICK_S - loop.time()))
    for producer in producers:
        await producer.close()


def _now_and_then(running: Daemon, seconds: float) -> None:
    """Ask for the status, and submit many jobs at once."""
    bulk, began, next_bulk_s = jobs(BULK_JOBS), time.monotonic(), 0.0
    while (elapsed_s := time.monotonic() - began) < seconds:
        if elapsed_s >= next_bulk_s:
            running.submit(bulk)
            next_bulk_s += BULK_EVERY_S
        running.finished()
        time.sleep(min(STATUS_EVERY_S, max(0.0, seconds - elapsed_s)))

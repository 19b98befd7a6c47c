"""How fast is the store alone, and does it get slower with a long queue in it?

One cycle is what a job needs: submitted, claimed with its call, settled with result, attempt and
call; each step acknowledged only when it is on the disk.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import orjson
import uvloop

from benchmarks.fake_api import MESSAGE, USAGE
from benchmarks.machine import measured_core, other_core
from benchmarks.size import Size, spread, table
from benchmarks.workload import MODEL, request_body
from claudeflow.domain.attempt import Reply, Succeeded
from claudeflow.domain.job import Job, JobState, NewJob
from claudeflow.domain.usage import Bill, Usage
from claudeflow.store import claims, ledger
from claudeflow.store import jobs as store_jobs
from claudeflow.store.database import Database
from claudeflow.store.ledger import CallEnd, Finish

POOL = "haiku-5.x"
BODY = orjson.dumps(request_body())
ANSWER = orjson.dumps(MESSAGE)
FILL_CHUNK = 1_000


def run(size: Size) -> Iterator[str]:
    """One row per depth of the queue."""
    depths = size.of(tiny=(10,), quick=(1_000, 20_000), full=(1_000, 100_000))
    at_once = size.of(tiny=(4,), quick=(1, 64), full=(1, 64))
    os.sched_setaffinity(0, {measured_core()})
    rows = [_row(depth, at_once, size) for depth in depths]
    os.sched_setaffinity(0, {other_core()})
    yield table(("jobs queued", *(f"cycles/s, {n} at once" for n in at_once), "MB on disk"), rows)


def _row(depth: int, at_once: tuple[int, ...], size: Size) -> list[str]:
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        path = Path(folder) / "store.db"
        speeds = runner.run(_measure(path, depth, at_once, size))
        megabytes = path.stat().st_size / 1e6
    return [f"{depth:,}", *(spread(speed, 0) for speed in speeds), f"{megabytes:,.0f}"]


async def _measure(path: Path, depth: int, at_once: tuple[int, ...], size: Size) -> list[list[float]]:
    cycles = size.of(tiny=8, quick=2_000, full=5_000)
    found: list[list[float]] = [[] for _ in at_once]
    async with Database(path) as store:
        await _fill(store, depth)
        for _ in range(size.rounds):
            for speeds, workers in zip(found, at_once, strict=True):
                total = cycles if workers > 1 else cycles // 4
                speeds.append(await _cycles_per_s(store, total, workers))
    return found


async def _fill(store: Database, depth: int) -> None:
    for at in range(0, depth, FILL_CHUNK):
        await _submit(store, "backlog", min(FILL_CHUNK, depth - at))


async def _cycles_per_s(store: Database, total: int, workers: int) -> float:
    left = iter(range(total))

    async def work() -> None:
        for _ in left:
            await _cycle(store)

    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return total / (time.perf_counter() - began_s)


async def _cycle(store: Database) -> None:
    accepted = (await _submit(store, "bench", 1))[0]
    assert accepted.candidate is not None
    claim = claims.Claim(accepted.candidate, POOL, 1_000_000)
    lease_until_ms = _now_ms() + 60_000
    work = partial(
        claims.claim, claims=[claim], owner="bench", lease_until_ms=lease_until_ms, now_ms=_now_ms()
    )
    [[job]] = await store.write(work)
    assert await store.write(partial(_record, job=job))


async def _submit(store: Database, workflow: str, count: int) -> list[store_jobs.Accepted]:
    new = NewJob("standard", workflow, MODEL, POOL, 500, BODY, len(BODY))
    work = partial(
        store_jobs.submit, jobs=[new] * count, templates={}, now_ms=_now_ms(), queue_bounds={"standard": 0}
    )
    return await store.write(work)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _record(raw: sqlite3.Connection, job: Job) -> bool:
    usage = Usage(input_tokens=480, output_tokens=120)
    reply = Reply(
        Succeeded("end_turn"), http_status=200, usage=usage, raw_usage=orjson.dumps(USAGE), message=ANSWER
    )
    end = CallEnd(
        "succeeded", reply, Bill(1_080_000, 1_080_000, 1_080_000, 1_080_000), None, used_attempt=True
    )
    return ledger.record(raw, job, end, Finish(JobState.SUCCEEDED, "end_turn"), _now_ms())

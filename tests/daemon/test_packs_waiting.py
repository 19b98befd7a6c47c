"""Packs and time: who waits for company and for how long, and who waits for a cold prompt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from claudeflow.domain.events import CallEnded, OwnTrouble
from claudeflow.domain.job import JobId, JobState
from claudeflow.policy.limits.settings import PoolLimits
from claudeflow.twin.faults import Fault
from tests.support.packing import a_packing_config, pack_table, tickets
from tests.support.virtual import VirtualBench, a_virtual_twin, in_virtual_time, living

MAX_WAIT_S = 4.0
CALL_S = 0.5
GAP_S = 0.4
"""With calls of half a second the lane is always busy."""
BUSY_RPM, IDLE_RPM = 60, 60_000


@asynccontextmanager
async def a_pool(folder: Path, rpm: int, **table: Any) -> AsyncIterator[VirtualBench]:
    """A daemon whose pool has so many requests a minute."""
    rules = pack_table(**{"items": 5, "wait_s": MAX_WAIT_S, **table})
    config = a_packing_config(folder, rules, limits=PoolLimits(rpm, 10**9, 10**9))
    twin = a_virtual_twin(rpm=rpm, ttft_s=CALL_S, latency_sigma=0.0)
    async with living(folder, twin, config=config) as bench:
        yield bench


async def one_by_one(
    bench: VirtualBench, jobs: Sequence[dict[str, Any]], gap_s: float = GAP_S
) -> list[JobId]:
    """Hand in a job after the other."""
    ids = []
    for job in jobs:
        ids += await bench.submit(job)
        await asyncio.sleep(gap_s)
    return ids


async def waits_s(bench: VirtualBench, ids: Sequence[JobId]) -> list[float]:
    """How long each job waited for its call; all have succeeded."""
    records = await bench.records(ids)
    assert {record.state for record in records} == {JobState.SUCCEEDED}
    assert not bench.recorder.of(OwnTrouble)
    return [((record.started_ms or 0) - record.submitted_ms) / 1000 for record in records]


def packs(bench: VirtualBench) -> list[int]:
    """How many jobs each shared call had."""
    return [call.jobs for call in bench.recorder.of(CallEnded) if call.kind == "pack"]


def test_in_a_pool_with_room_nobody_waits(tmp_path: Path) -> None:
    async def scene() -> None:
        async with a_pool(tmp_path, IDLE_RPM) as bench:
            ids = await one_by_one(bench, tickets(40))
            await asyncio.sleep(10)
            assert sum(waits_s > 0 for waits_s in await waits_s(bench, ids)) <= 1, "the first one led"
            assert packs(bench) == []

    in_virtual_time(scene)


def test_under_pressure_packs_fill_and_a_full_one_goes_at_once(tmp_path: Path) -> None:
    async def scene() -> None:
        async with a_pool(tmp_path, BUSY_RPM) as bench:
            ids = await one_by_one(bench, tickets(60))
            await asyncio.sleep(20)
            waited_s = await waits_s(bench, ids)
            assert packs(bench)[-5:] == [5] * 5
            assert max(waited_s) <= MAX_WAIT_S
            assert waited_s[-5:] == [1.6, 1.2, 0.8, 0.4, 0.0]

    in_virtual_time(scene)


def test_who_waits_in_vain_goes_when_the_oldest_has_waited_long_enough(tmp_path: Path) -> None:
    async def scene() -> None:
        async with a_pool(tmp_path, BUSY_RPM) as bench:
            await one_by_one(bench, tickets(45))
            late = await bench.submit(*tickets(2))
            await asyncio.sleep(0.1)
            found = await bench.parts.desk.queue.explain(late[0])
            assert found.rule == "pack_fill"
            assert found.why == "it waits for others to share its call: 2 jobs of 5 so far"
            assert found.until_ms is not None
            await asyncio.sleep(30)
            assert [round(waited, 1) for waited in await waits_s(bench, late)] == [MAX_WAIT_S] * 2
            assert packs(bench)[-1] == 2

    in_virtual_time(scene)


def test_nobody_waits_for_company_past_the_moment_that_its_deadline_needs(tmp_path: Path) -> None:
    async def scene() -> None:
        async with a_pool(tmp_path, BUSY_RPM // 2, wait_s=30.0, items=20) as bench:
            await one_by_one(bench, tickets(60))
            before = len(packs(bench))
            while len(packs(bench)) <= before:
                await one_by_one(bench, tickets(1))
            urgent = await bench.submit(*tickets(1, deadline="+5s"))
            await asyncio.sleep(0.1)
            assert (await bench.parts.desk.queue.explain(urgent[0])).rule == "pack_fill"
            await one_by_one(bench, tickets(15))
            await asyncio.sleep(60)
            [waited_s] = await waits_s(bench, urgent)
            assert 1 < waited_s <= 5 - CALL_S

    in_virtual_time(scene)


def test_a_job_whose_deadline_a_pack_would_miss_goes_alone(tmp_path: Path) -> None:
    async def scene() -> None:
        config = a_packing_config(tmp_path, pack_table(10))
        twin = a_virtual_twin(tokens_per_s=50.0, latency_sigma=0.0)
        async with living(tmp_path, twin, config=config) as bench:
            await bench.submit(*tickets(40))
            await asyncio.sleep(60)
            assert packs(bench)
            first = await bench.submit(*tickets(1, deadline="+5s"), *tickets(5))
            await asyncio.sleep(60)
            second = await bench.submit(*tickets(5, priority=1), *tickets(1, deadline="+5s"))
            await asyncio.sleep(60)
            assert await bench.states([*first, *second]) == {JobState.SUCCEEDED}
            for urgent in (first[0], second[-1]):
                [row] = await bench.parts.desk.attempts(urgent)
                assert row.items == 1
            assert packs(bench)[-2:] == [5, 5]

    in_virtual_time(scene)


def test_one_pack_writes_a_cold_prompt_and_the_others_wait_for_it(tmp_path: Path) -> None:
    async def scene() -> None:
        config = a_packing_config(tmp_path, pack_table(10))
        twin = a_virtual_twin(ttft_s=3.0, latency_sigma=0.0)
        async with living(tmp_path, twin, config=config) as bench:
            ids = await bench.submit(*tickets(60))
            await asyncio.sleep(1)
            assert len(bench.door.came_s) == 1
            found = await bench.parts.desk.queue.explain(ids[-1])
            assert found.rule == "pack_cold"
            await asyncio.sleep(20)
            assert packs(bench) == [10] * 6
            writes = [call.usage.cache_write_5m_tokens > 0 for call in bench.recorder.of(CallEnded)]
            assert writes == [True, *[False] * 5]
            assert max(await waits_s(bench, ids)) < 4

    in_virtual_time(scene)


def test_a_writer_that_fails_is_followed_by_another_at_once(tmp_path: Path) -> None:
    async def scene() -> None:
        config = a_packing_config(tmp_path, pack_table(10))
        fault = Fault("error_500", calls=(1, 1))
        twin = a_virtual_twin(ttft_s=3.0, latency_sigma=0.0, faults=(fault,))
        async with living(tmp_path, twin, config=config) as bench:
            ids = await bench.submit(*tickets(40))
            await asyncio.sleep(40)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            assert bench.door.came_s[-1] < 20
            assert [call.jobs for call in bench.recorder.of(CallEnded)][:1] == [10]

    in_virtual_time(scene)


def test_a_long_queue_behind_a_cold_prompt_goes_in_full_packs(tmp_path: Path) -> None:
    async def scene() -> None:
        config = a_packing_config(tmp_path, pack_table(50))
        twin = a_virtual_twin(ttft_s=3.0, latency_sigma=0.0)
        async with living(tmp_path, twin, config=config) as bench:
            ids = await bench.submit(*(tickets(800) * 2))
            await asyncio.sleep(30)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            assert packs(bench) == [50] * 32

    in_virtual_time(scene)

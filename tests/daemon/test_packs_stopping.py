"""Packs and those who stop them: cancelling, moving and holding their jobs, and the end of the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from claudeflow.config import DaemonSettings
from claudeflow.domain.events import JobFinished
from claudeflow.domain.hold import Scope, ScopeKind
from claudeflow.domain.job import JobId, JobRecord, JobState
from tests.support.books import calls_of, reading
from tests.support.clocks import WoundClock
from tests.support.daemons import Bench, a_twin, opened, running, until, yield_to_others
from tests.support.packing import (
    OnTheWay,
    a_packing_config,
    answers_of,
    pack_table,
    packs_of,
    singles_of,
    tickets,
    uneven_calls,
)
from tests.support.stuck import stuck_writer
from tests.support.virtual import refused


@asynccontextmanager
async def pack_on_its_way(folder: Path) -> AsyncIterator[tuple[Bench, OnTheWay, list[JobId]]]:
    """Five jobs that share a call, which has left and has no answer yet."""
    async with opened(folder, config=a_packing_config(folder, pack_table(5))) as bench:
        ids = await bench.submit(*tickets(5))
        way = OnTheWay(bench.twin)
        way.may_pass.clear()
        bench.start(way)
        await until(lambda: bool(way.packed))
        yield bench, way, ids
        way.may_pass.set()


async def cancelling(bench: Bench, job_id: JobId) -> asyncio.Task[JobRecord]:
    """Somebody has cancelled a job and waits to see it stop."""
    assert bench.parts.engine.interrupt(job_id)
    return asyncio.create_task(bench.parts.desk.cancel(job_id))


async def test_a_cancelled_job_of_a_pack_stops_alone(tmp_path: Path) -> None:
    async with pack_on_its_way(tmp_path) as (bench, way, ids):
        task = await cancelling(bench, ids[1])
        way.may_pass.set()
        records = await bench.finished(ids)
        await task
        assert [record.state for record in records] == [
            JobState.SUCCEEDED,
            JobState.CANCELLED,
            *[JobState.SUCCEEDED] * 3,
        ]
        answers = await answers_of(bench, ids)
        assert [answer is None for answer in answers] == [False, True, False, False, False]
        [row] = await bench.parts.desk.attempts(ids[1])
        assert row.outcome == "interrupted"
        assert row.cost_nanousd > 0, "its part was paid for"
        assert len(packs_of(bench)) == 1
        assert await bench.book_mistakes() == []
        assert uneven_calls(bench.store_path) == []


async def test_when_all_jobs_of_a_pack_are_cancelled_its_call_is_stopped(tmp_path: Path) -> None:
    async with pack_on_its_way(tmp_path) as (bench, _, ids):
        found = await asyncio.gather(*(bench.parts.desk.cancel(job_id) for job_id in ids))
        assert {record.state for record in found} == {JobState.CANCELLED}
        [call] = calls_of(bench.store_path)
        assert call.state == "unknown"


async def test_a_cancelled_job_of_a_pack_that_fails_is_not_tried_again(tmp_path: Path) -> None:
    async with opened(tmp_path, config=a_packing_config(tmp_path, pack_table(3))) as bench:
        ids = await bench.submit(*tickets(3))
        failures = [refused(529, "overloaded_error", "Overloaded")]
        way = OnTheWay(bench.twin, lambda _, packed: failures.pop() if packed and failures else None)
        way.may_pass.clear()
        bench.start(way)
        await until(lambda: bool(way.packed))
        task = await cancelling(bench, ids[0])
        way.may_pass.set()
        records = await bench.finished(ids)
        await task
        assert [record.state for record in records] == [JobState.CANCELLED, *[JobState.SUCCEEDED] * 2]
        assert [call.jobs for call in packs_of(bench)] == [3, 2]


async def test_jobs_that_are_gone_when_a_pack_is_claimed_are_left_out(tmp_path: Path) -> None:
    """Even the one for which the pack was formed: when it fails, nobody waits for that one to lead."""
    async with opened(tmp_path, config=a_packing_config(tmp_path, pack_table(4))) as bench:
        ids = await bench.submit(*tickets(4))
        failures = [refused(529, "overloaded_error", "Overloaded")]
        async with stuck_writer(bench.parts.shared.store):
            stopping = [asyncio.create_task(bench.parts.desk.cancel(job_id)) for job_id in (ids[0], ids[2])]
            await yield_to_others(3)
            bench.start(
                OnTheWay(bench.twin, lambda _, packed: failures.pop() if packed and failures else None)
            )
            await yield_to_others(20)
        await asyncio.gather(*stopping)
        records = await bench.finished(ids)
        assert [record.state.value for record in records] == ["cancelled", "succeeded"] * 2
        assert [call.jobs for call in packs_of(bench)] == [2, 2]
        assert await bench.book_mistakes() == []


async def test_a_job_that_is_held_by_itself_is_in_no_pack(tmp_path: Path) -> None:
    async with opened(tmp_path, config=a_packing_config(tmp_path)) as bench:
        ids = await bench.submit(*tickets(4))
        scope = Scope(ScopeKind.JOB, str(ids[2]))
        await bench.parts.keeper.hold(scope, "looked at", None, "anna")
        bench.start()
        others = [ids[0], ids[1], ids[3]]
        await bench.finished(others)
        [pack] = packs_of(bench)
        assert pack.jobs == 3
        assert await bench.parts.desk.attempts(ids[2]) == []


async def test_a_job_that_was_moved_is_packed_with_those_of_its_lane(tmp_path: Path) -> None:
    async with opened(tmp_path, config=a_packing_config(tmp_path)) as bench:
        ids = await bench.submit(*tickets(5))
        for job_id in ids[:2]:
            await bench.parts.desk.queue.move(job_id, lane="bulk", priority=None)
        bench.start()
        await bench.finished(ids)
        assert sorted((call.lane, call.jobs) for call in packs_of(bench)) == [("bulk", 2), ("interactive", 3)]


async def test_the_most_urgent_jobs_go_in_the_first_pack(tmp_path: Path) -> None:
    async with opened(tmp_path, config=a_packing_config(tmp_path, pack_table(3))) as bench:
        ids = await bench.submit(*tickets(6), *tickets(3, priority=50))
        bench.start()
        await bench.finished(ids)
        [row] = await bench.parts.desk.attempts(ids[6])
        assert set(row.shared_with) == set(ids[7:])


async def test_a_stop_waits_for_packs_and_claims_nothing_more(tmp_path: Path) -> None:
    async with pack_on_its_way(tmp_path) as (bench, way, ids):
        bench.stop.set()
        await yield_to_others(5)
        way.may_pass.set()
        stopped = await bench.drained()
        assert stopped.released_jobs == 0
        assert set(await bench.states(ids)) == {JobState.SUCCEEDED}
        assert await bench.book_mistakes() == []


async def test_when_grace_is_over_all_jobs_of_a_pack_return_to_the_queue(tmp_path: Path) -> None:
    clock = WoundClock()
    config = a_packing_config(tmp_path, daemon=DaemonSettings(grace_s=0.05))
    twin = a_twin(clock, ttft_s=3600.0, latency_sigma=0.0)
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        ids = await bench.submit(*tickets(5))
        await until(lambda: twin.stats().in_flight == 1)
        assert (await bench.drained()).released_jobs == 5
        for job_id in ids:
            record = await bench.parts.desk.job(job_id)
            assert (record.state, record.attempts, record.tries) == (JobState.QUEUED, 0, 1)
        [call] = calls_of(bench.store_path)
        assert call.state == "unknown"
        assert call.reserved_nanousd > 0


async def die(folder: Path) -> list[JobId]:
    """A daemon dies with a pack on its way; the ids of its jobs."""
    async with pack_on_its_way(folder) as (bench, _, ids):
        assert bench.running is not None
        bench.running.cancel()
        with suppress(asyncio.CancelledError):
            await bench.running
        bench.running = None
        return ids


async def test_after_a_crash_all_jobs_of_a_pack_are_queued_and_its_call_is_unknown(tmp_path: Path) -> None:
    ids = await die(tmp_path)
    async with opened(tmp_path, config=a_packing_config(tmp_path, pack_table(5))) as bench:
        assert (bench.parts.recovered.requeued, bench.parts.recovered.unknown_calls) == (5, 1)
        [call] = calls_of(bench.store_path)
        assert call.state == "unknown"
        assert call.reserved_nanousd > 0
        for job_id in ids:
            record = await bench.parts.desk.job(job_id)
            assert (record.state, record.crash_count) == (JobState.QUEUED, 1)
            [row] = await bench.parts.desk.attempts(job_id)
            assert (row.outcome, row.items) == ("crashed", 5)
        bench.start()
        records = await bench.finished(ids)
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert [call.jobs for call in packs_of(bench)] == [5]


async def test_after_a_second_crash_its_jobs_go_alone_so_that_none_is_held_for_another(
    tmp_path: Path,
) -> None:
    await die(tmp_path)
    config = a_packing_config(tmp_path, pack_table(5))
    async with opened(tmp_path, config=config) as bench:
        way = OnTheWay(bench.twin)
        way.may_pass.clear()
        bench.start(way)
        await until(lambda: bool(way.packed))
        assert bench.running is not None
        bench.running.cancel()
        with suppress(asyncio.CancelledError):
            await bench.running
        bench.running = None
    async with running(tmp_path, config=config) as bench:
        with reading(bench.store_path) as raw:
            ids = [JobId(job_id) for (job_id,) in raw.execute("SELECT id FROM jobs")]
        records = await bench.finished(ids)
        assert {record.crash_count for record in records} == {2}
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert len(singles_of(bench)) == 5
        assert len(bench.recorder.of(JobFinished)) == 5

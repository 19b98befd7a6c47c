"""Stopping the daemon: what runs may finish, what cannot goes back to the queue."""

from __future__ import annotations

from pathlib import Path

from claudeflow.config import DaemonSettings
from claudeflow.domain.events import DaemonDraining, JobFinished, JobRequeued
from claudeflow.domain.job import JobState
from claudeflow.twin.engine import Twin
from claudeflow.twin.settings import TwinSettings
from tests.support.books import calls_of
from tests.support.clocks import WoundClock
from tests.support.daemons import (
    a_config,
    a_job,
    a_twin,
    opened,
    running,
    some_jobs,
    until,
    yield_to_others,
)
from tests.support.stuck import stuck_writer

ENDLESS = {"ttft_s": 3600.0, "latency_sigma": 0.0}


async def test_a_stop_lets_the_calls_in_flight_finish_and_claims_nothing_more(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.2, latency_sigma=0.0)
    async with running(tmp_path, twin, clock=clock) as bench:
        ids = await bench.submit(*some_jobs(200))
        await until(lambda: twin.stats().in_flight > 0)
        flying = twin.stats().in_flight
        stopped = await bench.drained()
        assert stopped.released_jobs == 0
        [draining] = bench.recorder.of(DaemonDraining)
        assert draining.running_jobs == twin.stats().calls >= flying
        states = await bench.states(ids)
        assert states.count(JobState.SUCCEEDED) == twin.stats().calls
        assert states.count(JobState.QUEUED) == 200 - twin.stats().calls > 0
        assert await bench.book_mistakes() == []


async def test_when_grace_is_over_jobs_return_to_the_queue_and_keep_their_attempts(tmp_path: Path) -> None:
    clock = WoundClock()
    config = a_config(tmp_path, daemon=DaemonSettings(grace_s=0.1))
    async with running(tmp_path, a_twin(clock, **ENDLESS), clock=clock, config=config) as bench:
        ids = await bench.submit(*some_jobs(5))
        await until(lambda: bench.twin.stats().in_flight == 5)
        assert (await bench.drained()).released_jobs == 5
        for job_id in ids:
            record = await bench.parts.desk.job(job_id)
            assert (record.state, record.attempts, record.tries) == (JobState.QUEUED, 0, 1)
            assert record.wait_reason == "interrupted"
        calls = calls_of(bench.store_path)
        assert [call.state for call in calls] == ["unknown"] * 5
        assert all(call.reserved_nanousd > 0 for call in calls)
        assert len(bench.twin.invoice().lines) == 5
        assert await bench.book_mistakes() == []


async def test_a_second_stop_ends_the_grace_period_at_once(tmp_path: Path) -> None:
    clock = WoundClock()
    config = a_config(tmp_path, daemon=DaemonSettings(grace_s=3600.0))
    async with running(tmp_path, a_twin(clock, **ENDLESS), clock=clock, config=config) as bench:
        await bench.submit(*some_jobs(3))
        await until(lambda: bench.twin.stats().in_flight == 3)
        bench.stop.set()
        await bench.recorder.wait_for(DaemonDraining)
        bench.hurry.set()
        assert (await bench.drained()).released_jobs == 3


async def test_the_next_daemon_goes_on_with_what_was_returned(tmp_path: Path) -> None:
    clock = WoundClock()
    config = a_config(tmp_path, daemon=DaemonSettings(grace_s=0.0))
    async with running(tmp_path, a_twin(clock, **ENDLESS), clock=clock, config=config) as bench:
        ids = await bench.submit(*some_jobs(5))
        await until(lambda: bench.twin.stats().in_flight == 5)
        await bench.drained()
    async with running(tmp_path, clock=clock) as bench:
        records = await bench.finished(ids)
        assert {(record.state, record.attempts) for record in records} == {(JobState.SUCCEEDED, 1)}


async def test_jobs_handed_in_during_the_drain_are_kept_for_the_next_daemon(tmp_path: Path) -> None:
    clock = WoundClock()
    async with running(tmp_path, a_twin(clock, ttft_s=0.2), clock=clock) as bench:
        await bench.submit(a_job())
        await until(lambda: bench.twin.stats().in_flight == 1)
        bench.stop.set()
        await bench.recorder.wait_for(DaemonDraining)
        late = await bench.submit(a_job(2), a_job(3, model="claude-opus-5-5"))
        await bench.drained()
        assert await bench.states(late) == [JobState.QUEUED] * 2
    async with running(tmp_path, clock=clock) as bench:
        await bench.finished(late)


async def test_a_stop_before_any_work_ends_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        ids = await bench.submit(*some_jobs(3))
        bench.stop.set()
        bench.start()
        assert (await bench.drained()).released_jobs == 0
        assert await bench.states(ids) == [JobState.QUEUED] * 3
        assert bench.twin.stats().calls == 0


async def test_a_stop_while_jobs_are_being_claimed_leaves_none_without_an_owner(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        ids = await bench.submit(*some_jobs(40))
        async with stuck_writer(bench.parts.shared.store):
            bench.start()
            await yield_to_others(50)
            bench.stop.set()
            await yield_to_others(5)
        await bench.drained()
        assert set(await bench.states(ids)) <= {JobState.QUEUED, JobState.SUCCEEDED}
        assert await bench.book_mistakes() == []


async def test_hurrying_while_a_result_is_being_written_does_not_lose_it(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = Twin(TwinSettings(reply_tokens=20, ttft_s=0.05), clock)
    config = a_config(tmp_path, daemon=DaemonSettings(grace_s=0.0))
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        [job_id] = await bench.submit(a_job())
        await until(lambda: twin.stats().in_flight == 1)
        async with stuck_writer(bench.parts.shared.store):
            await until(lambda: len(twin.invoice().lines) == 1)
            await yield_to_others(50)
            bench.stop.set()
            bench.hurry.set()
            await yield_to_others(50)
        await bench.drained()
        assert await bench.states([job_id]) == [JobState.SUCCEEDED]
        assert await bench.book_mistakes() == []


async def test_a_job_that_waits_for_its_retry_is_left_in_peace_by_the_drain(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        [later] = await bench.submit(a_job(1, not_before="+1h"))
        await bench.drained()
        assert await bench.states([later]) == [JobState.QUEUED]
        assert not bench.recorder.of(JobFinished)
        assert not bench.recorder.of(JobRequeued)


async def test_what_was_learned_is_kept_over_a_restart(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = Twin(TwinSettings(rpm=777, reply_tokens=20), clock)
    async with running(tmp_path, twin, clock=clock) as bench:
        await bench.run(*some_jobs(5))
        await bench.drained()
    async with opened(tmp_path, twin, clock=clock) as bench:
        await bench.submit(a_job(9))
        [pool] = bench.parts.engine.pools()
        assert pool.buckets[0].limit_per_min == 777

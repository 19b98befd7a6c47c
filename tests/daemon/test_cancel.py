"""Cancelling jobs, whatever they are doing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from claudeflow.domain.errors import Conflict
from claudeflow.domain.events import CallEnded, JobRequeued
from claudeflow.domain.job import JobState
from claudeflow.policy.retries.retry import RetrySettings
from claudeflow.twin.faults import Fault
from tests.support.books import calls_of
from tests.support.clocks import WoundClock
from tests.support.daemons import a_config, a_job, a_twin, opened, running, some_jobs, until, yield_to_others
from tests.support.stuck import stuck_writer


async def test_a_queued_job_is_cancelled_at_once_and_never_sent(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        first, second = await bench.submit(*some_jobs(2))
        assert (await bench.parts.desk.cancel(first)).state is JobState.CANCELLED
        bench.start()
        await bench.finished([second])
        assert bench.twin.stats().calls == 1


async def test_a_running_job_is_cancelled_and_its_cost_stays_bounded(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=3600.0, latency_sigma=0.0)
    async with running(tmp_path, twin, clock=clock) as bench:
        [job_id] = await bench.submit(a_job())
        await until(lambda: twin.stats().in_flight == 1)
        record = await bench.parts.desk.cancel(job_id)
        assert record.state is JobState.CANCELLED
        [call] = calls_of(bench.store_path)
        assert call.state == "unknown"
        assert len(twin.invoice().lines) == 1
        assert await bench.book_mistakes() == []


async def test_cancelling_twice_is_no_mistake_and_cancelling_what_has_ended_is_one(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        [done] = await bench.run(a_job())
        with pytest.raises(Conflict, match="has already succeeded"):
            await bench.parts.desk.cancel(done.id)
        [later] = await bench.submit(a_job(2, not_before="+1h"))
        assert (await bench.parts.desk.cancel(later)).state is JobState.CANCELLED
        assert (await bench.parts.desk.cancel(later)).state is JobState.CANCELLED


async def test_a_cancelled_job_can_be_asked_for_again(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        [job_id] = await bench.submit(a_job(1, not_before="+1h"))
        await bench.parts.desk.cancel(job_id)
        assert (await bench.parts.desk.retry(job_id)).state is JobState.QUEUED
        assert (await bench.parts.desk.wait(job_id, 20)).state is JobState.SUCCEEDED


@pytest.mark.parametrize("steps", range(0, 30, 2))
async def test_a_cancel_counts_at_whatever_moment_it_comes(tmp_path: Path, steps: int) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=3600.0, latency_sigma=0.0)
    async with running(tmp_path, twin, clock=clock) as bench:
        [job_id] = await bench.submit(a_job())
        await yield_to_others(steps)
        async with asyncio.timeout(3):
            assert (await bench.parts.desk.cancel(job_id)).state is JobState.CANCELLED


async def test_a_cancel_that_comes_with_the_claim_in_one_commit_is_not_lost(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=3600.0, latency_sigma=0.0)
    async with opened(tmp_path, twin, clock=clock) as bench:
        [job_id] = await bench.submit(a_job())
        async with stuck_writer(bench.parts.shared.store):
            bench.start()
            await yield_to_others(50)
            cancelling = asyncio.create_task(bench.parts.desk.cancel(job_id))
            await yield_to_others(1)
        async with asyncio.timeout(3):
            assert (await cancelling).state is JobState.CANCELLED


async def test_a_cancel_while_a_failed_try_is_recorded_still_counts(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("silent", for_s=0.2),))
    config = a_config(tmp_path, retry=RetrySettings(base_s=600.0, cap_s=600.0))
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        [job_id] = await bench.submit(a_job())
        await until(lambda: twin.stats().calls == 1)
        async with stuck_writer(bench.parts.shared.store):
            cancelling = asyncio.create_task(bench.parts.desk.cancel(job_id))
            await bench.recorder.wait_for(CallEnded)
        assert (await cancelling).state is JobState.CANCELLED
        assert len(bench.recorder.of(JobRequeued)) == 1
        assert twin.stats().calls == 1

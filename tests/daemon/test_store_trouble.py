"""A store that cannot be written for a while, and results that nobody waits for any more."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import DaemonStopped, JobFinished, LeaseRefused, OwnTrouble
from claudeflow.domain.job import JobId, JobState
from tests.support.books import calls_of, successes_by_job
from tests.support.clocks import WoundClock
from tests.support.daemons import Bench, a_config, a_job, a_twin, running, some_jobs, until
from tests.support.stuck import full_disk


async def give_job_away(bench: Bench, job_id: JobId) -> None:
    """What a second daemon would do that (wrongly) believes this one dead."""

    def work(raw: sqlite3.Connection) -> None:
        raw.execute(
            "INSERT INTO calls (pool, model, lane, workflow, owner, opened_ms, reserved_nanousd)"
            " VALUES ('p', 'm', 'l', 'w', 'o', 0, 0)"
        )
        token = raw.execute("SELECT max(id) FROM calls").fetchone()[0]
        owner = "another-daemon"
        raw.execute("UPDATE jobs SET lease_token = ?, lease_owner = ? WHERE id = ?", (token, owner, job_id))

    await bench.parts.shared.store.write(work)


async def test_a_result_survives_a_full_disk(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.2, latency_sigma=0.0, reply_tokens=290, reply_sigma=0.0)
    async with running(tmp_path, twin, clock=clock) as bench:
        ids = await bench.submit(*some_jobs(30))
        await until(lambda: twin.stats().in_flight > 0)
        async with full_disk(bench.parts.shared.store):
            [trouble, *_] = await bench.recorder.wait_for(
                OwnTrouble, lambda event: event.where == "recording a result"
            )
            assert "full" in trouble.problem
            assert bench.running is not None
            assert not bench.running.done()
        records = await bench.finished(ids)
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert len(twin.invoice().lines) == 30
        assert await bench.book_mistakes() == []


async def test_on_a_full_disk_nothing_is_accepted_that_could_be_lost(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        async with full_disk(bench.parts.shared.store):
            with pytest.raises(StoreError, match="full"):
                await bench.submit(*some_jobs(200, system="policy " * 3_000))
        records = await bench.run(*some_jobs(3))
        assert [record.id for record in records] == [1, 2, 3]


async def test_a_full_disk_stops_claims_but_not_the_daemon(tmp_path: Path) -> None:
    clock = WoundClock()
    async with running(tmp_path, clock=clock) as bench:
        ids = await bench.submit(*some_jobs(400, not_before="+1s"))
        async with full_disk(bench.parts.shared.store):
            await bench.recorder.wait_for(OwnTrouble)
        records = await bench.finished(ids)
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert set(successes_by_job(bench.store_path).values()) == {1}
        assert await bench.book_mistakes() == []


async def test_a_full_disk_while_jobs_expire_is_no_reason_to_die(tmp_path: Path) -> None:
    clock = WoundClock()
    async with running(tmp_path, clock=clock) as bench:
        ids = await bench.submit(*some_jobs(400, not_before="+3000s", deadline="+3600s"))
        async with full_disk(bench.parts.shared.store):
            clock.advance(3601)
            await bench.recorder.wait_for(OwnTrouble)
        records = await bench.finished(ids)
        assert {record.state for record in records} == {JobState.EXPIRED}


async def test_a_stop_on_a_full_disk_ends_well(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        await bench.run(*some_jobs(5))
        async with full_disk(bench.parts.shared.store):
            await bench.drained()
        assert bench.recorder.of(DaemonStopped)


async def test_a_result_whose_lease_was_lost_is_dropped_but_its_cost_is_booked(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.2, latency_sigma=0.0)
    async with running(tmp_path, twin, clock=clock, config=a_config(tmp_path)) as bench:
        [job_id] = await bench.submit(a_job())
        await until(lambda: twin.stats().in_flight == 1)
        await give_job_away(bench, job_id)
        [refused] = await bench.recorder.wait_for(LeaseRefused)
        assert refused.job_id == job_id
        assert not bench.recorder.of(JobFinished)
        assert await bench.parts.desk.answer(job_id) is None
        assert await bench.states([job_id]) == [JobState.RUNNING]
        assert successes_by_job(bench.store_path) == {}
        assert calls_of(bench.store_path)[0].cost_nanousd == twin.invoice().total_nanousd > 0
        assert (await bench.run(a_job(2)))[0].state is JobState.SUCCEEDED


async def test_leases_of_running_jobs_are_prolonged(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.5, latency_sigma=0.0)
    async with running(tmp_path, twin, clock=clock) as bench:
        await bench.submit(a_job())
        await until(lambda: twin.stats().in_flight == 1)
        store = bench.parts.shared.store
        query = "SELECT lease_until_ms FROM jobs WHERE state = 'running'"
        before = await store.read(lambda raw: raw.execute(query).fetchone()[0])
        clock.advance(20)
        await bench.parts.engine.upkeep.renew_leases()
        assert await store.read(lambda raw: raw.execute(query).fetchone()[0]) >= before + 20_000

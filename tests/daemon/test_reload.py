"""Settings that change while the daemon works."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from claudeflow.domain.events import JobFinished, OwnTrouble
from claudeflow.domain.job import JobState
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.money.pricing import PriceTable
from claudeflow.policy.retries.retry import RetrySettings
from claudeflow.twin.faults import Fault
from tests.support.clocks import WoundClock
from tests.support.daemons import MODEL, Bench, a_config, a_job, a_twin, opened, running, some_jobs, until


def change(bench: Bench, **settings: object) -> None:
    """Put other settings in force, as a reload does."""
    shared = bench.parts.shared
    shared.config = replace(shared.config, **settings)  # type: ignore[arg-type]
    bench.parts.engine.reconfigure()


async def test_a_lane_that_is_widened_lets_waiting_jobs_go_at_once(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=3600.0, latency_sigma=0.0)
    config = a_config(tmp_path, lanes={"standard": LaneSettings(max_in_flight=1)})
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        await bench.submit(*some_jobs(10))
        await until(lambda: twin.stats().in_flight == 1)
        change(bench, lanes={"standard": LaneSettings(max_in_flight=5)})
        await until(lambda: twin.stats().in_flight == 5)


async def test_a_lane_that_is_narrowed_starts_no_more_than_it_may(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.02)
    config = a_config(tmp_path, lanes={"standard": LaneSettings(max_in_flight=8)})
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        await bench.run(*some_jobs(20))
        change(bench, lanes={"standard": LaneSettings(max_in_flight=1)})
        twin.reset()
        await bench.run(*some_jobs(10))
        assert twin.stats().in_flight_max == 1


async def test_jobs_of_a_lane_that_is_gone_still_run(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        ids = await bench.submit(*some_jobs(3, lane="bulk"))
        change(bench, lanes={"standard": LaneSettings()})
        bench.start()
        assert {record.state for record in await bench.finished(ids)} == {JobState.SUCCEEDED}
        assert "bulk" not in {lane.lane for lane in (await bench.parts.desk.status()).lanes}


async def test_weights_changed_at_run_time_change_the_shares(tmp_path: Path) -> None:
    lanes = {"standard": LaneSettings(weight=9.0), "bulk": LaneSettings(weight=1.0)}
    clock = WoundClock()
    config = a_config(tmp_path, lanes={name: LaneSettings(weight=1.0) for name in lanes})
    async with opened(tmp_path, a_twin(clock), clock=clock, config=config) as bench:
        change(bench, lanes=lanes)
        ids = await bench.submit(*some_jobs(90, lane="bulk"), *some_jobs(90, lane="standard"))
        bench.start()
        await bench.finished(ids)
        first = [event.lane for event in bench.recorder.of(JobFinished)][:100]
        assert first.count("standard") >= 75


async def test_retry_settings_change_at_run_time(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("error_500", calls=(1, 1)),))
    config = a_config(tmp_path, retry=RetrySettings(base_s=3600.0, cap_s=3600.0))
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        change(bench, retry=RetrySettings(base_s=0.01, cap_s=0.01))
        [job] = await bench.run(a_job())
        assert job.attempts == 2


async def test_a_price_that_vanishes_while_its_call_is_under_way_costs_no_answer(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.1)
    config = a_config(tmp_path, lanes={"standard": LaneSettings(max_in_flight=1)})
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        shared = bench.parts.shared
        before = shared.prices
        first, second = await bench.submit(*[a_job(n, system="You sort tickets. " * 900) for n in range(2)])
        await until(lambda: twin.stats().in_flight == 1)
        shared.prices = PriceTable(info for name, info in before.models.items() if name != MODEL)
        bench.parts.engine.reconfigure()
        [done] = await bench.finished([first])
        assert (done.state, done.attempts) == (JobState.SUCCEEDED, 1)
        assert (await bench.parts.desk.job(second)).state is JobState.QUEUED
        assert {MODEL in trouble.problem for trouble in bench.recorder.of(OwnTrouble)} == {True}
        shared.prices = before
        bench.parts.engine.reconfigure()
        [done] = await bench.finished([second])
        assert done.state is JobState.SUCCEEDED

"""Lanes through the real daemon: caps, hours, pauses, deadlines, moves, and what it says about who waits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from claudeflow.domain.errors import Conflict, JobNotFound, QueueFull
from claudeflow.domain.events import JobFinished
from claudeflow.domain.hold import Scope, ScopeKind
from claudeflow.domain.job import JobId, JobState
from claudeflow.domain.report import Explanation, LaneWait
from claudeflow.domain.usage import Usage
from claudeflow.intake.desks.holds import NewHold
from claudeflow.policy.lanes.hours import HoursSettings
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.limits.margin import MarginSettings
from claudeflow.policy.limits.settings import LimiterSettings, PoolLimits
from claudeflow.twin.engine import Twin
from claudeflow.twin.faults import Fault
from tests.support.clocks import WoundClock
from tests.support.daemons import MODEL, Bench, a_config, a_job, a_twin, running, some_jobs, until

SLOW = 30.0
SYSTEM = "You sort tickets by product, urgency and team. " * 200


def lanes(**changes: LaneSettings) -> dict[str, LaneSettings]:
    return {"standard": LaneSettings(), **changes}


def closed_now(clock: WoundClock) -> HoursSettings:
    """Hours of a lane that opens in some minutes, and stays closed until then."""
    minute = int(clock.epoch() // 60) % 1_440
    opens, closes = (minute + 10) % 1_440, (minute + 20) % 1_440
    return HoursSettings(windows=(f"{_time(opens)}-{_time(closes)}",))


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def slow_twin(clock: WoundClock) -> Twin:
    """Answers take much longer than any test."""
    return a_twin(clock, ttft_s=SLOW)


async def explained(bench: Bench, job_id: JobId, rule: str) -> Explanation:
    """The job's explanation, once it is by this rule."""
    async with asyncio.timeout(10):
        while True:
            found = await bench.parts.desk.queue.explain(job_id)
            if found.rule == rule:
                return found
            await asyncio.sleep(0.01)


async def waits_of(bench: Bench, lane: str) -> LaneWait:
    [pool] = await bench.parts.desk.queue.limits()
    [wait] = [wait for wait in pool.waits if wait.lane == lane]
    return wait


async def test_a_lane_and_a_workflow_have_no_more_in_flight_than_they_may(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.02)
    settings = LaneSettings(max_in_flight=5, max_in_flight_per_workflow=2)
    async with running(
        tmp_path, twin, clock=clock, config=a_config(tmp_path, lanes=lanes(standard=settings))
    ) as bench:
        one = some_jobs(12, workflow="one")
        two = some_jobs(12, workflow="two")
        await bench.run(*one)
        assert twin.stats().in_flight_max == 2
        await bench.run(*one, *two, *some_jobs(12, workflow="three"))
        assert twin.stats().in_flight_max == 5


async def test_a_closed_lane_waits_for_its_hours(tmp_path: Path) -> None:
    clock = WoundClock()
    config = a_config(tmp_path, lanes=lanes(night=LaneSettings(hours=closed_now(clock))))
    async with running(tmp_path, clock=clock, config=config) as bench:
        [night] = await bench.submit(a_job(1, lane="night"))
        await bench.run(a_job(2))
        found = await explained(bench, night, "hours")
        assert "outside its hours" in found.why
        assert found.until_ms is not None
        assert found.goes_at_ms is not None
        assert found.goes_at_ms > found.until_ms + 120_000
        assert (await waits_of(bench, "night")).rule == "hours"
        clock.advance(600)
        bench.wake()
        [record] = await bench.finished([night])
        assert record.state is JobState.SUCCEEDED


async def test_a_paused_lane_stands_in_nobodys_way(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        scope = Scope(ScopeKind.LANE, "bulk")
        await bench.parts.desk.holds.set(NewHold(scope, "quarter-end", "ann"))
        [paused] = await bench.submit(a_job(1, lane="bulk"))
        await bench.run(*some_jobs(5))
        found = await explained(bench, paused, "hold")
        assert "quarter-end" in found.why
        assert found.goes_at_ms is None or found.until_ms is not None
        await bench.parts.desk.holds.release(scope, None, "over", "ann")
        await bench.finished([paused])


async def test_a_job_whose_typical_call_ends_after_its_deadline_expires_early(tmp_path: Path) -> None:
    clock = WoundClock()
    config = a_config(tmp_path, lanes=lanes(bulk=LaneSettings(hours=closed_now(clock))))
    async with running(tmp_path, clock=clock, config=config) as bench:
        usage = Usage(input_tokens=100, output_tokens=10)
        bench.parts.shared.estimator.learn("w", MODEL, 300, usage, held=False, duration_s=90.0)
        [record] = await bench.run(a_job(9, lane="bulk", workflow="w", deadline="+80s"))
        assert record.state is JobState.EXPIRED
        assert record.error is not None
        assert record.error.type == "deadline_out_of_reach"
        assert (record.tries, record.cost_nanousd) == (0, 0)


async def test_a_job_larger_than_the_limit_fails_with_the_numbers_and_blocks_nobody(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, itpm=2_000)
    config = a_config(
        tmp_path,
        limits=PoolLimits(1_000_000, 2_000, 1_000_000),
        limiter=LimiterSettings(margin=MarginSettings(cold_theta=1.0), cold_in_flight=64),
    )
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        await bench.run(a_job(1))
        text = "word " * 12_000
        large = a_job(2, workflow="large")
        large["request"]["messages"][0]["content"] = text
        [record] = await bench.run(large)
        assert (record.state, record.tries, record.cost_nanousd) == (JobState.FAILED, 0, 0)
        assert record.error is not None
        assert record.error.type == "too_large_for_limits"
        assert "2,000 a minute" in record.error.message


async def test_a_job_moves_to_a_lane_that_is_open_and_goes(tmp_path: Path) -> None:
    clock = WoundClock()
    config = a_config(tmp_path, lanes=lanes(night=LaneSettings(hours=closed_now(clock))))
    async with running(tmp_path, clock=clock, config=config) as bench:
        first, second = await bench.submit(a_job(1, lane="night"), a_job(2, lane="night"))
        await explained(bench, first, "hours")
        record = await bench.parts.desk.queue.move(first, "standard", 7)
        assert (record.lane, record.priority, record.state) == ("standard", 7, JobState.QUEUED)
        [done] = await bench.finished([first])
        assert (done.lane, done.state) == ("standard", JobState.SUCCEEDED)
        assert await bench.states([second]) == [JobState.QUEUED]


async def test_a_higher_priority_lets_a_job_go_before_older_ones(tmp_path: Path) -> None:
    clock = WoundClock()
    config = a_config(tmp_path, lanes=lanes(standard=LaneSettings(max_in_flight=1)))
    async with running(tmp_path, a_twin(clock, ttft_s=0.02), clock=clock, config=config) as bench:
        ids = await bench.submit(*some_jobs(8))
        await bench.parts.desk.queue.move(ids[-1], None, 50)
        await bench.finished(ids)
        order = [event.job_id for event in bench.recorder.of(JobFinished)]
        assert order.index(ids[-1]) <= 2


@pytest.mark.parametrize("bound", [0, 1])
async def test_moving_is_refused_where_it_makes_no_sense(tmp_path: Path, bound: int) -> None:
    clock = WoundClock()
    full = LaneSettings(hours=closed_now(clock), max_queued=bound)
    async with running(tmp_path, clock=clock, config=a_config(tmp_path, lanes=lanes(full=full))) as bench:
        queue = bench.parts.desk.queue
        [done] = await bench.submit(a_job(1))
        await bench.finished([done])
        with pytest.raises(Conflict, match="succeeded"):
            await queue.move(done, "full", None)
        with pytest.raises(JobNotFound):
            await queue.move(JobId(999), "full", None)
        [there] = await bench.submit(a_job(2, lane="full"))
        await explained(bench, there, "hours")
        [waits] = await bench.submit(a_job(3, not_before="+1h"))
        if bound:
            with pytest.raises(QueueFull):
                await queue.move(waits, "full", None)
        else:
            assert (await queue.move(waits, "full", None)).lane == "full"


async def test_what_a_job_waits_for_is_told_with_its_numbers(tmp_path: Path) -> None:
    clock = WoundClock()
    config = a_config(tmp_path, lanes=lanes(standard=LaneSettings(max_in_flight=1)))
    async with running(tmp_path, slow_twin(clock), clock=clock, config=config) as bench:
        out, waits = await bench.submit(a_job(1), a_job(2))
        assert (await explained(bench, waits, "in_flight")).ahead is not None
        assert (await explained(bench, out, "running")).why
        [later] = await bench.submit(a_job(3, not_before="+1h"))
        found = await explained(bench, later, "not_before")
        assert found.until_ms == found.goes_at_ms
        assert found.until_ms is not None
        await bench.parts.desk.cancel(waits)
        assert "cancelled" in (await explained(bench, waits, "finished")).why


async def test_a_job_behind_a_cold_prefix_names_the_one_that_writes_it(tmp_path: Path) -> None:
    clock = WoundClock()
    async with running(tmp_path, slow_twin(clock), clock=clock) as bench:
        leader, behind = await bench.submit(a_job(1, system=SYSTEM), a_job(2, system=SYSTEM))
        found = await explained(bench, behind, "cold_prefix")
        assert str(leader) in found.why


async def test_a_line_that_waits_for_its_prefix_does_not_hold_up_the_workflows_other_jobs(
    tmp_path: Path,
) -> None:
    clock = WoundClock()
    stall = Fault("stall", calls=(1, 1), for_s=3600.0)
    twin = a_twin(clock, faults=(stall,), ttft_s=SLOW)
    async with running(tmp_path, twin, clock=clock) as bench:
        leader, *behind = await bench.submit(*[a_job(n, system=SYSTEM) for n in range(20)])
        await explained(bench, behind[0], "cold_prefix")
        free = await bench.submit(a_job(100))
        await explained(bench, free[0], "running")
        assert await bench.states([leader, behind[0]]) == [JobState.RUNNING, JobState.QUEUED]


async def test_a_closed_pool_is_told_with_the_moment_of_its_probe(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("rate_429", calls=(1, 1), retry_after_s=600),))
    async with running(tmp_path, twin, clock=clock) as bench:
        [job] = await bench.submit(a_job(1))
        found = await explained(bench, job, "gate")
        assert found.until_ms is not None
        assert found.until_ms - clock.epoch_ms() > 500_000
        assert found.goes_at_ms is not None
        assert found.goes_at_ms >= found.until_ms


async def test_a_bucket_that_is_empty_is_told_with_its_moment(tmp_path: Path) -> None:
    clock = WoundClock()
    limits: dict[str, Any] = {"limits": PoolLimits(2, 1_000_000, 1_000_000)}
    twin = a_twin(clock, rpm=2)
    async with running(tmp_path, twin, clock=clock, config=a_config(tmp_path, **limits)) as bench:
        ids = await bench.submit(*some_jobs(6))
        await until(lambda: twin.stats().calls >= 1)
        found = await explained(bench, ids[-1], "behind")
        assert found.ahead is not None
        assert found.ahead.workflow >= 1
        assert found.goes_at_ms is not None
        waiting = [job for job in ids if await bench.states([job]) == [JobState.QUEUED]]
        first = waiting[0]
        told = await explained(bench, first, "bucket")
        assert told.until_ms is not None
        assert (await waits_of(bench, "standard")).rule == "bucket"


async def test_lane_settings_are_taken_up_by_a_reload(tmp_path: Path) -> None:
    clock = WoundClock()
    config = a_config(tmp_path, lanes=lanes(night=LaneSettings(hours=closed_now(clock))))
    async with running(tmp_path, clock=clock, config=config) as bench:
        [night] = await bench.submit(a_job(1, lane="night"))
        await explained(bench, night, "hours")
        bench.parts.shared.config = replace(config, lanes=lanes(night=LaneSettings()))
        bench.wake()
        await bench.finished([night])

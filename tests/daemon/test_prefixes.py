"""Prompt caching through the real daemon: a cold prefix is written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from claudeflow.domain.job import JobState
from claudeflow.twin.engine import Twin
from claudeflow.twin.faults import Fault
from tests.support.clocks import WoundClock
from tests.support.daemons import a_config, a_job, a_twin, running

SYSTEM = "You sort tickets by product, urgency and team. " * 200


def writes(twin: Twin) -> int:
    return sum(line.tokens.write_5m + line.tokens.write_1h > 0 for line in twin.invoice().lines)


def reads(twin: Twin) -> int:
    return sum(line.tokens.read > 0 for line in twin.invoice().lines)


@pytest.mark.parametrize("ttft_s", [0.0, 0.1])
async def test_fifty_jobs_of_one_cold_prefix_write_it_once(tmp_path: Path, ttft_s: float) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=ttft_s)
    async with running(tmp_path, twin, clock=clock) as bench:
        records = await bench.run(*[a_job(n, system=SYSTEM) for n in range(50)])
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert (writes(twin), reads(twin)) == (1, 49)
        assert await bench.book_mistakes() == []


async def test_each_of_several_prefixes_is_written_once(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.05)
    async with running(tmp_path, twin, clock=clock) as bench:
        await bench.run(*[a_job(n, system=f"Kind {n % 5}. {SYSTEM}") for n in range(60)])
        assert (writes(twin), reads(twin)) == (5, 55)


async def test_jobs_behind_a_leader_go_as_soon_as_its_response_begins(tmp_path: Path) -> None:
    clock = WoundClock()
    # The leader's answer takes for ever after its beginning; whoever reads its prefix need not wait for it.
    stall = Fault("stall", calls=(1, 1), for_s=3600.0)
    twin = a_twin(clock, faults=(stall,))
    async with running(tmp_path, twin, clock=clock, config=a_config(tmp_path)) as bench:
        leader, *others = await bench.submit(*[a_job(n, system=SYSTEM) for n in range(10)])
        records = await bench.finished(others)
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert await bench.states([leader]) == [JobState.RUNNING]
        assert reads(twin) == 9


@pytest.mark.parametrize("kind", ["overloaded_529", "error_500", "conn_reset"])
async def test_when_the_leader_fails_the_next_one_leads(tmp_path: Path, kind: str) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault(kind, calls=(1, 3)),), ttft_s=0.02)
    async with running(tmp_path, twin, clock=clock) as bench:
        records = await bench.run(*[a_job(n, system=SYSTEM) for n in range(30)])
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert (writes(twin), reads(twin)) == (1, 29)


async def test_a_prefix_that_has_gone_cold_is_written_once_again(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.02)
    async with running(tmp_path, twin, clock=clock) as bench:
        await bench.run(*[a_job(n, system=SYSTEM) for n in range(10)])
        clock.advance(301)
        await bench.run(*[a_job(n, system=SYSTEM) for n in range(10, 30)])
        assert (writes(twin), reads(twin)) == (2, 28)


async def test_a_prefix_below_the_models_minimum_holds_nobody_up(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.02)
    async with running(tmp_path, twin, clock=clock) as bench:
        await bench.run(a_job(0, system="Be brief."))
        await bench.run(*[a_job(n, system="Be brief.") for n in range(1, 20)])
        assert writes(twin) == 0
        assert twin.stats().in_flight_max > 1

"""Upkeep in virtual time: what must happen in time happens, and while nothing happens nothing is done."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from claudeflow.daemon.upkeep import CLOCK_LOOK_S
from claudeflow.domain.hold import Scope, ScopeKind
from claudeflow.domain.job import JobState
from claudeflow.intake.desks.holds import NewHold
from claudeflow.twin.faults import Fault
from tests.support.daemons import a_job
from tests.support.virtual import VirtualBench, a_virtual_twin, in_virtual_time, living, now_s

HOUR_S = 3_600.0
LATE_AT_MOST_S = 2.0
BULK = Scope(ScopeKind.LANE, "bulk")


async def expired_at_s(bench: VirtualBench, job: dict[str, object]) -> float:
    """Seconds from the submission until the job expired."""
    began_s = now_s()
    [job_id] = await bench.submit(job)
    assert (await bench.parts.desk.wait(job_id, 24 * HOUR_S)).state is JobState.EXPIRED
    return now_s() - began_s


@pytest.mark.parametrize("hours", [0.01, 0.9, 5.0])
def test_a_held_job_expires_within_a_second_or_two_of_its_deadline(tmp_path: Path, hours: float) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            await bench.parts.desk.holds.set(NewHold(BULK, "quarter-end", "ann"))
            await asyncio.sleep(HOUR_S)
            deadline_s = round(hours * HOUR_S)
            at_s = await expired_at_s(bench, a_job(1, lane="bulk", deadline=f"+{deadline_s}s"))
            assert deadline_s <= at_s <= deadline_s + LATE_AT_MOST_S

    in_virtual_time(scene)


def test_a_job_that_waits_for_its_retry_expires_in_time_too(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(faults=(Fault("overloaded_529"),), ttft_s=1.0)
        async with living(tmp_path, twin) as bench:
            await asyncio.sleep(HOUR_S)
            assert 40.0 <= await expired_at_s(bench, a_job(1, deadline="+40s")) <= 40.0 + LATE_AT_MOST_S

    in_virtual_time(scene)


def test_a_hold_that_was_set_after_a_quiet_hour_ends_in_time(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            await asyncio.sleep(HOUR_S)
            until_ms = bench.clock.epoch_ms() + 90_000
            await bench.parts.desk.holds.set(NewHold(BULK, "a change", "ann", until_ms=until_ms))
            await asyncio.sleep(90.0 + LATE_AT_MOST_S)
            assert not bench.parts.shared.holds.on(BULK)

    in_virtual_time(scene)


@pytest.mark.parametrize("hours", [0.5, 30.0])
def test_a_clock_that_is_set_forward_wakes_the_jobs_whose_time_has_come(tmp_path: Path, hours: float) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            [job] = await bench.submit(a_job(1, not_before=f"+{round(hours * 60)}m"))
            await asyncio.sleep(60.0)
            bench.clock.step(hours * HOUR_S)
            await asyncio.sleep(CLOCK_LOOK_S + LATE_AT_MOST_S)
            assert await bench.states([job]) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_what_was_learned_is_saved_once_and_not_again_while_nothing_changes(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            await bench.submit(a_job(1))
            await asyncio.sleep(HOUR_S)
            first = saved(bench)
            assert {"estimates", "pool:haiku-5.5"} <= first.keys()
            await asyncio.sleep(HOUR_S)
            assert saved(bench) == first
            await bench.submit(a_job(2))
            await asyncio.sleep(HOUR_S)
            assert saved(bench)["estimates"] > first["estimates"]

    in_virtual_time(scene)


def saved(bench: VirtualBench) -> dict[str, int]:
    """When each thing that was learned was written, in epoch milliseconds."""
    with sqlite3.connect(bench.config.store.path) as store:
        return dict(store.execute("SELECT name, saved_ms FROM memory"))

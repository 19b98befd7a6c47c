"""Deadlines and batches: who goes by one at all, and who is called back from it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from claudeflow.domain.batch_events import BatchCancelAsked, BatchCreated, BatchEnded, BatchLate, BatchRefused
from claudeflow.domain.errors import BatchNotFound, Conflict
from claudeflow.domain.events import JobFinished
from claudeflow.domain.hold import EVERYTHING, Scope, ScopeKind
from claudeflow.domain.job import JobState
from claudeflow.policy.batching.settings import BatchSettings
from claudeflow.twin.faults import Fault
from tests.support.batch_doors import BatchDoor
from tests.support.batches import (
    AT_ONCE,
    answers_of,
    batching,
    bulk,
    done,
    ended,
    later,
    row,
    states,
    stepped,
)
from tests.support.clocks import WoundClock
from tests.support.daemons import Bench, a_twin, opened, running, until

HOUR_S = 3_600.0
PATIENT = BatchSettings(max_age_s=60.0, poll_s=1.0, comeback_s=900.0, margin=1.5)


def at(clock: WoundClock, in_s: float) -> str:
    """A deadline so far away, as a producer writes it."""
    return datetime.fromtimestamp(clock.epoch() + in_s, UTC).isoformat()


async def answered_once(bench: Bench, ids: list[Any]) -> None:
    assert {record.state for record in await ended(bench, ids)} == {JobState.SUCCEEDED}
    assert answers_of(bench.store_path) == dict.fromkeys(ids, 1)


async def test_slack_decides_at_once_which_way_a_job_goes(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=60.0)
    config = batching(tmp_path, "slack", PATIENT)
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        soon = await bench.submit(*bulk(2, deadline=at(clock, 1.5 * HOUR_S)))
        free = await bench.submit(*bulk(2, deadline=at(clock, 8 * HOUR_S)))
        await bench.finished(soon)
        assert twin.stats().calls == 2
        assert set(await bench.states(free)) == {JobState.QUEUED}
        await later(bench, 61.0)
        await bench.recorder.wait_for(BatchCreated)
        await later(bench, 61.0)
        await answered_once(bench, [*soon, *free])
        assert twin.stats().calls == 2
        assert await bench.book_mistakes() == []


async def test_jobs_of_a_late_batch_are_answered_by_messages_and_its_late_answers_only_booked(
    tmp_path: Path,
) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=10 * HOUR_S, batch_item_s=0.0)
    config = batching(tmp_path, "slack", replace(PATIENT, max_age_s=0.0))
    async with opened(tmp_path, twin, clock=clock, config=config) as bench:
        door = BatchDoor(twin, clock.monotonic)
        bench.start(door)
        hurried = await bench.submit(*bulk(2, deadline=at(clock, 4 * HOUR_S)))
        calm = await bench.submit(*bulk(5))
        await until(lambda: sum(len(batch.custom_ids) for batch in twin.batches()) == 7)
        await later(bench, 3.7 * HOUR_S)
        assert set(await bench.states(hurried)) == {JobState.RUNNING}
        await later(bench, 0.1 * HOUR_S)
        await bench.finished(hurried)
        assert twin.stats().calls == 2
        assert sum(late.jobs for late in bench.recorder.of(BatchLate)) == 2
        assert (await row(bench)).left == 2
        await later(bench, 10 * HOUR_S)
        await done(bench)
        await answered_once(bench, [*hurried, *calm])
        assert await bench.book_mistakes() == []
        assert await bench.settled_nanousd() == twin.invoice().total_nanousd
        assert len(bench.recorder.of(JobFinished)) == 7


async def test_a_batch_for_which_few_jobs_wait_is_stopped_and_the_others_go_on(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=10 * HOUR_S)
    config = batching(tmp_path, "slack", replace(PATIENT, max_age_s=5.0))
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        hurried = await bench.submit(*bulk(6, deadline=at(clock, 4 * HOUR_S)))
        calm = await bench.submit(*bulk(2))
        await later(bench, 6.0)
        await bench.recorder.wait_for(BatchCreated)
        await later(bench, 3.8 * HOUR_S)
        await answered_once(bench, [*hurried, *calm])
        await done(bench)
        assert len(bench.recorder.of(BatchCancelAsked)) == 1
        assert twin.stats().batches.items["canceled"] == 8
        assert await bench.book_mistakes() == []


async def test_answers_that_came_while_the_daemon_was_away_are_read_before_anybody_is_called_back(
    tmp_path: Path,
) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=60.0)
    config = batching(tmp_path, "slack", replace(PATIENT, max_age_s=0.0))
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        ids = await bench.submit(*bulk(3, deadline=at(clock, 4 * HOUR_S)))
        await bench.recorder.wait_for(BatchCreated)
    clock.advance(3.9 * HOUR_S)
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        await answered_once(bench, ids)
        assert twin.stats().calls == 0
        assert bench.recorder.of(BatchLate) == []


async def test_a_job_that_no_batch_takes_in_time_goes_by_messages_before_its_deadline(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=20 * HOUR_S)
    settings = replace(PATIENT, max_age_s=0.0, max_queued=2)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path, "slack", settings)) as bench:
        await bench.submit(*bulk(2))
        await bench.recorder.wait_for(BatchCreated)
        ids = await bench.submit(*bulk(2, deadline=at(clock, 5 * HOUR_S)))
        await stepped(bench)
        explained = await bench.parts.desk.queue.explain(ids[0])
        assert (explained.rule, "unfinished batches hold" in explained.why) == ("batch", True)
        await later(bench, 2.3 * HOUR_S)
        assert set(await bench.states(ids)) == {JobState.QUEUED}
        # A batch is under way for as long by then as the deadline would leave to another.
        await later(bench, 0.1 * HOUR_S)
        await bench.finished(ids)
        await answered_once(bench, ids)
        assert twin.stats().calls == 2


async def test_a_batch_that_runs_longer_than_any_before_sends_jobs_that_come_by_messages(
    tmp_path: Path,
) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=20 * HOUR_S)
    config = batching(tmp_path, "slack", replace(PATIENT, max_age_s=0.0))
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        slow = await bench.submit(*bulk(2))
        await bench.recorder.wait_for(BatchCreated)
        desk = bench.parts.desk.batches
        await stepped(bench)
        assert (await desk.list_batches(None, 1)).usual_s == HOUR_S
        await later(bench, 5 * HOUR_S)
        assert (await desk.list_batches(None, 1)).usual_s >= 5 * HOUR_S
        hurried = await bench.submit(*bulk(2, deadline=at(clock, 7 * HOUR_S)))
        await bench.finished(hurried)
        assert twin.stats().calls == 2
        await later(bench, 15.1 * HOUR_S)
        await answered_once(bench, [*slow, *hurried])
        await done(bench)
        clock.advance(30 * HOUR_S)
        assert HOUR_S < (await desk.list_batches(None, 1)).usual_s < 21 * HOUR_S


async def test_a_batch_that_has_ended_runs_no_longer_however_long_it_cannot_be_read(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=600.0)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        door.rewrite = lambda lines: lines[:1]
        bench.start(door)
        await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchCreated)
        await later(bench, 700.0)
        await bench.recorder.wait_for(BatchEnded)
        await stepped(bench)
        clock.advance(5 * HOUR_S)
        assert await states(bench) == ["ended"]
        assert (await bench.parts.desk.batches.list_batches(None, 1)).usual_s == HOUR_S


async def test_a_job_in_a_batch_is_cancelled_at_once_and_its_request_is_booked_later(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=600.0)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        ids = await bench.submit(*bulk(5))
        await bench.recorder.wait_for(BatchCreated)
        assert (await bench.parts.desk.cancel(ids[0])).state is JobState.CANCELLED
        with pytest.raises(Conflict):
            await bench.parts.desk.cancel(await _succeeded(bench, ids[1:], 700.0))
        await done(bench)
        assert await bench.states(ids) == [JobState.CANCELLED, *[JobState.SUCCEEDED] * 4]
        assert await bench.settled_nanousd() == twin.invoice().total_nanousd
        assert len(twin.invoice().lines) == 5
        assert await bench.book_mistakes() == []
        assert (await bench.parts.desk.job(ids[0])).cost_nanousd > 0
        assert len(bench.recorder.of(JobFinished)) == 5


async def _succeeded(bench: Bench, ids: list[Any], after_s: float) -> Any:
    await later(bench, after_s)
    await ended(bench, ids)
    return ids[0]


async def test_a_job_that_is_cancelled_before_its_batch_left_never_leaves(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        await bench.parts.keeper.hold(EVERYTHING, "a pause", None, "test")
        door = BatchDoor(twin, clock.monotonic)
        door.refuse["create"] = httpx2.ConnectError("nobody is there")
        bench.start(door)
        ids = await bench.submit(*bulk(4))
        await bench.parts.keeper.release(bench.parts.shared.holds.on(EVERYTHING), "over", "test")
        await bench.recorder.wait_for(BatchRefused)
        await bench.parts.desk.cancel(ids[0])
        del door.refuse["create"]
        await ended(bench, ids, step_s=10.0)
        await done(bench)
        assert await bench.states(ids) == [JobState.CANCELLED, *[JobState.SUCCEEDED] * 3]
        assert len(twin.invoice().lines) == 3
        assert await bench.book_mistakes() == []
        found = await row(bench)
        assert (found.requests, found.booked, found.left) == (3, 3, 0)


@pytest.mark.parametrize("jobs", [True, False])
@pytest.mark.parametrize("state", ["ready", "creating", "in_progress", "ended"])
async def test_a_batch_is_stopped_in_every_state(tmp_path: Path, state: str, jobs: bool) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=600.0)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        if state == "ready":
            door.refuse["create"] = httpx2.ConnectError("nobody is there")
        if state == "creating":
            door.answer_lost.add("create")
        bench.start(door)
        ids = await bench.submit(*bulk(4))
        await bench.recorder.wait_for(BatchCreated if state in ("in_progress", "ended") else BatchRefused)
        if state == "ended":
            door.rewrite = lambda lines: lines[:1]
            await later(bench, 700.0)
            await bench.recorder.wait_for(BatchEnded)
            await stepped(bench)
        assert await states(bench) == [state]
        door.answer_lost.clear()
        desk = bench.parts.desk.batches
        if state == "ended" and not jobs:
            with pytest.raises(Conflict):
                await desk.cancel(1, "maria", jobs=False)
        else:
            assert (await desk.cancel(1, "maria", jobs=jobs)).cancel_by == "maria"
        door.refuse.clear()
        door.rewrite = None
        found = {record.state for record in await ended(bench, ids, step_s=100.0)}
        await done(bench, step_s=100.0)
        if not jobs:
            assert found == {JobState.SUCCEEDED}
        else:
            assert JobState.CANCELLED in found
            assert await bench.states(ids[1:]) == [JobState.CANCELLED] * 3 or state == "ended"
        assert await bench.book_mistakes() == []
        assert len(bench.recorder.of(JobFinished)) == 4
        asked = bench.recorder.of(BatchCancelAsked)
        assert [one.who for one in asked] == (["maria"] if state == "in_progress" else [])
        with pytest.raises((Conflict, BatchNotFound)):
            await desk.cancel(1, "maria", jobs=jobs)


async def test_a_cancel_that_comes_too_late_is_no_trouble(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=600.0)
    config = batching(tmp_path, settings=replace(AT_ONCE, poll_s=HOUR_S))
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        ids = await bench.submit(*bulk(4))
        await bench.recorder.wait_for(BatchCreated)
        await stepped(bench)
        clock.advance(700.0)
        await bench.parts.desk.batches.cancel(1, "maria", jobs=False)
        await bench.finished(ids)
        await answered_once(bench, ids)
        assert twin.stats().batches.calls["cancel"] == 1
        assert bench.recorder.of(BatchCancelAsked) == []


async def test_most_jobs_cancelled_one_by_one_stop_their_batch(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=HOUR_S)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        ids = await bench.submit(*bulk(4))
        await bench.recorder.wait_for(BatchCreated)
        await asyncio.gather(*(bench.parts.desk.cancel(job_id) for job_id in ids[:3]))
        await later(bench, 5.0)
        await bench.recorder.wait_for(BatchCancelAsked)
        [record] = await ended(bench, ids[3:], step_s=600.0)
        assert record.state is JobState.SUCCEEDED


async def test_a_job_held_for_itself_comes_back_from_a_batch_that_cannot_leave(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path, settings=AT_ONCE)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        door.refuse["create"] = httpx2.ConnectError("nobody is there")
        bench.start(door)
        ids = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchRefused)
        scope = Scope(ScopeKind.JOB, str(ids[0]))
        await bench.parts.keeper.hold(scope, "look at it", None, "test")
        door.refuse.clear()
        await ended(bench, ids[1:], step_s=10.0)
        assert await bench.states(ids[:1]) == [JobState.QUEUED]
        await bench.parts.keeper.release(bench.parts.shared.holds.on(scope), "fine", "test")
        await answered_once(bench, ids)
        assert twin.stats().calls == 0


async def test_what_expires_with_a_stopped_batch_goes_on(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("batch_expire", item_share=0.5),))
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        ids = await bench.submit(*bulk(20))
        await answered_once(bench, ids)
        await done(bench)
        assert await bench.book_mistakes() == []

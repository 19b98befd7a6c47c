"""Trouble around batches: outages, limits, a store that refuses, and days on which nothing happens."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import httpx2

from claudeflow.domain.batch_events import BatchBooked, BatchCreated, BatchRefused
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.hold import EVERYTHING
from claudeflow.domain.job import JobState
from claudeflow.policy.money.settings import BudgetSettings
from claudeflow.twin.faults import Fault
from tests.support.batch_doors import BatchDoor
from tests.support.batches import AT_ONCE, batching, bulk, done, ended, later, states
from tests.support.clocks import WoundClock
from tests.support.daemons import a_twin, opened, running, until
from tests.support.virtual import a_virtual_twin, in_virtual_time, living


async def test_an_outage_of_an_hour_is_met_with_growing_pauses_and_loses_nothing(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=120.0)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        bench.start(door)
        first = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchCreated)
        down = httpx2.ConnectError("no route to the API")
        door.refuse = dict.fromkeys(("create", "list", "get", "results", "message"), down)
        second = await bench.submit(*bulk(2))
        before = len(door.came)
        for _ in range(30):
            await later(bench, 120.0)
        assert 5 < len(door.came) - before < 30
        door.refuse = {}
        ids = [*first, *second]
        assert {record.state for record in await ended(bench, ids, step_s=60.0)} == {JobState.SUCCEEDED}
        await done(bench)
        assert len(twin.batches()) == 2
        assert await bench.book_mistakes() == []


async def test_retry_after_at_one_endpoint_is_waited_for_at_all_of_them_and_by_the_next_daemon(
    tmp_path: Path,
) -> None:
    clock = WoundClock()
    fault = Fault("rate_429", calls=(1, 1), retry_after_s=300, on="batches.create")
    twin = a_twin(clock, faults=(fault,), batch_start_s=60.0)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        ids = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchRefused)
        await later(bench, 100.0)
        assert sum(twin.stats().batches.calls.values()) == 1
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        await later(bench, 150.0)
        assert sum(twin.stats().batches.calls.values()) == 1
        await ended(bench, ids, step_s=30.0)
        await done(bench)
        assert twin.stats().batches.early_calls == 0


async def test_a_429_when_a_batch_is_stopped_is_waited_for_before_it_is_looked_at(tmp_path: Path) -> None:
    clock = WoundClock()
    fault = Fault("rate_429", calls=(1, 1), retry_after_s=300, on="batches.cancel")
    twin = a_twin(clock, faults=(fault,), batch_start_s=3_600.0)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchCreated)
        await bench.parts.desk.batches.cancel(1, "maria", jobs=True)
        for _ in range(12):
            await later(bench, 50.0)
        await done(bench)
        assert twin.stats().batches.early_calls == 0
        assert twin.stats().batches.calls["cancel"] == 2


async def test_a_store_that_takes_no_writes_for_a_while_loses_and_doubles_nothing(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        ids = await bench.submit(*bulk(5))
        await bench.recorder.wait_for(BatchCreated)
        blocker = await asyncio.to_thread(_lock, bench.store_path)
        clock.advance(5.0)
        bench.parts.batches.wake()
        await bench.recorder.wait_for(OwnTrouble)
        await asyncio.to_thread(blocker.close)
        assert {record.state for record in await ended(bench, ids, step_s=10.0)} == {JobState.SUCCEEDED}
        await done(bench)
        assert len(bench.recorder.of(BatchBooked)) == len(twin.batches()) == 1
        assert await bench.book_mistakes() == []


def _lock(path: Path) -> sqlite3.Connection:
    raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    raw.execute("BEGIN IMMEDIATE")
    return raw


async def test_a_store_that_refuses_in_the_middle_of_the_filling_blocks_no_later_batch(
    tmp_path: Path,
) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        ids = await bench.submit(*bulk(5))

        def spoil(raw: sqlite3.Connection) -> None:
            raw.execute(
                "CREATE TRIGGER spoiled BEFORE INSERT ON calls BEGIN SELECT RAISE(ABORT, 'no room'); END"
            )

        def mend(raw: sqlite3.Connection) -> None:
            raw.execute("DROP TRIGGER spoiled")

        await bench.parts.shared.store.write(spoil)
        bench.start()
        await bench.recorder.wait_for(OwnTrouble)
        assert bench.parts.shared.budgets.book.status(clock.epoch_ms()) == ()
        await bench.parts.shared.store.write(mend)
        assert {record.state for record in await ended(bench, ids, step_s=10.0)} == {JobState.SUCCEEDED}
        await done(bench)
        assert "filling" not in await states(bench)


async def test_more_than_the_api_lets_wait_is_tried_again_when_it_says_so(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_queued=3, batch_start_s=100.0)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        first = await bench.submit(*bulk(3))
        await until(lambda: len(twin.batches()) >= 1)
        second = await bench.submit(*bulk(2))
        ids = [*first, *second]
        assert {record.state for record in await ended(bench, ids, step_s=30.0)} == {JobState.SUCCEEDED}
        assert twin.stats().batches.early_calls == 0


def test_a_day_with_nothing_to_do_costs_nothing_and_one_with_a_batch_a_look_now_and_then(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(batch_start_s=10_000.0)
        config = batching(tmp_path, settings=replace(AT_ONCE, poll_s=100.0))
        async with living(tmp_path, twin, config=config, batches=True) as bench:
            await asyncio.sleep(86_400.0)
            assert bench.parts.batches.steps <= 3
            before = bench.parts.batches.steps
            ids = await bench.submit(*bulk(5))
            await asyncio.sleep(9_000.0)
            assert bench.parts.batches.steps - before < 300
            await asyncio.sleep(2_000.0)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            before = bench.parts.batches.steps
            await asyncio.sleep(86_400.0)
            assert bench.parts.batches.steps == before

    in_virtual_time(scene)


def test_jobs_under_a_hold_or_out_of_money_do_not_keep_the_keeper_at_work(tmp_path: Path) -> None:
    async def scene() -> None:
        config = batching(tmp_path, budgets={"all": BudgetSettings(0.000001)})
        async with living(tmp_path, a_virtual_twin(), config=config, batches=True) as bench:
            await bench.submit(*bulk(5))
            await asyncio.sleep(3_600.0)
            assert bench.parts.batches.steps < 100
            await bench.parts.keeper.hold(EVERYTHING, "a pause", None, "test")
            before = bench.parts.batches.steps
            await asyncio.sleep(36_000.0)
            assert bench.parts.batches.steps - before < 700

    in_virtual_time(scene)

"""Faults of ours, full disks and long outages around batches: one request or one batch suffers, no other."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from claudeflow.claude.batches import BatchClient
from claudeflow.domain.attempt import Reply
from claudeflow.domain.batch import BatchTrouble, ItemResult, RemoteBatch
from claudeflow.domain.batch_events import BatchCreated, BatchEnded, BatchLost, BatchRefused
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.hold import EVERYTHING
from claudeflow.domain.job import JobState
from claudeflow.policy.money.settings import BudgetSettings
from claudeflow.store import batch_items
from claudeflow.twin.transport import TwinTransport
from tests.support.batch_doors import BatchDoor
from tests.support.batches import (
    LONG_AFTER_LOST_S,
    answers_of,
    batching,
    bulk,
    done,
    ended,
    later,
    reserved_nanousd,
    states,
)
from tests.support.clocks import WoundClock
from tests.support.daemons import Bench, a_twin, opened, running, until

A_DAY_S = 86_400.0
SECRET = "the client's name is Ofelia"
BUDGETS = {"all": BudgetSettings(scope="all", limit_usd=100.0, period="day", hard=True)}


class Stumbling(BatchClient):
    """The real client, but for faults of ours: one result, one batch or one create makes it raise."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(
            bench.parts.shared.config.api,
            "k",
            http_client=httpx2.AsyncClient(transport=TwinTransport(bench.twin)),
        )
        self.results_to_raise = 0
        self.batches_to_raise: set[str] = set()
        self.creates_to_raise = 0

    def reply_of(self, item: ItemResult, *, schema: Mapping[str, Any] | None, caches_for_1h: bool) -> Reply:
        if self.results_to_raise:
            self.results_to_raise -= 1
            raise LookupError(SECRET)
        return super().reply_of(item, schema=schema, caches_for_1h=caches_for_1h)

    async def retrieve(self, batch_id: str) -> RemoteBatch | BatchTrouble:
        if batch_id in self.batches_to_raise:
            raise LookupError(SECRET)
        return await super().retrieve(batch_id)

    async def create(self, body: bytes) -> RemoteBatch | BatchTrouble:
        answer = await super().create(body)
        if self.creates_to_raise:
            self.creates_to_raise -= 1
            raise LookupError(SECRET)
        return answer


async def told_without_secrets(bench: Bench) -> list[OwnTrouble]:
    """What was told of faults of ours, which quotes nobody."""
    told = bench.recorder.of(OwnTrouble)
    assert told
    assert not [one for one in told if SECRET in str(one)]
    return told


async def test_a_result_at_which_we_stumble_costs_its_own_job_and_no_other(tmp_path: Path) -> None:
    clock = WoundClock()
    async with opened(tmp_path, a_twin(clock), clock=clock, config=batching(tmp_path)) as bench:
        sender = Stumbling(bench)
        sender.results_to_raise = 1
        bench.start()
        bench.parts.batches.use(sender)
        found = await ended(bench, await bench.submit(*bulk(5)))
        await done(bench)
        assert sorted(one.state for one in found) == [JobState.FAILED, *[JobState.SUCCEEDED] * 4]
        [failed] = [one for one in found if one.state is JobState.FAILED]
        assert failed.error is not None
        assert failed.error.type == "internal_error"
        await told_without_secrets(bench)


async def test_a_job_that_cannot_be_built_any_more_costs_no_other_of_its_batch(tmp_path: Path) -> None:
    clock = WoundClock()
    async with opened(tmp_path, a_twin(clock), clock=clock, config=batching(tmp_path)) as bench:
        ids = await bench.submit(*bulk(5))

        def spoil(raw: sqlite3.Connection) -> None:
            raw.execute("UPDATE jobs SET body = ? WHERE id = ?", (b"\x00" + SECRET.encode(), ids[2]))

        await bench.parts.shared.store.write(spoil)
        bench.start()
        found = await ended(bench, ids)
        assert [one.state is JobState.SUCCEEDED for one in found] == [True, True, False, True, True]
        assert found[2].error is not None
        assert SECRET not in str(found[2].error)
        await told_without_secrets(bench)


async def test_a_batch_at_which_we_stumble_is_left_alone_ever_longer_while_others_go_on(
    tmp_path: Path,
) -> None:
    clock = WoundClock()
    async with opened(tmp_path, a_twin(clock), clock=clock, config=batching(tmp_path)) as bench:
        sender = Stumbling(bench)
        bench.start()
        bench.parts.batches.use(sender)
        first = await bench.submit(*bulk(2))
        [created] = await bench.recorder.wait_for(BatchCreated)
        sender.batches_to_raise = {created.api_id}
        second = await bench.submit(*bulk(3))
        for _ in range(60):
            await later(bench, 60.0)
        assert {one.state for one in await ended(bench, second)} == {JobState.SUCCEEDED}
        assert 4 < len(await told_without_secrets(bench)) < 15
        sender.batches_to_raise = set()
        await ended(bench, first, step_s=120.0)
        await done(bench)
        assert answers_of(bench.store_path) == dict.fromkeys([*first, *second], 1)


async def test_a_create_at_which_we_stumble_is_looked_for_and_not_sent_again(tmp_path: Path) -> None:
    clock = WoundClock()
    async with opened(tmp_path, a_twin(clock), clock=clock, config=batching(tmp_path)) as bench:
        sender = Stumbling(bench)
        sender.creates_to_raise = 1
        bench.start()
        bench.parts.batches.use(sender)
        ids = await bench.submit(*bulk(3))
        await ended(bench, ids, step_s=20.0)
        await done(bench)
        assert answers_of(bench.store_path) == dict.fromkeys(ids, 1)
        assert len(bench.twin.batches()) == 1
        await told_without_secrets(bench)


async def test_the_name_of_a_new_batch_outlives_a_store_that_cannot_take_it(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=3_000.0)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        await bench.parts.shared.store.write(full_for_names)
        door = BatchDoor(twin, clock.monotonic)
        bench.start(door)
        ids = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(OwnTrouble)
        await bench.parts.shared.store.write(roomy_again)
        await later(bench, 20.0)
        await until(lambda: bool(bench.recorder.of(BatchCreated)))
        assert door.count("list") == 0
        await later(bench, 3_100.0)
        await ended(bench, ids)
        assert door.count("create") == 1
        assert answers_of(bench.store_path) == dict.fromkeys(ids, 1)


def full_for_names(raw: sqlite3.Connection) -> None:
    """The store takes everything but what the API calls a batch."""
    raw.execute(
        "CREATE TRIGGER full BEFORE UPDATE OF api_id ON batches WHEN NEW.api_id IS NOT NULL "
        "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    )


def roomy_again(raw: sqlite3.Connection) -> None:
    """It takes that too."""
    raw.execute("DROP TRIGGER full")


@pytest.mark.parametrize("status", [None, 500, 529])
async def test_results_behind_an_outage_of_days_are_booked_when_it_ends(
    tmp_path: Path, status: int | None
) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        door.refuse["results"] = httpx2.ConnectError("down") if status is None else httpx2.Response(status)
        bench.start(door)
        ids = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchEnded)
        for _ in range(30):
            await later(bench, A_DAY_S / 6)
        assert await states(bench) == ["ended"]
        door.refuse.clear()
        await ended(bench, ids, step_s=3_600.0)
        await done(bench)
        assert bench.recorder.of(BatchLost) == []
        assert len(twin.batches()) == 1
        assert await bench.settled_nanousd() == twin.invoice().total_nanousd


async def test_a_slow_upload_whose_answer_is_lost_is_looked_for_until_it_must_show(tmp_path: Path) -> None:
    """The API takes ten minutes for the upload, and shows the batch a minute later."""
    clock = WoundClock()
    twin = a_twin(clock, batch_hidden_s=60.0)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        door.gates["create"] = asyncio.Event()
        door.answer_lost.add("create")
        bench.start(door)
        ids = await bench.submit(*bulk(3))
        await until(lambda: door.count("create") == 1)
        clock.advance(600.0)
        door.gates["create"].set()
        await bench.recorder.wait_for(BatchRefused)
        door.answer_lost.clear()
        await ended(bench, ids, step_s=20.0)
        await done(bench)
        assert door.count("create") == len(twin.batches()) == 1
        assert answers_of(bench.store_path) == dict.fromkeys(ids, 1)


async def test_a_lost_batch_is_found_behind_a_host_clock_that_runs_ahead(tmp_path: Path) -> None:
    """An hour and a half ahead: the API dates the batch before its create left."""
    clock, theirs = WoundClock(), WoundClock()
    twin = a_twin(theirs)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        clock.advance(5_400.0)
        door = BatchDoor(twin, clock.monotonic)
        door.answer_lost.add("create")
        bench.start(door)
        ids = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchRefused)
        door.answer_lost.clear()
        for _ in range(40):
            theirs.advance(LONG_AFTER_LOST_S)
            await later(bench, LONG_AFTER_LOST_S)
        assert door.count("create") == 1
        assert {one.state for one in await ended(bench, ids)} == {JobState.SUCCEEDED}


async def test_a_batch_that_waits_for_a_hold_lets_its_jobs_and_their_money_go(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    config = batching(tmp_path, budgets=BUDGETS)
    async with opened(tmp_path, twin, clock=clock, config=config) as bench:
        door = BatchDoor(twin, clock.monotonic)
        door.refuse["create"] = httpx2.ConnectError("no route")
        bench.start(door)
        ids = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchRefused)
        await bench.parts.keeper.hold(EVERYTHING, "maintenance", None, "maria")
        await later(bench, 300.0)
        assert await states(bench) == ["ready"]
        assert reserved_nanousd(bench) > 0
        await later(bench, 400.0)
        assert "ready" not in await states(bench)
        assert reserved_nanousd(bench) == 0
        assert set(await bench.states(ids)) == {JobState.QUEUED}
        await later(bench, A_DAY_S)
        door.refuse.clear()
        await bench.parts.keeper.release(bench.parts.shared.holds.on(EVERYTHING), "over", "maria")
        assert {one.state for one in await ended(bench, ids)} == {JobState.SUCCEEDED}
        await done(bench)
        assert len(twin.batches()) == 1


async def test_a_request_is_billed_as_what_was_sent_though_its_job_has_moved_on(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=3_000.0)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        [job_id] = await bench.submit(*bulk(1))
        await bench.recorder.wait_for(BatchCreated)
        await bench.parts.desk.batches.cancel(1, "maria", jobs=True)

        def move(raw: sqlite3.Connection) -> None:
            raw.execute("UPDATE jobs SET lane = 'second', model = 'claude-opus-4-6' WHERE id = ?", (job_id,))

        def found(raw: sqlite3.Connection) -> Any:
            [call_id] = batch_items.open_calls(raw, 1, 0, 1)
            return batch_items.unbooked(raw, 1, [call_id])[call_id].job

        before = await bench.parts.shared.store.read(found)
        await bench.parts.shared.store.write(move)
        assert await bench.parts.shared.store.read(found) == before

"""Creates whose answer is lost, and daemons that end in the middle of a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from claudeflow.config import Config
from claudeflow.domain.batch import BatchState
from claudeflow.domain.batch_events import BatchCreated, BatchEnded, BatchRefused
from claudeflow.domain.job import JobState
from claudeflow.policy.money.settings import BudgetSettings
from claudeflow.store import batch_items, batches
from claudeflow.store.claims import Claim
from claudeflow.twin.faults import Fault
from tests.support.batch_doors import BatchDoor
from tests.support.batches import (
    LONG_AFTER_LOST_S,
    answers_of,
    batching,
    bulk,
    done,
    ended,
    later,
    records,
    reserved_nanousd,
    states,
    stepped,
)
from tests.support.clocks import WoundClock
from tests.support.daemons import Bench, a_twin, opened, running, until

BUDGETS = {"all": BudgetSettings(scope="all", limit_usd=100.0, period="month", hard=True)}


def config_of(folder: Path) -> Config:
    return batching(folder, budgets=BUDGETS)


async def answered_once(bench: Bench, ids: list[Any]) -> None:
    """Every job has its answer, none twice, and the books are the invoice."""
    assert {record.state for record in await ended(bench, ids, step_s=20.0)} == {JobState.SUCCEEDED}
    await done(bench)
    assert answers_of(bench.store_path) == dict.fromkeys(ids, 1)
    assert await bench.book_mistakes() == []
    assert await bench.settled_nanousd() == bench.twin.invoice().total_nanousd
    assert reserved_nanousd(bench) == 0


@pytest.mark.parametrize(("kind", "creates"), [("batch_create_lost", 1), ("batch_create_unheard", 2)])
async def test_a_create_whose_answer_is_lost_is_made_again_only_when_there_is_no_batch(
    tmp_path: Path, kind: str, creates: int
) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault(kind, calls=(1, 1)),))
    async with running(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        ids = await bench.submit(*bulk(5))
        await bench.recorder.wait_for(BatchRefused)
        await answered_once(bench, ids)
        assert twin.stats().batches.calls["create"] == creates
        assert len(twin.batches()) == 1
        [created] = bench.recorder.of(BatchCreated)
        assert created.found is (kind == "batch_create_lost")
        assert len(bench.recorder.of(BatchEnded)) == 1


async def test_a_lost_batch_that_still_runs_is_waited_for_and_others_leave_meanwhile(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("batch_create_lost", calls=(1, 1)),), batch_start_s=3_000.0)
    async with running(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        first = await bench.submit(*bulk(5))
        await bench.recorder.wait_for(BatchRefused)
        await later(bench, LONG_AFTER_LOST_S)
        second = await bench.submit(*bulk(3))
        await until(lambda: len(twin.batches()) == 2)
        assert (await states(bench))[0] == "creating"
        await later(bench, 3_100.0)
        await answered_once(bench, [*first, *second])
        assert len(twin.batches()) == 2


async def test_somebody_elses_batch_of_the_same_size_is_not_taken_for_ours(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("batch_create_unheard", calls=(1, 1)),))
    async with running(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        ids = await bench.submit(*bulk(1))
        await bench.recorder.wait_for(BatchRefused)
        foreign = {"requests": [{"custom_id": "theirs-1", "params": _a_request()}]}
        async with httpx2.AsyncClient(transport=BatchDoor(twin, clock.monotonic)) as client:
            answer = await client.post(
                "http://api.test/v1/messages/batches",
                json=foreign,
                headers={"x-api-key": "k", "anthropic-version": "2023-06-01"},
            )
        assert answer.status_code == 200
        [record] = await ended(bench, ids, step_s=20.0)
        await done(bench)
        assert record.state is JobState.SUCCEEDED
        assert [record.api_id for record in await records(bench)] != [answer.json()["id"]]
        assert len(twin.batches()) == 2


async def test_results_that_show_nothing_yet_do_not_make_a_lost_batch_somebody_elses(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("batch_create_lost", calls=(1, 1)),))
    async with opened(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        door.rewrite = lambda _: []
        bench.start(door)
        ids = await bench.submit(*bulk(5))
        await bench.recorder.wait_for(BatchRefused)
        for _ in range(5):
            await later(bench, LONG_AFTER_LOST_S)
        assert door.count("results") > 1
        door.rewrite = None
        await answered_once(bench, ids)
        assert len(twin.batches()) == 1


@pytest.mark.parametrize("hurried", [True, False])
async def test_a_daemon_that_ends_while_a_create_is_out_finds_its_batch(
    tmp_path: Path, hurried: bool
) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        door.answer_lost.add("create")
        bench.start(door)
        ids = await bench.submit(*bulk(4))
        await until(lambda: len(twin.batches()) == 1)
        if hurried:
            bench.hurry.set()
        else:
            await kill(bench)
    async with running(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        assert reserved_nanousd(bench) > 0
        await answered_once(bench, ids)
        assert len(twin.batches()) == 1


async def kill(bench: Bench) -> None:
    """The daemon's tasks end without a word, as if the process had died."""
    assert bench.running is not None
    bench.running.cancel()
    await until(bench.running.done)
    bench.running = None


async def test_a_daemon_that_dies_while_it_fills_a_batch_leaves_jobs_that_wait(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        ids = await bench.submit(*bulk(4))
        await fill_by_hand(bench, ids[:3])
        cancelled = await bench.parts.desk.cancel(ids[0])
        assert cancelled.state is JobState.CANCELLED
    async with running(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        assert reserved_nanousd(bench) == 0 or twin.batches()
        await answered_once(bench, ids[1:])
        assert len(twin.batches()) == 1
        assert twin.stats().batches.items["succeeded"] == 3


async def fill_by_hand(bench: Bench, ids: list[Any]) -> int:
    """A batch with these jobs, as a daemon that fills one leaves it behind."""
    store, now_ms = bench.parts.shared.store, bench.clock.epoch_ms()

    def fill(raw: Any) -> int:
        number = batches.begin(raw, "cf0", now_ms)
        [group] = batch_items.groups(raw)
        wanted = [one for one in batch_items.head(raw, group, 100) if one.id in ids]
        batch_items.fill(raw, number, [Claim(one, "haiku-5.5", 1_000) for one in wanted], now_ms)
        return number

    return await store.write(fill)


async def test_a_batch_whose_filling_broke_off_is_filled_anew_without_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path, config=config_of(tmp_path)) as bench:
        ids = await bench.submit(*bulk(4))
        await fill_by_hand(bench, ids[:3])
        bench.start()
        await answered_once(bench, ids)
        assert len(bench.twin.batches()) == 1


@pytest.mark.parametrize("state", [BatchState.IN_PROGRESS, BatchState.ENDED])
async def test_a_batch_outlives_the_daemon_that_sent_it(tmp_path: Path, state: BatchState) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=600.0)
    async with opened(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        bench.start(door)
        ids = await bench.submit(*bulk(250))
        await bench.recorder.wait_for(BatchCreated)
        whole = reserved_nanousd(bench)
        if state is BatchState.ENDED:
            door.rewrite = lambda lines: lines[:120]
            await later(bench, 700.0)
            await bench.recorder.wait_for(BatchEnded)
            await stepped(bench)
        [record] = await records(bench)
        assert record.state is state
        assert record.booked == (120 if state is BatchState.ENDED else 0)
        left = reserved_nanousd(bench)
        assert left == whole if state is BatchState.IN_PROGRESS else whole // 3 < left < whole
        await kill(bench)
    async with running(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        assert reserved_nanousd(bench) == left
        if state is BatchState.IN_PROGRESS:
            await later(bench, 700.0)
        await answered_once(bench, ids)
        assert len(twin.batches()) == 1


async def test_a_batch_that_was_ready_when_the_daemon_died_leaves_once(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        door.refuse["create"] = httpx2.ConnectError("no route")
        bench.start(door)
        ids = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchRefused)
        await until_state(bench, "ready")
        await kill(bench)
    async with running(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        await answered_once(bench, ids)
        assert len(twin.batches()) == 1


async def until_state(bench: Bench, *wanted: str) -> None:
    for _ in range(100):
        if await states(bench) == list(wanted):
            return
        await stepped(bench)
    raise AssertionError(await states(bench))


async def test_404s_right_after_the_creation_are_survived(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_hidden_s=50.0)
    async with running(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        await answered_once(bench, await bench.submit(*bulk(3)))
        assert len(twin.batches()) == 1


async def test_one_404_late_in_its_life_is_no_reason_to_give_a_batch_up(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=10_000.0)
    async with opened(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        bench.start(door)
        ids = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchCreated)
        await later(bench, 9_000.0)
        door.refuse["get"] = missing()
        await later(bench, 5.0)
        assert await states(bench) == ["in_progress"]
        del door.refuse["get"]
        await later(bench, 1_100.0)
        await answered_once(bench, ids)


async def test_a_batch_that_is_missing_until_it_expires_is_given_up_and_its_jobs_are_answered_in_another_way(
    tmp_path: Path,
) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=20_000.0)
    async with opened(tmp_path, twin, clock=clock, config=config_of(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        bench.start(door)
        ids = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchCreated)
        door.refuse["get"] = missing()
        for _ in range(23):
            await later(bench, 3_600.0)
        assert (await states(bench))[0] == "in_progress"
        for _ in range(2):
            await later(bench, 3_600.0)
        del door.refuse["get"]
        await until_state(bench, "lost", "in_progress")
        await later(bench, 20_100.0)
        await done(bench)
        assert set(await bench.states(ids)) == {JobState.SUCCEEDED}
        assert await bench.book_mistakes() == []


def missing() -> httpx2.Response:
    return _error(404, "not_found_error", "no such batch")


def _error(status: int, kind: str, message: str) -> httpx2.Response:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_0"}
    return httpx2.Response(status, json=body, headers={"request-id": "req_0"})


def _a_request() -> dict[str, Any]:
    return {"model": "claude-haiku-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}

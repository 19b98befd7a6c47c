"""What the results of a batch mean, and results that come late, broken, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from claudeflow.domain.batch_events import BatchBooked, BatchCreated, BatchEnded, BatchLost
from claudeflow.domain.events import CallEnded, HoldSet, JobFinished, OwnTrouble
from claudeflow.domain.hold import HoldCause
from claudeflow.domain.job import JobState
from claudeflow.policy.batching.settings import BatchPolicy
from claudeflow.twin.faults import Fault
from tests.support.batch_doors import BatchDoor, Rewrite, errored
from tests.support.batches import (
    answers_of,
    batching,
    bulk,
    done,
    ended,
    later,
    records,
    row,
    states,
    stepped,
)
from tests.support.clocks import WoundClock
from tests.support.daemons import Bench, a_twin, opened

A_DAY_S = 86_400.0


@asynccontextmanager
async def behind_a_door(
    folder: Path, *, policy: BatchPolicy = "always", rewrite: Rewrite | None = None, **twin: Any
) -> AsyncIterator[tuple[Bench, BatchDoor]]:
    """A daemon at work, and who stands between it and its twin."""
    clock = WoundClock()
    other_side = a_twin(clock, **twin)
    config = batching(folder, policy)
    async with opened(folder, other_side, clock=clock, config=config) as bench:
        door = BatchDoor(other_side, clock.monotonic)
        door.rewrite = rewrite
        bench.start(door)
        yield bench, door


def every(change: Callable[[bytes], bytes]) -> Rewrite:
    """All lines of results are changed."""
    return lambda lines: [change(line) for line in lines]


async def all_is_well(bench: Bench, ids: list[Any], step_s: float = 20.0) -> None:
    """Every job has one answer, and the books are the invoice."""
    assert {record.state for record in await ended(bench, ids, step_s=step_s)} == {JobState.SUCCEEDED}
    await done(bench, step_s=step_s)
    assert answers_of(bench.store_path) == dict.fromkeys(ids, 1)
    assert await bench.book_mistakes() == []
    assert await bench.settled_nanousd() == bench.twin.invoice().total_nanousd


@pytest.mark.parametrize("orderly", [True, False])
async def test_results_that_break_off_are_read_again_and_booked_once(tmp_path: Path, orderly: bool) -> None:
    fault = Fault("batch_partial", calls=(1, 2), after_share=0.6, orderly=orderly)
    async with behind_a_door(tmp_path, faults=(fault,)) as (bench, door):
        ids = await bench.submit(*bulk(240))
        await bench.recorder.wait_for(BatchEnded)
        await all_is_well(bench, ids)
        assert door.count("results") >= 3
        assert len(bench.recorder.of(CallEnded)) == len(bench.recorder.of(JobFinished)) == 240
        assert len(bench.recorder.of(BatchBooked)) == 1


async def test_a_line_that_can_never_be_read_costs_its_own_job_a_result_and_no_other(tmp_path: Path) -> None:
    def rewrite(lines: list[bytes]) -> list[bytes]:
        return [lines[0], b'{"custom_id":"?","result":{"type":"unheard_of"}}', *lines[2:]]

    async with behind_a_door(tmp_path, rewrite=rewrite) as (bench, door):
        ids = await bench.submit(*bulk(20))
        await bench.recorder.wait_for(BatchEnded)
        for _ in range(4):
            await later(bench, 400.0)
        assert (await row(bench)).booked == 19
        assert door.count("results") >= 3
        for _ in range(3):
            await later(bench, 30_000.0)
        [lost] = bench.recorder.of(BatchLost)
        assert lost.jobs == 1
        assert {record.state for record in await ended(bench, ids)} == {JobState.SUCCEEDED}
        assert await bench.book_mistakes() == []


async def test_results_that_stay_incomplete_are_asked_for_less_and_less_often(tmp_path: Path) -> None:
    async with behind_a_door(tmp_path, rewrite=lambda lines: lines[1:]) as (bench, door):
        await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchEnded)
        for _ in range(60):
            await later(bench, 60.0)
        assert 3 < door.count("results") < 10
        assert (await states(bench))[0] == "ended"
        assert (await row(bench)).problem is not None


async def test_results_are_not_given_up_because_the_daemon_was_away_for_days(tmp_path: Path) -> None:
    async with behind_a_door(tmp_path, batch_start_s=60.0) as (bench, door):
        ids = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchCreated)
        door.rewrite = lambda lines: lines[1:]
        await later(bench, 3 * A_DAY_S)
        await stepped(bench)
        assert await states(bench) == ["ended"]
        door.rewrite = None
        await all_is_well(bench, ids)


async def test_results_the_api_does_not_have_for_a_moment_are_not_given_up(tmp_path: Path) -> None:
    async with behind_a_door(tmp_path) as (bench, door):
        body = {"type": "error", "error": {"type": "not_found_error", "message": "no"}, "request_id": "r"}
        door.refuse["results"] = httpx2.Response(404, json=body)
        ids = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchEnded)
        await later(bench, 1_000.0)
        assert await states(bench) == ["ended"]
        del door.refuse["results"]
        await all_is_well(bench, ids, step_s=500.0)


async def test_results_under_other_names_are_nobodys(tmp_path: Path) -> None:
    def rewrite(lines: list[bytes]) -> list[bytes]:
        result = orjson.loads(lines[0])
        name, _, number = result["custom_id"].rpartition("-")
        others = ("theirs-1", f"{name}-0{number}", f"{name}-{'9' * 40}", f"{name}-", f"x{name}-{number}")
        strangers = [orjson.dumps({**result, "custom_id": other}) for other in others]
        return [*strangers, *lines]

    async with behind_a_door(tmp_path, rewrite=rewrite) as (bench, _):
        await all_is_well(bench, await bench.submit(*bulk(3)))
        assert bench.recorder.of(OwnTrouble) == []
        assert len(bench.recorder.of(CallEnded)) == 3


async def test_a_request_at_fault_fails_its_job_with_its_error(tmp_path: Path) -> None:
    fault = Fault("batch_item_error", error_type="invalid_request_error", item_share=1.0)
    async with behind_a_door(tmp_path, faults=(fault,)) as (bench, _):
        found = await ended(bench, await bench.submit(*bulk(3)))
        await done(bench)
        assert {record.state for record in found} == {JobState.FAILED}
        assert {record.error.type for record in found if record.error} == {"invalid_request_error"}
        assert bench.twin.stats().calls == 0
        assert await bench.settled_nanousd() == 0


@pytest.mark.parametrize(("policy", "batches"), [("always", 2), ("slack", 1)])
@pytest.mark.parametrize("kind", ["overloaded_error", "api_error"])
async def test_requests_that_failed_use_an_attempt_and_go_by_messages_when_batches_fail_again(
    tmp_path: Path, policy: BatchPolicy, batches: int, kind: str
) -> None:
    fault = Fault("batch_item_error", error_type=kind, item_share=1.0)
    async with behind_a_door(tmp_path, policy=policy, faults=(fault,)) as (bench, _):
        ids = await bench.submit(*bulk(4))
        found = await ended(bench, ids)
        await done(bench)
        assert {record.state for record in found} == {JobState.SUCCEEDED}
        assert {record.attempts for record in found} == {batches + 1}
        assert bench.twin.stats().calls == 4
        assert await bench.book_mistakes() == []


@pytest.mark.parametrize(("policy", "batches"), [("always", 2), ("slack", 1)])
async def test_requests_that_expire_use_no_attempt_and_go_by_messages_in_the_end(
    tmp_path: Path, policy: BatchPolicy, batches: int
) -> None:
    async with behind_a_door(tmp_path, policy=policy, faults=(Fault("batch_expire"),)) as (bench, _):
        ids = await bench.submit(*bulk(4))
        found = await ended(bench, ids)
        assert {record.state for record in found} == {JobState.SUCCEEDED}
        assert {record.attempts for record in found} == {1}
        assert len(bench.twin.batches()) == batches
        assert bench.twin.stats().calls == 4


async def test_a_refused_key_in_the_results_holds_everything_and_fails_no_job(tmp_path: Path) -> None:
    change = errored("authentication_error", "invalid x-api-key")
    async with behind_a_door(tmp_path, rewrite=every(change)) as (
        bench,
        door,
    ):
        ids = await bench.submit(*bulk(4))
        [hold] = await bench.recorder.wait_for(HoldSet)
        assert hold.hold.cause is HoldCause.AUTHENTICATION
        await stepped(bench)
        assert set(await bench.states(ids)) == {JobState.QUEUED}
        assert door.count("create") == 1
        door.rewrite = None
        found = await ended(bench, ids, step_s=30.0)
        assert {record.state for record in found} == {JobState.SUCCEEDED}
        assert {record.attempts for record in found} == {1}
        assert len(bench.recorder.of(HoldSet)) == 1


async def test_what_an_earlier_hold_left_behind_sets_it_again_and_does_not_go_round_in_circles(
    tmp_path: Path,
) -> None:
    change = errored("billing_error", "unpaid")
    async with behind_a_door(tmp_path, rewrite=every(change)) as (
        bench,
        door,
    ):
        await bench.submit(*bulk(4))
        for _ in range(20):
            await later(bench, 15.0)
        assert door.count("create") <= 6


@pytest.mark.parametrize("kind", ["permission_error", "not_found_error"])
async def test_a_model_that_is_refused_in_a_batch_is_tried_by_messages(tmp_path: Path, kind: str) -> None:
    change = errored(kind, "model: no")
    async with behind_a_door(tmp_path, rewrite=every(change)) as (bench, _):
        found = await ended(bench, await bench.submit(*bulk(3)))
        assert {record.state for record in found} == {JobState.SUCCEEDED}
        assert bench.recorder.of(HoldSet) == []
        assert (len(bench.twin.batches()), bench.twin.stats().calls) == (1, 3)


async def test_a_rate_limit_in_the_results_is_no_attempt_and_no_endless_round(tmp_path: Path) -> None:
    change = errored("rate_limit_error", "slow down")
    async with behind_a_door(tmp_path, rewrite=every(change)) as (bench, _):
        found = await ended(bench, await bench.submit(*bulk(3)))
        assert {record.state for record in found} == {JobState.SUCCEEDED}
        assert {record.attempts for record in found} == {1}
        assert len(bench.twin.batches()) == 2


async def test_states_and_numbers_are_right_at_each_stage(tmp_path: Path) -> None:
    async with behind_a_door(tmp_path, batch_start_s=600.0) as (bench, door):
        [first, *_] = ids = await bench.submit(*bulk(3))
        await bench.recorder.wait_for(BatchCreated)
        view = await bench.parts.desk.batches.list_batches(None, 10)
        [one] = view.batches
        assert (one.state, one.requests, one.booked, one.left) == ("in_progress", 3, 0, 0)
        assert view.waiting == ()
        explained = await bench.parts.desk.queue.explain(first)
        assert (explained.rule, "created" in explained.why) == ("in_batch", True)
        door.rewrite = lambda lines: lines[:2]
        await later(bench, 700.0)
        await stepped(bench)
        one = await row(bench)
        assert (one.state, one.booked, one.counts.succeeded) == ("ended", 2, 3)
        door.rewrite = None
        await all_is_well(bench, ids)
        [record] = await records(bench)
        assert (record.state, record.booked, record.problem) == ("done", 3, None)

"""Which jobs leave in which batch: by number, size, age, room, money, holds, and what they ask for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from claudeflow.domain.batch_events import BatchCreated, BatchRefused
from claudeflow.domain.events import HoldReleased, HoldSet, JobFinished
from claudeflow.domain.hold import EVERYTHING, HoldCause, Scope, ScopeKind
from claudeflow.domain.job import JobState
from claudeflow.policy.batching.settings import BatchPolicy
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.money.settings import BudgetSettings
from claudeflow.twin.faults import Fault
from tests.support.batch_doors import BatchDoor
from tests.support.batches import AT_ONCE, batching, bulk, done, ended, later, states, stepped
from tests.support.clocks import WoundClock
from tests.support.daemons import MODEL, Bench, a_job, a_twin, opened, running, until

SLOW = {"batch_start_s": 3_600.0}
WAITING = replace(AT_ONCE, max_age_s=3_600.0)


def sizes(bench: Bench) -> list[int]:
    """How many requests the batches of the twin have."""
    return [len(batch.custom_ids) for batch in bench.twin.batches()]


def large(size: int) -> dict[str, Any]:
    """A job of so many bytes and a few more."""
    job = a_job(lane="bulk")
    job["request"]["messages"][0]["content"] = "z" * size
    return job


async def test_a_batch_leaves_with_as_many_requests_as_it_may(tmp_path: Path) -> None:
    config = batching(tmp_path, settings=replace(WAITING, max_requests=4))
    async with running(tmp_path, config=config) as bench:
        await bench.submit(*bulk(10))
        await until(lambda: sizes(bench) == [4, 4])
        await stepped(bench)
        assert sizes(bench) == [4, 4]
        await later(bench, 3_601.0)
        await until(lambda: sizes(bench) == [4, 4, 2])


async def test_a_batch_leaves_with_as_many_bytes_as_it_may(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, **SLOW)
    config = batching(tmp_path, settings=replace(WAITING, max_bytes=20_000))
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        await bench.submit(*(large(9_000) for _ in range(5)))
        await until(lambda: sizes(bench) == [2, 2])
        # What no batch takes goes by Messages.
        ids = await bench.submit(large(30_000))
        await bench.finished(ids)
        assert twin.stats().calls == 1


async def test_a_job_larger_than_a_batch_may_be_now_does_not_stop_those_behind_it(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, **SLOW)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path, settings=WAITING)) as bench:
        await bench.submit(large(9_000), *bulk(2))
        shared = bench.parts.shared
        shared.config = replace(shared.config, batches=replace(AT_ONCE, max_bytes=5_000))
        bench.wake()
        await until(lambda: sum(sizes(bench)) == 3)


async def test_no_more_requests_are_in_batches_than_may_be(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=60.0)
    config = batching(tmp_path, settings=replace(AT_ONCE, max_queued=3))
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        ids = await bench.submit(*bulk(5))
        await until(lambda: sum(sizes(bench)) == 3)
        await stepped(bench)
        assert sum(sizes(bench)) == 3
        waiting = (await bench.parts.desk.batches.list_batches(None, 10)).waiting
        assert [(one.requests, "unfinished batches hold" in one.why) for one in waiting] == [(2, True)]
        await ended(bench, ids, step_s=20.0)
        assert sum(sizes(bench)) == 5


@pytest.mark.parametrize("scope", ["lane:bulk", "workflow:mail", f"model:{MODEL}", "all"])
async def test_a_hold_keeps_jobs_out_of_new_batches_and_is_explained(tmp_path: Path, scope: str) -> None:
    kind, _, name = scope.partition(":")
    held = Scope(ScopeKind(kind), name)
    async with running(tmp_path, config=batching(tmp_path)) as bench:
        await bench.parts.keeper.hold(held, "an audit", None, "maria")
        stopped = await bench.submit(*bulk(2, workflow="mail"))
        await stepped(bench)
        explained = await bench.parts.desk.queue.explain(stopped[0])
        assert "an audit" in explained.why
        assert bench.twin.batches() == []
        if kind == "workflow":
            free = await bench.submit(*bulk(2, workflow="other"))
            await ended(bench, free)
            assert set(await bench.states(stopped)) == {JobState.QUEUED}
        await bench.parts.keeper.release(bench.parts.shared.holds.on(held), "done", "maria")
        assert {record.state for record in await ended(bench, stopped)} == {JobState.SUCCEEDED}


async def test_a_hold_takes_jobs_out_of_a_batch_that_could_not_leave_yet(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        door.refuse["create"] = httpx2.ConnectError("nobody is there")
        bench.start(door)
        mail = await bench.submit(*bulk(2, workflow="mail"))
        await bench.recorder.wait_for(BatchRefused)
        scope = Scope(ScopeKind.WORKFLOW, "mail")
        await bench.parts.keeper.hold(scope, "an audit", None, "maria")
        other = await bench.submit(*bulk(2, workflow="other"))
        door.refuse.clear()
        await ended(bench, other, step_s=10.0)
        assert set(await bench.states(mail)) == {JobState.QUEUED}
        assert sum(sizes(bench)) == 2
        await bench.parts.keeper.release(bench.parts.shared.holds.on(scope), "done", "maria")
        await ended(bench, mail)
        assert await bench.book_mistakes() == []


@pytest.mark.parametrize(
    ("kind", "cause"), [("auth_401", HoldCause.AUTHENTICATION), ("spend_cap", HoldCause.SPEND_CAP)]
)
async def test_a_create_refused_for_the_key_or_for_money_holds_everything_until_a_probe_succeeds(
    tmp_path: Path, kind: str, cause: HoldCause
) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault(kind, calls=(1, 2), on="batches.create"),))
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        ids = await bench.submit(*bulk(3))
        [hold] = await bench.recorder.wait_for(HoldSet)
        assert (hold.hold.scope, hold.hold.cause) == (EVERYTHING, cause)
        await stepped(bench)
        assert await states(bench) == ["ready"]
        assert twin.stats().batches.calls["create"] == 1
        records = await ended(bench, ids, step_s=400.0)
        assert {(record.state, record.attempts) for record in records} == {(JobState.SUCCEEDED, 1)}
        assert len(bench.recorder.of(HoldReleased)) == 1
        assert len(twin.batches()) == 1


async def test_a_hold_on_a_model_is_tested_by_messages_and_not_by_a_batch(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        error = {"type": "not_found_error", "message": f"model: {MODEL}"}
        body = {"type": "error", "error": error, "request_id": "r"}
        door.refuse["message"] = httpx2.Response(404, json=body)
        bench.start(door)
        await bench.submit(a_job(9))
        await bench.recorder.wait_for(HoldSet)
        ids = await bench.submit(*bulk(4))
        await stepped(bench)
        assert twin.batches() == []
        assert "is held" in (await bench.parts.desk.queue.explain(ids[0])).why
        door.refuse.clear()
        records = await ended(bench, ids, step_s=30.0)
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert 1 <= twin.stats().calls <= 4
        assert door.count("message") >= 2
        assert sum(sizes(bench)) >= 3


async def test_a_hard_cap_lets_as_many_jobs_go_as_fit_and_is_never_passed(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=100.0)
    probe = batching(tmp_path / "probe", budgets={"all": BudgetSettings(1.0)})
    (tmp_path / "probe").mkdir()
    async with opened(tmp_path / "probe", config=probe) as bench:
        bench.start()
        await bench.submit(*bulk(1))
        await bench.recorder.wait_for(BatchCreated)
        [status] = bench.parts.shared.budgets.status()
        bound_nanousd = await _reserved_once(bench)
        assert status.resets_ms > 0
    config = batching(tmp_path, budgets={"all": BudgetSettings(round(3.5 * bound_nanousd) / 1e9)})
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        ids = await bench.submit(*bulk(8))
        await until(lambda: sum(sizes(bench)) == 3)
        await stepped(bench)
        assert sum(sizes(bench)) == 3
        found = await bench.states(ids)
        assert found.count(JobState.RUNNING) == 3
        waits = ids[found.index(JobState.QUEUED)]
        assert "budget all" in (await bench.parts.desk.queue.explain(waits)).why
        await later(bench, 110.0)
        await until(lambda: sum(sizes(bench)) > 3)
        [status] = bench.parts.shared.budgets.status()
        assert status.spent_nanousd + status.reserved_nanousd <= status.budget.limit_nanousd
        assert twin.invoice().total_nanousd <= status.budget.limit_nanousd


async def _reserved_once(bench: Bench) -> int:
    def ask(raw: Any) -> int:
        return int(raw.execute("SELECT max(reserved_nanousd) FROM calls").fetchone()[0])

    return await bench.parts.shared.store.read(ask)


async def test_what_waits_for_a_call_to_settle_leaves_when_it_has(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    config = batching(tmp_path, budgets={"all": BudgetSettings(await _price_usd(tmp_path) * 1.2)})
    async with opened(tmp_path, twin, clock=clock, config=config) as bench:
        door = BatchDoor(twin, clock.monotonic)
        door.gates["message"] = asyncio.Event()
        bench.start(door)
        await bench.submit(a_job())
        await until(lambda: door.count("message") == 1)
        ids = await bench.submit(*bulk(1))
        await stepped(bench)
        assert twin.batches() == []
        door.gates["message"].set()
        await bench.finished(ids)
        assert sizes(bench) == [1]


async def _price_usd(folder: Path) -> float:
    """The most that a plain call may cost."""
    (folder / "price").mkdir()
    async with running(folder / "price", config=batching(folder / "price")) as bench:
        await bench.run(a_job())
        return await _reserved_once(bench) / 1e9


async def test_what_waits_for_the_next_day_of_a_budget_leaves_when_it_turns(tmp_path: Path) -> None:
    budgets = {"all": BudgetSettings(0.000001, period="day")}
    async with running(tmp_path, config=batching(tmp_path, budgets=budgets)) as bench:
        ids = await bench.submit(*bulk(2))
        await stepped(bench)
        assert "budget all" in (await bench.parts.desk.queue.explain(ids[0])).why
        bench.parts.shared.config = batching(tmp_path, budgets={"all": BudgetSettings(5.0, period="day")})
        bench.wake()
        assert {record.state for record in await ended(bench, ids)} == {JobState.SUCCEEDED}


@pytest.mark.parametrize(("before", "after"), [("never", "always"), ("always", "never")])
async def test_waiting_jobs_follow_when_their_lane_goes_another_way(
    tmp_path: Path, before: BatchPolicy, after: BatchPolicy
) -> None:
    lane = LaneSettings(max_in_flight=1)
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=3_600.0 if before == "never" else 0.0, latency_sigma=0.0)
    config = batching(tmp_path, before, WAITING, lane=lane)
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        ids = await bench.submit(*bulk(5))
        if before == "never":
            await until(lambda: twin.stats().in_flight == 1)
        await stepped(bench)
        settings = AT_ONCE if after == "always" else WAITING
        bench.parts.shared.config = batching(tmp_path, after, settings, lane=lane)
        bench.parts.engine.reconfigure()
        if after == "always":
            await until(lambda: sum(sizes(bench)) == 4)
            await done(bench)
            assert twin.stats().in_flight == 1
        else:
            await bench.finished(ids)
            assert twin.batches() == []
            assert twin.stats().calls == 5


async def test_what_no_batch_takes_stays_with_messages_when_its_lane_turns_to_batches(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=3_600.0, latency_sigma=0.0)
    lane, settings = LaneSettings(max_in_flight=1), replace(AT_ONCE, max_bytes=20_000)
    config = batching(tmp_path, "never", settings, lane=lane)
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        await bench.submit(*bulk(1))
        await until(lambda: twin.stats().in_flight == 1)
        fast = a_job(model="claude-opus-5-5", lane="bulk")
        fast["request"]["speed"] = "fast"
        *apart, plain = await bench.submit(fast, large(30_000), *bulk(1))
        bench.parts.shared.config = batching(tmp_path, "always", settings, lane=lane)
        bench.parts.engine.reconfigure()
        [record] = await ended(bench, [plain], step_s=1.0)
        assert record.batched
        assert sizes(bench) == [1]
        assert [(await bench.parts.desk.job(job_id)).batched for job_id in apart] == [False, False]


async def test_jobs_that_wait_are_told_of_together_whatever_their_prompts_are(tmp_path: Path) -> None:
    async with running(tmp_path, config=batching(tmp_path, settings=WAITING)) as bench:
        await bench.submit(*bulk(2, system="a" * 9_000), *bulk(1, system="b" * 9_000))
        await bench.submit(*bulk(1, workflow="mail"))
        await stepped(bench)
        waiting = (await bench.parts.desk.batches.list_batches(None, 10)).waiting
        assert [one.requests for one in waiting] == [3, 1]
        assert waiting[1].workflow == "mail"


async def test_jobs_of_a_lane_that_uses_batches_no_more_do_not_wait_for_one_after_a_restart(
    tmp_path: Path,
) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path, settings=WAITING)) as bench:
        ids = await bench.submit(*bulk(3))
        await stepped(bench)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path, "never")) as bench:
        await bench.finished(ids)
        assert (twin.batches(), twin.stats().calls) == ([], 3)


async def test_a_job_that_is_moved_goes_the_way_of_its_new_lane(tmp_path: Path) -> None:
    async with running(tmp_path, config=batching(tmp_path, settings=WAITING)) as bench:
        [out, stays] = await bench.submit(*bulk(2))
        await stepped(bench)
        await bench.parts.desk.queue.move(out, "standard", None)
        await bench.finished([out])
        assert bench.twin.stats().calls == 1
        assert await bench.states([stays]) == [JobState.QUEUED]


async def test_jobs_become_due_for_a_batch_and_are_tried_again_in_one(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(
        clock, faults=(Fault("batch_item_error", error_type="invalid_request_error", calls=(1, 1)),)
    )
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        due = datetime.fromtimestamp(clock.epoch() + 600.0, UTC).isoformat()
        [job] = await bench.submit(*bulk(1, not_before=due))
        await stepped(bench)
        assert twin.batches() == []
        clock.advance(700.0)
        bench.parts.engine.remind(clock.epoch_ms())
        [record] = await ended(bench, [job])
        assert record.state is JobState.FAILED
        await bench.parts.desk.retry(job)
        await bench.recorder.wait_for(JobFinished, count=2)
        assert await bench.states([job]) == [JobState.SUCCEEDED]
        assert (sizes(bench), twin.stats().calls) == ([1, 1], 0)


async def test_each_kind_of_request_is_sent_as_it_would_be_by_messages(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        bench.start(door)
        marked = [{"type": "text", "text": "y" * 30_000, "cache_control": {"type": "ephemeral"}}]
        own = a_job(1, lane="bulk")
        own["request"]["system"] = marked
        streamed = a_job(3, lane="bulk")
        ids = await bench.submit(own, large(300_000), streamed)
        assert {record.state for record in await ended(bench, ids)} == {JobState.SUCCEEDED}
        sent = [line["params"] for body in door.bodies for line in body["requests"]]
        assert all("stream" not in params for params in sent)
        assert [params["system"] for params in sent if "system" in params] == [marked]
        assert any(len(params["messages"][0]["content"]) == 300_000 for params in sent)
        assert await bench.book_mistakes() == []


async def test_a_request_that_no_batch_takes_goes_by_messages_and_stops_no_other(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        odd = a_job(1)
        odd["request"]["cache_hint"] = {"key": "a"}
        moved, *others = await bench.submit(odd, *bulk(2))
        await bench.parts.desk.queue.move(moved, "bulk", None)
        bench.start()
        await ended(bench, [moved, *others])
        assert sum(sizes(bench)) == 2
        assert twin.stats().calls == 1
        assert await bench.book_mistakes() == []


async def test_a_prompt_that_is_gone_fails_its_own_job_and_tells_those_who_wait(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path)) as bench:
        ids = await bench.submit(*bulk(3))

        def spoil(raw: Any) -> None:
            raw.execute("PRAGMA defer_foreign_keys = ON")
            columns = "version, name, template, first_used_ms"
            raw.execute(f"INSERT INTO prompt_versions ({columns}) VALUES ('v', 'p', '{{}}', 0)")
            raw.execute("UPDATE jobs SET prompt_name = 'p', prompt_version = 'v' WHERE id = ?", (ids[0],))

        await bench.parts.shared.store.write(spoil)
        bench.start()
        await bench.recorder.wait_for(JobFinished, count=3)
        assert await bench.states(ids) == [JobState.FAILED, JobState.SUCCEEDED, JobState.SUCCEEDED]
        await done(bench)
        assert await bench.book_mistakes() == []
        assert sizes(bench) == [2]

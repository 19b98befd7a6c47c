"""What becomes of jobs, pools and money when calls fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from claudeflow.claude.settings import ClaudeSettings
from claudeflow.config import PriceSettings
from claudeflow.domain.events import CallEnded, HoldReleased, HoldSet, JobRequeued, PoolGated, PoolOpened
from claudeflow.domain.job import JobState
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.retries.probing import PROBE_EVERY_MS
from claudeflow.twin.faults import Fault
from tests.support.books import calls_of
from tests.support.clocks import WoundClock
from tests.support.daemons import (
    PRICE_OF_A_MODEL_THAT_IS_NOT_THERE,
    a_config,
    a_job,
    a_twin,
    opened,
    running,
    some_jobs,
)

FIRST = (1, 1)
PASSING = {
    "529": Fault("overloaded_529", calls=FIRST),
    "500": Fault("error_500", calls=FIRST),
    "a page of the edge": Fault("error_502_html", calls=FIRST),
    "a reset connection": Fault("conn_reset", calls=FIRST),
    "a timeout": Fault("silent", calls=FIRST, for_s=60.0),
}
IN_A_STREAM = {
    "truncated": Fault("truncate", calls=FIRST),
    "reset": Fault("reset_mid_stream", calls=FIRST),
    "overloaded": Fault("stream_error", calls=FIRST),
    "stalled": Fault("stall", calls=FIRST, for_s=60.0),
}
HOLDING = {
    "a bad key": (Fault("auth_401"), "authentication", "all"),
    "no credit": (Fault("credit_empty"), "credit", "all"),
    "the spend cap": (Fault("spend_cap"), "spend_cap", "all"),
    "the organisation's own cap": (Fault("usage_limit_400"), "spend_cap", "all"),
    "an unpaid bill": (Fault("billing_402"), "billing", "all"),
    "an organisation on hold": (Fault("org_on_hold"), "organization_on_hold", "all"),
}
IMPATIENT = ClaudeSettings(base_url="http://api.test", attempt_timeout_s=0.3, content_timeout_s=0.3)


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
async def test_a_passing_failure_is_retried_and_uses_an_attempt(tmp_path: Path, fault: Fault) -> None:
    clock = WoundClock()
    config = a_config(tmp_path, api=IMPATIENT)
    async with running(tmp_path, a_twin(clock, faults=(fault,)), clock=clock, config=config) as bench:
        [job] = await bench.run(a_job())
        assert (job.state, job.attempts, job.tries) == (JobState.SUCCEEDED, 2, 2)
        assert bench.twin.stats().calls == 2
        assert await bench.book_mistakes() == []


@pytest.mark.parametrize("fault", IN_A_STREAM.values(), ids=IN_A_STREAM.keys())
async def test_a_broken_stream_is_retried_and_its_cost_is_bounded(tmp_path: Path, fault: Fault) -> None:
    clock = WoundClock()
    config = a_config(tmp_path, api=IMPATIENT)
    async with running(tmp_path, a_twin(clock, faults=(fault,)), clock=clock, config=config) as bench:
        [job] = await bench.run(a_job(system="You sort tickets. " * 400))
        assert (job.state, job.attempts) == (JobState.SUCCEEDED, 2)
        broken, good = calls_of(bench.store_path)
        assert (broken.state, good.state) == ("unknown", "settled")
        assert await bench.book_mistakes() == []


async def test_a_job_that_keeps_failing_ends_with_its_error_when_its_window_is_over(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("error_500"),))
    config = a_config(tmp_path, lanes={"standard": LaneSettings(retry_window_s=0.05)})
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        [job] = await bench.run(a_job())
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert (job.error.type, job.error.status) == ("api_error", 500)
        assert job.attempts == len(calls_of(bench.store_path)) > 1
        assert job.cost_nanousd == await bench.settled_nanousd() == 0


async def test_a_failed_job_can_be_asked_for_again(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("error_500", calls=FIRST),))
    config = a_config(tmp_path, lanes={"standard": LaneSettings(retry_window_s=0.001)})
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        clock.advance(1)
        [failed] = await bench.run(a_job())
        assert failed.state is JobState.FAILED
        await bench.parts.desk.retry(failed.id)
        await bench.recorder.wait_for(CallEnded, lambda call: call.outcome == "succeeded")
        again = await bench.parts.desk.wait(failed.id, 10)
        assert (again.state, again.error, again.attempts, again.tries) == (JobState.SUCCEEDED, None, 1, 2)


async def test_a_request_that_the_api_refuses_fails_at_once_and_costs_nothing(tmp_path: Path) -> None:
    job = a_job()
    job["request"]["messages"] = [{"role": "user", "content": "x" * 4_000_000}]
    async with running(tmp_path) as bench:
        [record] = await bench.run(job)
        assert (record.state, record.attempts, record.cost_nanousd) == (JobState.FAILED, 1, 0)
        assert record.error is not None
        assert "prompt is too long" in record.error.message


async def test_a_throttled_pool_stays_closed_until_retry_after(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("rate_429", calls=(5, 5), retry_after_s=1),), ttft_s=0.01)
    async with running(tmp_path, twin, clock=clock) as bench:
        await bench.run(*some_jobs(4))
        await bench.run(*some_jobs(60))
        [gated] = bench.recorder.of(PoolGated)
        assert gated.closed_s >= 1.0
        assert bench.recorder.of(PoolOpened)
        assert await bench.book_mistakes() == []


async def test_nothing_is_sent_before_retry_after_however_many_wait(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("rate_429", calls=(1, 1), retry_after_s=3600),))
    config = a_config(tmp_path, lanes={"standard": LaneSettings(max_in_flight=1), "bulk": LaneSettings()})
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        ids = await bench.submit(*some_jobs(50))
        [gated] = await bench.recorder.wait_for(PoolGated)
        ids += await bench.submit(*some_jobs(50, lane="bulk"))
        clock.advance(3595)
        bench.wake()
        await bench.parts.desk.wait(ids[0], 0.3)
        assert twin.stats().calls == 1
        clock.advance(gated.closed_s - 3595)
        bench.wake()
        records = await bench.finished(ids)
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert {record.attempts for record in records} == {1}
        assert twin.stats().early_calls == 0


async def test_when_a_429_comes_calls_in_flight_go_on_and_the_unsent_are_held_back(
    tmp_path: Path,
) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.05, faults=(Fault("rate_429", calls=(20, 20), retry_after_s=1),))
    async with running(tmp_path, twin, clock=clock) as bench:
        await bench.run(a_job(0))  # the SDK's first call looks around on its host before it sends
        records = await bench.run(*some_jobs(80))
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert {record.attempts for record in records} == {1}
        assert twin.stats().early_calls == 0
        assert await bench.book_mistakes() == []


async def test_a_throttled_job_keeps_its_attempt(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("rate_429", calls=FIRST, retry_after_s=1),))
    async with running(tmp_path, twin, clock=clock) as bench:
        [job] = await bench.run(a_job())
        assert (job.state, job.attempts, job.tries) == (JobState.SUCCEEDED, 1, 2)
        [requeued] = bench.recorder.of(JobRequeued)
        assert (requeued.reason, requeued.delay_s) == ("throttled", 0)


@pytest.mark.parametrize(("fault", "cause", "scope"), HOLDING.values(), ids=HOLDING.keys())
async def test_trouble_with_key_or_money_holds_everything_and_fails_no_job(
    tmp_path: Path, fault: Fault, cause: str, scope: str
) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(fault,))
    async with running(tmp_path, twin, clock=clock) as bench:
        ids = await bench.submit(*some_jobs(30), *some_jobs(5, model="claude-opus-5-5"))
        [event] = await bench.recorder.wait_for(HoldSet)
        assert (event.hold.cause, str(event.hold.scope)) == (cause, scope)
        await bench.recorder.wait_for(JobRequeued, count=len(calls_of(bench.store_path)))
        before = twin.stats().calls
        await bench.submit(*some_jobs(5))
        await bench.parts.desk.wait(ids[0], 0.1)
        assert twin.stats().calls == before
        assert set(await bench.states(ids)) == {JobState.QUEUED}
        assert bench.parts.desk.catalog
        assert [hold.cause for hold in (await bench.parts.desk.status()).holds] == [cause]


async def test_one_probe_ends_a_hold_and_all_its_jobs_go(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("auth_401"),))
    async with running(tmp_path, twin, clock=clock) as bench:
        ids = await bench.submit(*some_jobs(20))
        await bench.recorder.wait_for(HoldSet)
        await bench.recorder.wait_for(JobRequeued, count=len(calls_of(bench.store_path)))
        refused = twin.stats().calls
        clock.advance(PROBE_EVERY_MS / 1000 + 1)
        bench.wake()
        await bench.recorder.wait_for(JobRequeued, count=refused + 1)
        assert twin.stats().calls == refused + 1
        assert not bench.recorder.of(HoldReleased)
        twin.replace_faults(())
        clock.advance(PROBE_EVERY_MS / 1000 + 1)
        bench.wake()
        records = await bench.finished(ids)
        assert {(record.state, record.attempts) for record in records} == {(JobState.SUCCEEDED, 1)}
        assert len(bench.recorder.of(HoldReleased)) == 1


async def test_a_hold_outlives_a_restart_which_probes_at_once(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("credit_empty"),))
    async with running(tmp_path, twin, clock=clock) as bench:
        ids = await bench.submit(a_job())
        await bench.recorder.wait_for(JobRequeued)
    async with opened(tmp_path, twin, clock=clock) as bench:
        bench.start()
        await bench.recorder.wait_for(JobRequeued)
        await bench.parts.desk.wait(ids[0], 0.1)
        assert twin.stats().calls == 2
        twin.replace_faults(())
        clock.advance(PROBE_EVERY_MS / 1000 + 1)
        bench.wake()
        assert [record.state for record in await bench.finished(ids)] == [JobState.SUCCEEDED]


async def test_a_missing_model_holds_its_own_jobs_alone(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICE_OF_A_MODEL_THAT_IS_NOT_THERE)
    config = a_config(tmp_path, prices=PriceSettings(str(prices)))
    async with running(tmp_path, config=config) as bench:
        [held] = await bench.submit(a_job(model="claude-atlas-1"))
        [event] = await bench.recorder.wait_for(HoldSet)
        assert (event.hold.cause, str(event.hold.scope)) == ("model_not_found", "model:claude-atlas-1")
        [fine] = await bench.run(a_job(2))
        assert fine.state is JobState.SUCCEEDED
        assert await bench.states([held]) == [JobState.QUEUED]

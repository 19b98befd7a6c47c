"""Packs in trouble: no job fails for another's fault, and trouble of all is tried again by all together."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import httpx2
import pytest

from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.events import CallEnded, HoldSet, JobRequeued, PoolGated
from claudeflow.domain.job import JobState
from claudeflow.domain.pack_events import PackAnswered
from claudeflow.policy.retries.retry import RetrySettings
from claudeflow.policy.retries.retry_budget import BudgetSettings
from claudeflow.twin.faults import Fault
from tests.support.clocks import WoundClock
from tests.support.daemons import PLENTY_OF_RETRIES, a_twin, opened, running, until
from tests.support.packing import (
    Answer,
    OnTheWay,
    a_packing_config,
    answers_of,
    packs_of,
    singles_of,
    tickets,
    uneven_calls,
)
from tests.support.virtual import refused


def too_long(_: httpx2.Request, packed: bool) -> httpx2.Response | None:
    return refused(400, "invalid_request_error", "prompt is too long: 1 > 0") if packed else None


def out_of_context(_: httpx2.Request, packed: bool) -> httpx2.Response | None:
    if not packed:
        return None
    usage = {"input_tokens": 10, "output_tokens": 5}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5"}
    whole = {**message, "content": [], "stop_reason": "model_context_window_exceeded", "usage": usage}
    return httpx2.Response(200, json=whole, headers={"request-id": "req_9"})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (too_long, "invalid_request_error"),
        (out_of_context, "model_context_window_exceeded"),
    ],
)
async def test_a_pack_that_is_refused_as_a_whole_sends_all_its_jobs_singly(
    tmp_path: Path, answer: Answer, reason: str
) -> None:
    async with opened(tmp_path, config=a_packing_config(tmp_path)) as bench:
        bench.start(OnTheWay(bench.twin, answer))
        records = await bench.run(*tickets(10))
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert {record.attempts for record in records} == {1}
        assert {event.reason for event in bench.recorder.of(JobRequeued)} == {f"unpacked: {reason}"}
        [event] = bench.recorder.of(PackAnswered)
        assert (event.answered, event.returned) == (0, ("refused: 10",))
        assert [row.items for row in await bench.parts.desk.attempts(records[0].id)] == [10, 1]
        assert uneven_calls(bench.store_path) == []


async def test_a_refusal_sends_all_its_jobs_singly_and_is_booked(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), faults=(Fault("refusal", calls=(1, 1)),))
    async with running(tmp_path, twin, config=a_packing_config(tmp_path)) as bench:
        records = await bench.run(*tickets(10))
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert len(singles_of(bench)) == 10
        assert await bench.book_mistakes() == []


@pytest.mark.parametrize("kind", ["overloaded_529", "error_500", "error_502_html", "conn_reset"])
async def test_after_trouble_of_the_api_the_jobs_are_tried_again_together(tmp_path: Path, kind: str) -> None:
    twin = a_twin(WoundClock(), faults=(Fault(kind, calls=(1, 1)),))
    async with running(tmp_path, twin, config=a_packing_config(tmp_path)) as bench:
        records = await bench.run(*tickets(10))
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert {(record.attempts, record.tries) for record in records} == {(2, 2)}
        assert len(packs_of(bench)) == 2
        assert not singles_of(bench)
        assert len({event.delay_s for event in bench.recorder.of(JobRequeued)}) == 1
        assert await bench.book_mistakes() == []


async def test_a_retry_of_a_pack_counts_once_in_the_retry_budget(tmp_path: Path) -> None:
    """Ten jobs that each counted would have to take turns, and would not come back together."""
    budget = BudgetSettings(floor_per_s=0.001, burst=1.0)
    config = a_packing_config(tmp_path, retry=RetrySettings(base_s=0.02, cap_s=0.05, budget=budget))
    twin = a_twin(WoundClock(), faults=(Fault("overloaded_529", calls=(1, 1)),))
    async with running(tmp_path, twin, config=config) as bench:
        await bench.run(*tickets(10))
        assert all(event.delay_s < 1 for event in bench.recorder.of(JobRequeued))
        assert len(packs_of(bench)) == 2


async def test_members_whose_window_is_over_end_and_the_others_back_off(tmp_path: Path) -> None:
    """Each job has its own window: a job that was tried for long does not take the others along."""
    twin = a_twin(WoundClock(), faults=(Fault("overloaded_529", calls=(1, 2)),))
    config = a_packing_config(tmp_path, retry=RetrySettings(base_s=0.2, cap_s=0.2, budget=PLENTY_OF_RETRIES))
    async with opened(tmp_path, twin, config=config) as bench:
        ids = await bench.submit(*tickets(4))
        await bench.parts.shared.store.write(
            lambda raw: raw.execute("UPDATE jobs SET trying_ms = 1000000000 WHERE id = ?", (ids[0],)).rowcount
        )
        bench.start()
        records = await bench.finished(ids)
        assert [record.state for record in records] == [JobState.FAILED, *[JobState.SUCCEEDED] * 3]
        delays = [event.delay_s for event in bench.recorder.of(JobRequeued)]
        assert len(delays) == 6
        assert min(delays) > 0.01


async def test_a_timeout_leaves_one_unknown_call_and_all_jobs_are_tried_again(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), faults=(Fault("silent", calls=(1, 1)),))
    api = ClaudeSettings(base_url="http://api.test", attempt_timeout_s=0.2, stream_timeout_s=0.2)
    async with running(tmp_path, twin, config=a_packing_config(tmp_path, api=api)) as bench:
        records = await bench.run(*tickets(10))
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert [call.settled for call in packs_of(bench)] == [False, True]
        assert await bench.book_mistakes() == []


@pytest.mark.parametrize("kind", ["reset_mid_stream", "truncate", "stream_error"])
async def test_a_stream_that_breaks_off_is_tried_again_together(tmp_path: Path, kind: str) -> None:
    twin = a_twin(WoundClock(), faults=(Fault(kind, calls=(1, 1)),))
    async with running(tmp_path, twin, config=a_packing_config(tmp_path)) as bench:
        records = await bench.run(*tickets(10))
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert [call.jobs for call in packs_of(bench)] == [10, 10]
        assert await bench.book_mistakes() == []


async def test_a_throttled_pack_uses_up_no_attempt_and_nothing_is_lost(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("rate_429", calls=(1, 1), retry_after_s=1),))
    async with running(tmp_path, twin, clock=clock, config=a_packing_config(tmp_path)) as bench:
        ids = await bench.submit(*tickets(10))
        await bench.recorder.wait_for(PoolGated)
        await bench.recorder.wait_for(JobRequeued, count=10)
        clock.advance(10)
        bench.wake()
        records = await bench.finished(ids)
        assert {record.attempts for record in records} == {1}
        calls = bench.recorder.of(CallEnded)
        assert calls[1].jobs == 1, "the probe of a closed pool is a single job"


async def test_without_money_nobody_fails_and_the_probe_is_a_single_job(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, faults=(Fault("credit_empty", calls=(1, 1)),))
    async with running(tmp_path, twin, clock=clock, config=a_packing_config(tmp_path)) as bench:
        ids = await bench.submit(*tickets(20))
        await bench.recorder.wait_for(HoldSet)
        await until(lambda: len(bench.recorder.of(JobRequeued)) >= 10)
        assert {state.value for state in await bench.states(ids)} == {"queued"}
        clock.advance(3_600)
        bench.wake()
        records = await bench.finished(ids)
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        calls = bench.recorder.of(CallEnded)
        sizes = [call.jobs for call in calls if call.outcome == "succeeded"]
        assert sizes[0] == 1
        assert max(sizes) > 1


async def test_a_bug_of_ours_before_sending_costs_nothing_and_no_job(tmp_path: Path) -> None:
    """A body that is no item, as only another version of claudeflow could have left behind."""
    async with opened(tmp_path, config=a_packing_config(tmp_path)) as bench:
        ids = await bench.submit(*tickets(3))
        two = b'[{"role":"user","content":"a"},{"role":"user","content":"c"}]'
        await bench.parts.shared.store.write(
            lambda raw: raw.execute("UPDATE jobs SET body = ? WHERE id = ?", (two, ids[1])).rowcount
        )
        bench.start()
        records = await bench.finished(ids)
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        [pack] = packs_of(bench)
        assert (pack.settled, pack.cost_nanousd) == (True, 0)
        assert Counter(call.kind for call in bench.recorder.of(CallEnded)) == {"pack": 1, "message": 3}
        assert all(await answers_of(bench, ids))

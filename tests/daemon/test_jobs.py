"""Jobs on their way through the real daemon: accepted, sent, answered, booked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from claudeflow.domain.errors import QueueFull
from claudeflow.domain.events import CallEnded, JobFinished, JobsSubmitted
from claudeflow.domain.job import JobState
from claudeflow.policy.lanes.settings import LaneSettings
from tests.support.books import successes_by_job
from tests.support.clocks import WoundClock
from tests.support.daemons import a_config, a_job, a_twin, opened, running, some_jobs, yield_to_others
from tests.support.stuck import StuckReader, stuck_writer

MODELS = ["claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5", "claude-opus-4-8"]


async def test_a_job_goes_through_and_is_booked(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        [job] = await bench.run(a_job(workflow="triage", lane="interactive"))
        answer = await bench.parts.desk.answer(job.id)
        assert (job.state, job.stop_reason, job.attempts, job.tries) == ("succeeded", "end_turn", 1, 1)
        assert answer is not None
        assert json.loads(answer)["type"] == "message"
        [line] = bench.twin.invoice().lines
        [call] = bench.recorder.of(CallEnded)
        assert (call.request_id, call.cost_nanousd) == (line.request_id, line.cost_nanousd)
        assert job.cost_nanousd == line.cost_nanousd > 0


async def test_the_books_equal_the_invoice_to_the_nanodollar(tmp_path: Path) -> None:
    system = "You sort tickets. " * 400
    jobs = [a_job(n, model=model, system=system) for model in MODELS for n in range(6)]
    jobs += [a_job(n, model=model) for model in MODELS for n in range(6, 10)]
    async with running(tmp_path) as bench:
        records = await bench.run(*jobs)
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert await bench.settled_nanousd() == bench.twin.invoice().total_nanousd
        assert sum(record.cost_nanousd for record in records) == bench.twin.invoice().total_nanousd
        assert await bench.book_mistakes() == []


async def test_every_job_gets_its_own_answer(tmp_path: Path) -> None:
    def asking_for(name: str) -> dict[str, Any]:
        schema = {
            "type": "object",
            "properties": {name: {"type": "string"}},
            "required": [name],
            "additionalProperties": False,
        }
        job = a_job()
        job["request"]["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return job

    async with running(tmp_path) as bench:
        ids = [record.id for record in await bench.run(*[asking_for(f"field_{n}") for n in range(30)])]
        for n, job_id in enumerate(ids):
            answer = json.loads(await bench.parts.desk.answer(job_id) or b"{}")
            assert f"field_{n}" in json.loads(answer["content"][-1]["text"])


async def test_a_large_body_and_answer_go_through(tmp_path: Path) -> None:
    clock = WoundClock()
    job = a_job(system="policy " * 30_000)
    job["request"]["max_tokens"] = 20_000
    async with running(tmp_path, a_twin(clock, reply_tokens=15_000, reply_sigma=0.0), clock=clock) as bench:
        [record] = await bench.run(job)
        answer = await bench.parts.desk.answer(record.id)
        assert record.state is JobState.SUCCEEDED
        assert answer is not None
        assert len(answer) > 8_192
        assert await bench.book_mistakes() == []


async def test_more_jobs_than_the_window_shows_all_get_their_turn(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        records = await bench.run(*some_jobs(600))
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert set(successes_by_job(bench.store_path).values()) == {1}


async def test_jobs_that_arrive_before_the_work_begins_wait_for_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        ids = await bench.submit(*some_jobs(3))
        assert await bench.states(ids) == ["queued"] * 3
        bench.start()
        assert [record.state for record in await bench.finished(ids)] == ["succeeded"] * 3


async def test_jobs_of_an_earlier_daemon_are_taken_up(tmp_path: Path) -> None:
    async with opened(tmp_path) as earlier:
        ids = await earlier.submit(*some_jobs(300))
    async with running(tmp_path) as bench:
        assert {record.state for record in await bench.finished(ids)} == {JobState.SUCCEEDED}


async def test_a_job_that_arrives_while_old_ones_are_read_is_not_forgotten(tmp_path: Path) -> None:
    async with opened(tmp_path) as earlier:
        ids = await earlier.submit(*some_jobs(10))
    async with opened(tmp_path) as bench:
        reader = StuckReader(bench.parts.shared.store)
        await reader.lay_in_wait()
        bench.start()
        await reader.caught()
        ids += await bench.submit(a_job(11))
        reader.free.set()
        assert {record.state for record in await bench.finished(ids)} == {JobState.SUCCEEDED}


async def test_a_job_cancelled_while_it_is_claimed_leaves_none_of_the_others_behind(tmp_path: Path) -> None:
    # 97 jobs leave the window of 128 before it is refilled with exactly as many as it can show.
    config = a_config(tmp_path, lanes={"standard": LaneSettings(max_in_flight=1)})
    async with opened(tmp_path, config=config) as bench:
        first, *others = await bench.submit(*some_jobs(97 + 128 + 1))
        async with stuck_writer(bench.parts.shared.store):
            cancelling = asyncio.create_task(bench.parts.desk.cancel(first))
            await yield_to_others(1)
            bench.start()
            await yield_to_others(50)
        assert (await cancelling).state is JobState.CANCELLED
        assert {record.state for record in await bench.finished(others)} == {JobState.SUCCEEDED}


async def test_a_job_is_not_sent_before_its_time(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        [later] = await bench.submit(a_job(1, not_before="+1s"))
        [now] = await bench.run(a_job(2))
        assert now.state is JobState.SUCCEEDED
        assert (await bench.parts.desk.job(later)).wait_reason == "not before its time"
        [record] = await bench.finished([later])
        assert record.started_ms is not None
        assert record.started_ms >= record.not_before_ms


async def test_a_job_whose_deadline_passes_expires_and_costs_nothing(tmp_path: Path) -> None:
    clock = WoundClock()
    async with opened(tmp_path, clock=clock) as bench:
        ids = await bench.submit(a_job(1, deadline="+60s"), a_job(2, deadline="+60s", not_before="+30s"))
        clock.advance(61)
        await bench.parts.engine.upkeep.expire_late()
        bench.start()
        for record in await bench.finished(ids):
            assert record.state is JobState.EXPIRED
            assert record.error is not None
            assert record.error.type == "deadline_passed"
        await bench.run(a_job(3))
        assert bench.twin.stats().calls == 1


async def test_the_same_dedupe_key_answers_with_the_first_job(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        [first] = await bench.submit(a_job(1, dedupe_key="ticket-1", workflow="triage"))
        [again] = await bench.submit(a_job(2, dedupe_key="ticket-1", workflow="triage"))
        [other] = await bench.submit(a_job(3, dedupe_key="ticket-1", workflow="review"))
        assert first == again != other
        await bench.finished([first, other])
        assert bench.twin.stats().calls == 2


async def test_a_dedupe_key_twice_in_one_submission_is_one_job(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        ids = await bench.submit(a_job(1, dedupe_key="k"), a_job(2, dedupe_key="k"))
        assert ids[0] == ids[1]
        await bench.finished(ids)
        assert sum(event.jobs for event in bench.recorder.of(JobsSubmitted)) == 1


async def test_a_full_lane_refuses_the_whole_submission_and_no_other_lane(tmp_path: Path) -> None:
    lanes = {"standard": LaneSettings(max_queued=5), "bulk": LaneSettings()}
    async with opened(tmp_path, config=a_config(tmp_path, lanes=lanes)) as bench:
        accepted = await bench.submit(*some_jobs(4))
        with pytest.raises(QueueFull, match="lane standard holds as many jobs as it may"):
            await bench.submit(*some_jobs(2))
        accepted += await bench.submit(*some_jobs(9, lane="bulk"))
        bench.start()
        await bench.finished(accepted)
        assert bench.twin.stats().calls == 13
        await bench.run(*some_jobs(5))


async def test_waiting_for_a_job_returns_as_soon_as_it_has_ended(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        [job_id] = await bench.submit(a_job())
        async with asyncio.timeout(30):
            record = await bench.parts.desk.wait(job_id, 3600)
        assert record.state is JobState.SUCCEEDED
        async with asyncio.timeout(30):
            assert (await bench.parts.desk.wait(job_id, 3600)).state is JobState.SUCCEEDED


async def test_waiting_for_a_job_that_does_not_end_returns_it_as_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        [job_id] = await bench.submit(a_job())
        assert (await bench.parts.desk.wait(job_id, 0.01)).state is JobState.QUEUED


async def test_a_lane_never_has_more_calls_in_flight_than_it_may(tmp_path: Path) -> None:
    clock = WoundClock()
    config = a_config(tmp_path, lanes={"standard": LaneSettings(max_in_flight=3)})
    async with running(tmp_path, a_twin(clock, ttft_s=0.02), clock=clock, config=config) as bench:
        await bench.run(*some_jobs(20))
        assert bench.twin.stats().in_flight_max == 3


async def test_the_higher_priority_goes_first_within_a_workflow(tmp_path: Path) -> None:
    config = a_config(tmp_path, lanes={"standard": LaneSettings(max_in_flight=1)})
    async with opened(tmp_path, config=config) as bench:
        low = await bench.submit(*some_jobs(3, priority=-5))
        [high] = await bench.submit(a_job(9, priority=5))
        bench.start()
        await bench.finished([*low, high])
        assert [event.job_id for event in bench.recorder.of(JobFinished)] == [high, *low]

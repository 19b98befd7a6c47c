"""Retries in the whole daemon, in virtual time: nothing is lost, nobody hammers, and never in a herd."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from io import BytesIO
from pathlib import Path

import orjson
import pytest

from claudeflow.domain.events import CallEnded, Event, JobRequeued
from claudeflow.domain.job import JobState
from claudeflow.observe.journal import Journal
from claudeflow.observe.settings import LogSettings
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.retries.retry import RetrySettings
from claudeflow.twin.faults import Fault
from tests.support.books import disagreements, successes_by_job
from tests.support.daemons import a_config, a_job, some_jobs
from tests.support.virtual import a_virtual_twin, in_virtual_time, living, now_s

MINUTE_S = 60.0
USAGE = {"input_tokens", "cache_write_tokens", "cache_read_tokens", "output_tokens"}


def busiest(moments: list[float], within_s: float = 0.1) -> int:
    """The most moments within any stretch of time so long."""
    moments = sorted(moments)
    return max(bisect_left(moments, start + within_s) - n for n, start in enumerate(moments))


def test_faults_of_every_kind_at_once_lose_nothing_and_the_books_agree(tmp_path: Path) -> None:
    faults = (
        Fault("overloaded_529", share=0.1),
        Fault("error_500", share=0.1),
        Fault("conn_reset", share=0.05),
        Fault("error_502_html", share=0.05),
        Fault("truncate", share=0.2),
        Fault("rate_429", calls=(60, 60), retry_after_s=1),
    )

    async def scene() -> None:
        twin = a_virtual_twin(faults=faults)
        async with living(tmp_path, twin) as bench:
            jobs = [a_job(n, system=f"You sort tickets of kind {n % 7}. " * 300) for n in range(150)]
            ids = await bench.submit(*jobs)
            await asyncio.sleep(40 * MINUTE_S)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            assert twin.stats().early_calls == 0
        invoice = {line.request_id: line.cost_nanousd for line in twin.invoice().lines}
        assert disagreements(tmp_path / "store.db", invoice) == []
        assert set(successes_by_job(tmp_path / "store.db").values()) == {1}

    in_virtual_time(scene)


@pytest.mark.parametrize("kind", ["error_500", "overloaded_529"])
def test_calls_that_fail_together_do_not_come_back_together(tmp_path: Path, kind: str) -> None:
    config = a_config(tmp_path, retry=RetrySettings())

    async def scene() -> None:
        back_s: list[float] = []

        def listen(event: Event) -> None:
            if isinstance(event, JobRequeued) and event.reason.startswith("retry"):
                back_s.append(now_s() + event.delay_s)

        twin = a_virtual_twin(ttft_s=5.0, latency_sigma=0.0, faults=(Fault(kind, share=0.5, until_s=240.0),))
        async with living(tmp_path, twin, config=config) as bench:
            bench.parts.events.listen(listen)
            ids = await bench.submit(*some_jobs(1_000))
            await asyncio.sleep(60 * MINUTE_S)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            assert len(back_s) >= 60
            assert busiest(back_s) <= 0.05 * len(back_s)

    in_virtual_time(scene)


def test_retries_beyond_the_budget_wait_for_their_turn_and_do_not_fail(tmp_path: Path) -> None:
    lanes = {"standard": LaneSettings(retry_window_s=10.0)}
    config = a_config(tmp_path, retry=RetrySettings(), lanes=lanes)

    async def scene() -> None:
        twin = a_virtual_twin(faults=(Fault("error_500", share=0.5, until_s=5.0),))
        async with living(tmp_path, twin, config=config) as bench:
            ids = await bench.submit(*some_jobs(200))
            await asyncio.sleep(30 * MINUTE_S)
            waited = [one.delay_s for one in bench.recorder.of(JobRequeued, lambda e: "turn" in e.reason)]
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            assert waited == [] or max(waited) > 10.0

    in_virtual_time(scene)


def test_every_failure_is_logged_with_usage_status_model_and_queue_age(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(faults=(Fault("truncate", calls=(1, 1)), Fault("error_500", calls=(2, 2))))
        async with living(tmp_path, twin) as bench:
            out = BytesIO()
            bench.parts.events.listen(Journal(LogSettings("json", "notice"), lambda: 0, out).apply)
            await bench.submit(a_job(system="You sort tickets. " * 400))
            await asyncio.sleep(MINUTE_S)
            lines = [orjson.loads(line) for line in out.getvalue().splitlines()]
            failures = [line for line in lines if line["event"] == CallEnded.__name__]
            assert len(failures) == 2
            for line in failures:
                assert line["model"] == "claude-haiku-5-5"
                assert line["queue_age_s"] >= 0
                assert {
                    "input_tokens",
                    "cache_write_tokens",
                    "cache_read_tokens",
                    "output_tokens",
                } <= line.keys()
            assert [line["http_status"] for line in failures] == [200, 500]
            assert failures[0]["output_tokens"] + failures[0]["cache_write_tokens"] > 0

    in_virtual_time(scene)

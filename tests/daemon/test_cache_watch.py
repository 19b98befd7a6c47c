"""Watching the cache through the real daemon: explained misses, shares that fall, churn, reports."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from claudeflow.config import PromptSettings
from claudeflow.daemon.catalog import build_catalog
from claudeflow.domain.cache_events import CacheMissed, CacheMissExplained, CacheShareFell, PrefixChurned
from claudeflow.domain.events import CallEnded
from claudeflow.domain.job import JobState
from claudeflow.policy.caching.settings import CacheSettings
from claudeflow.twin.transport import TwinTransport
from tests.support.clocks import WoundClock
from tests.support.daemons import Bench, a_config, a_job, opened, running

SYSTEM = "You sort tickets by product, urgency and team. " * 200


class Tap(httpx2.AsyncBaseTransport):
    """Keeps what goes to the twin. A gateway may stand between them: it changes bodies, or answers itself."""

    def __init__(self, bench: Bench) -> None:
        self._inner = TwinTransport(bench.twin)
        self.bodies: list[dict[str, Any]] = []
        self.adds = ""
        self.answer: Callable[[dict[str, Any]], httpx2.Response | None] = lambda _: None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(await request.aread())
        self.bodies.append(body)
        answer = self.answer(body)
        if answer is not None:
            return answer
        return await self._inner.handle_async_request(
            self._passed_on(request, body) if self.adds else request
        )

    def _passed_on(self, request: httpx2.Request, body: dict[str, Any]) -> httpx2.Request:
        first, *rest = body["system"]
        changed = {**body, "system": [{**first, "text": first["text"] + self.adds}, *rest]}
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        return httpx2.Request(request.method, request.url, headers=headers, json=changed)

    @property
    def questions(self) -> list[Any]:
        """What each call asked of the API about the cache."""
        return [body.get("diagnostics") for body in self.bodies]


def refusal(message: str) -> httpx2.Response:
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    return httpx2.Response(400, json=body, headers={"request-id": "req_0"})


async def one(bench: Bench, number: int, **request: Any) -> JobState:
    """One job of a prompt that is cached."""
    job = a_job(number, system=SYSTEM, workflow="triage", lane="interactive")
    job["request"] |= request
    [record] = await bench.run(job)
    assert record.attempts == 1
    return record.state


async def missed(bench: Bench, tap: Tap) -> None:
    """A prefix that should have been in the cache is missed."""
    seen = len(bench.recorder.of(CacheMissed))
    tap.adds = f" Today is day {seen}."
    assert await one(bench, 100 + seen) is JobState.SUCCEEDED
    assert len(bench.recorder.of(CacheMissed)) == seen + 1


@pytest.fixture
def tapped(tmp_path: Path) -> Callable[[float], Any]:
    """A daemon with a tap on its line, a prompt of which two jobs are done."""

    @asynccontextmanager
    async def at_work(
        diagnose: float = 1.0, answer: Callable[[dict[str, Any]], httpx2.Response | None] = lambda _: None
    ) -> AsyncIterator[tuple[Bench, Tap]]:
        config = a_config(tmp_path, cache=CacheSettings(diagnose=diagnose))
        async with opened(tmp_path, config=config) as bench:
            tap = Tap(bench)
            tap.answer = answer
            bench.start(tap)
            for number in range(2):
                await one(bench, number)
            yield bench, tap

    return at_work


# Misses


async def test_the_call_after_a_miss_asks_the_api_why(tapped: Any) -> None:
    async with tapped() as (bench, tap):
        await missed(bench, tap)
        [miss] = bench.recorder.of(CacheMissed)
        await one(bench, 3)
        await one(bench, 4)
        assert miss.previous_message_id is not None
        start, why = {"previous_message_id": None}, {"previous_message_id": miss.previous_message_id}
        assert tap.questions == [start, None, None, why, None]
        [told] = bench.recorder.of(CacheMissExplained)
        assert (told.reason, told.workflow) == ("system_changed", "triage")
        assert await bench.book_mistakes() == []


async def test_every_miss_is_compared_with_the_call_that_wrote_the_prefix(tapped: Any) -> None:
    async with tapped() as (bench, tap):
        await missed(bench, tap)
        tap.adds = ""
        await one(bench, 3)
        await one(bench, 4)
        await missed(bench, tap)
        await one(bench, 5)
        one_miss, other_miss = bench.recorder.of(CacheMissed)
        assert one_miss.previous_message_id == other_miss.previous_message_id
        told = bench.recorder.of(CacheMissExplained)[-1]
        assert told.reason == "system_changed"
        assert told.missed_tokens is not None
        assert told.missed_tokens > 1_000
        assert "claudeflow lint" in told.way_out


async def test_where_tools_and_system_were_the_same_nobody_is_to_blame(tapped: Any) -> None:
    async with tapped() as (bench, tap):
        await missed(bench, tap)
        tap.adds = ""
        await one(bench, 3)
        await one(bench, 4)
        await missed(bench, tap)
        tap.adds = ""
        await one(bench, 5)
        told = bench.recorder.of(CacheMissExplained)[-1]
        assert told.reason == "messages_changed"
        assert "do nothing" in told.way_out


async def test_only_a_sample_is_asked_about(tapped: Any) -> None:
    async with tapped(0.0) as (bench, tap):
        await missed(bench, tap)
        await one(bench, 3)
        assert tap.questions == [None] * 4


async def test_a_callers_own_question_wins(tapped: Any) -> None:
    async with tapped() as (bench, tap):
        await missed(bench, tap)
        own = {"previous_message_id": None}
        await one(bench, 3, diagnostics=own)
        assert tap.questions[-1] == own
        assert bench.recorder.of(CacheMissExplained) == []
        await one(bench, 4)
        assert tap.questions[-1]["previous_message_id"]


@pytest.mark.parametrize("message", ["diagnostics: Extra inputs are not permitted", "Bad request"])
async def test_who_does_not_know_the_field_is_never_asked_again(tapped: Any, message: str) -> None:
    async with tapped() as (bench, tap):
        tap.answer = lambda body: refusal(message) if "diagnostics" in body else None
        await missed(bench, tap)
        assert await one(bench, 3) is JobState.SUCCEEDED
        assert [bool(question) for question in tap.questions] == [True, False, False, True, False]
        [told] = bench.recorder.of(CacheMissExplained)
        assert told.reason == "field_refused"
        tap.adds = " More."
        assert await one(bench, 4) is JobState.SUCCEEDED
        assert await one(bench, 5) is JobState.SUCCEEDED
        assert not any(tap.questions[4:])
        assert await bench.book_mistakes() == []


async def test_a_gateway_that_refuses_the_writers_field_gets_the_job_without_it(tapped: Any) -> None:
    async with tapped(answer=lambda body: refusal("no") if "diagnostics" in body else None) as (bench, tap):
        assert [bool(question) for question in tap.questions] == [True, False, False]
        await missed(bench, tap)
        await one(bench, 3, system="Another text. " + SYSTEM)
        assert not any(tap.questions[1:])
        assert await bench.book_mistakes() == []


async def test_where_the_api_has_lost_the_writers_record_the_call_that_asks_takes_its_place(
    tapped: Any,
) -> None:
    async with tapped() as (bench, tap):
        bench.twin._organization._fingerprints._kept.clear()
        await missed(bench, tap)
        await one(bench, 3)
        await missed(bench, tap)
        await one(bench, 4)
        reasons = [told.reason for told in bench.recorder.of(CacheMissExplained)]
        assert reasons == ["previous_message_not_found", "system_changed"]


async def test_a_job_that_is_wrong_by_itself_fails_with_its_own_error_and_clears_the_field(
    tapped: Any,
) -> None:
    async with tapped() as (bench, tap):
        await missed(bench, tap)
        tap.answer = lambda _: refusal("messages: too odd")
        [record] = await bench.run(a_job(3, system=SYSTEM, workflow="triage", lane="interactive"))
        assert (record.state, record.attempts, record.tries) == (JobState.FAILED, 1, 2)
        tap.answer = lambda _: None
        await missed(bench, tap)
        await one(bench, 4)
        assert tap.questions[-1] is not None


# Shares


def write_prompt(folder: Path, system: str) -> None:
    prompt = folder / "prompts" / "triage"
    prompt.mkdir(parents=True, exist_ok=True)
    (prompt / "prompt.toml").write_text(
        'model = "claude-haiku-5-5"\nmax_tokens = 300\nlane = "interactive"\n'
    )
    (prompt / "system.md").write_text(system)
    (prompt / "user.md").write_text("Ticket: {{ ticket }}")


def reload_prompts(bench: Bench) -> None:
    shared = bench.parts.shared
    bench.parts.shelf.put_up(build_catalog(shared.config, shared.prices))


def tickets(count: int, text: str = "VPN is down") -> list[dict[str, Any]]:
    return [{"prompt": "triage", "input": {"ticket": f"{number}: {text}"}} for number in range(count)]


async def test_a_prompt_change_that_costs_the_cache_is_told_with_both_versions(tmp_path: Path) -> None:
    write_prompt(tmp_path, SYSTEM)
    config = a_config(tmp_path, prompts=PromptSettings(str(tmp_path / "prompts")))
    async with running(tmp_path, config=config) as bench:
        [before] = (await bench.run(*tickets(40)))[-1:]
        write_prompt(tmp_path, "Sort it.")
        reload_prompts(bench)
        [after] = (await bench.run(*tickets(40, SYSTEM)))[-1:]
        [fell] = bench.recorder.of(CacheShareFell)
        assert before.prompt is not None
        assert after.prompt is not None
        assert (fell.workflow, fell.prompt_name) == ("triage", "triage")
        assert (fell.from_version, fell.version) == (before.prompt.version, after.prompt.version)
        assert fell.share_before > 0.8
        assert fell.share_after < 0.1
        assert "below the model's minimum" in fell.way_out


async def test_a_prompt_change_that_is_written_once_and_read_again_is_not_told(tmp_path: Path) -> None:
    write_prompt(tmp_path, SYSTEM)
    config = a_config(tmp_path, prompts=PromptSettings(str(tmp_path / "prompts")))
    async with running(tmp_path, config=config) as bench:
        await bench.run(*tickets(40))
        write_prompt(tmp_path, SYSTEM + " And by region.")
        reload_prompts(bench)
        await bench.run(*tickets(60))
        assert bench.recorder.of(CacheShareFell) == []


async def test_a_system_text_with_a_number_in_it_is_told_once_as_churn(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        await bench.run(
            *[
                a_job(n, system=f"Ticket {n}. {SYSTEM}", workflow="triage", lane="interactive")
                for n in range(80)
            ]
        )
        [churned] = bench.recorder.of(PrefixChurned)
        assert (churned.workflow, churned.prompt_name) == ("triage", None)
        assert "claudeflow lint" in churned.way_out


# Reports


async def test_the_share_counts_settled_calls_of_jobs_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        await bench.run(*[a_job(n, system=SYSTEM, workflow="triage", lane="interactive") for n in range(5)])
        [call, *_] = bench.recorder.of(CallEnded)
        bench.parts.events.emit(replace(call, settled=False))
        bench.parts.events.emit(replace(call, kind="prewarm"))
        [share] = (await bench.parts.desk.cache.report(None)).workflows
        assert share.whole.calls == 5


async def test_the_report_tells_what_is_cached_and_each_workflows_share(tmp_path: Path) -> None:
    clock = WoundClock()
    async with running(tmp_path, clock=clock) as bench:
        await bench.run(*[a_job(n, system=SYSTEM, workflow="triage", lane="interactive") for n in range(20)])
        await bench.run(a_job(99, workflow="other", lane="interactive"))
        report = await bench.parts.desk.cache.report(None)
        [row] = report.prefixes
        assert (row.workflow, row.writes, row.reads) == ("triage", 1, 19)
        assert row.tokens > 1_000
        assert row.saved_nanousd > 0
        assert row.warm_until_ms is not None
        shares = {found.whole.workflow: found.whole for found in report.workflows}
        lines = [line.tokens for line in bench.twin.invoice().lines][:20]
        cached = sum(line.read for line in lines) / sum(line.prompt for line in lines)
        assert shares["triage"].cached == pytest.approx(cached)
        assert shares["other"].cached == 0.0
        only = await bench.parts.desk.cache.report("other")
        assert (only.prefixes, len(only.workflows)) == ((), 1)
        clock.advance(4_000)
        [row] = (await bench.parts.desk.cache.report(None)).prefixes
        assert row.warm_until_ms is None


async def test_shares_and_prefixes_are_known_after_a_restart(tmp_path: Path) -> None:
    clock = WoundClock()
    async with running(tmp_path, clock=clock) as bench:
        await bench.run(*[a_job(n, system=SYSTEM, workflow="triage", lane="interactive") for n in range(20)])
        before = await bench.parts.desk.cache.report(None)
        await bench.drained()
    async with running(tmp_path, clock=clock) as bench:
        after = await bench.parts.desk.cache.report(None)
        assert [found.whole.cached for found in after.workflows] == [
            found.whole.cached for found in before.workflows
        ]
        assert [(row.prefix, row.writes, row.reads) for row in after.prefixes] == [
            (row.prefix, row.writes, row.reads) for row in before.prefixes
        ]

"""Pre-warm through the real daemon in virtual time: what a lane will need is in the cache when it opens."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from claudeflow.config import Config
from claudeflow.domain.events import CallEnded, HoldSet, OwnTrouble, PoolGated
from claudeflow.domain.hold import EVERYTHING, HoldCause, Scope, ScopeKind
from claudeflow.domain.job import JobState
from claudeflow.intake.desks.holds import NewHold
from claudeflow.policy.caching.settings import CacheSettings
from claudeflow.policy.lanes.hours import HoursSettings
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.money.pricing import PriceTable
from claudeflow.policy.money.settings import BudgetSettings
from tests.support.books import disagreements
from tests.support.daemons import MODEL, a_config, a_job
from tests.support.virtual import VirtualBench, a_virtual_twin, in_virtual_time, living, now_s, refused

EPOCH = "2026-11-22T17:50:00"
OPENS_S = 600.0
SYSTEM = "You sort tickets by product, urgency and team. " * 200


def config_of(folder: Path, **cache: Any) -> Config:
    """A lane that opens ten minutes after the scene begins, and one that is always open."""
    night = LaneSettings(hours=HoursSettings(windows=("18:00-08:00",)))
    lanes = {"night": night, "standard": LaneSettings()}
    return a_config(folder, lanes=lanes, cache=CacheSettings(**cache))


def night_jobs(count: int, system: str = SYSTEM, **changes: Any) -> list[dict[str, Any]]:
    jobs = [a_job(number, system=system, lane="night", workflow="triage") for number in range(count)]
    for job in jobs:
        job["request"] |= changes
    return jobs


def prewarms(bench: VirtualBench) -> list[CallEnded]:
    return bench.recorder.of(CallEnded, lambda call: call.kind == "prewarm")


def books(bench: VirtualBench, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{bench.config.store.path}?mode=ro", uri=True)) as raw:
        return raw.execute(query).fetchall()


def balance(bench: VirtualBench) -> list[str]:
    invoice = {line.request_id: line.cost_nanousd for line in bench.twin.invoice().lines}
    return disagreements(Path(bench.config.store.path), invoice)


def writes_and_reads(bench: VirtualBench) -> tuple[int, int]:
    lines = bench.twin.invoice().lines
    written = sum(line.tokens.write_5m + line.tokens.write_1h > 0 for line in lines)
    return written, sum(line.tokens.read > 0 for line in lines)


def test_what_many_jobs_wait_for_is_written_before_their_lane_opens(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path, config=config_of(tmp_path), epoch=EPOCH) as bench:
            ids = await bench.submit(*night_jobs(20))
            await asyncio.sleep(OPENS_S - 1)
            [call] = prewarms(bench)
            [came] = bench.door.came_s
            assert OPENS_S - 20 <= came < OPENS_S
            assert (call.usage.output_tokens, call.job_id) == (0, None)
            [pool] = (await bench.parts.desk.status()).pools
            assert pool.in_flight == 0
            assert await bench.states(ids) == {JobState.QUEUED}
            await asyncio.sleep(60)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            assert writes_and_reads(bench) == (1, 20)
            assert balance(bench) == []
            assert [record.attempts for record in await bench.records(ids)] == [1] * 20
            assert books(bench, "SELECT kind, count(*) FROM calls GROUP BY kind ORDER BY kind") == [
                ("message", 20),
                ("prewarm", 1),
            ]
            [row] = books(
                bench, "SELECT lane, workflow, state, outcome, cost_nanousd FROM calls WHERE kind = 'prewarm'"
            )
            assert row == ("night", "triage", "settled", "succeeded", call.cost_nanousd)
            assert call.cost_nanousd > 0
            assert call.uncached_nanousd == 0
            [prefix] = (await bench.parts.desk.cache.report("triage")).prefixes
            assert (prefix.writes, prefix.reads) == (1, 20)
            spend = (await bench.parts.desk.status()).spend
            assert spend.settled_nanousd == bench.twin.invoice().total_nanousd
            saved = abs(spend.uncached_nanousd - spend.settled_nanousd - prefix.saved_nanousd)
            assert saved <= 21  # the table's is rounded once, the books' for each call

    in_virtual_time(scene)


def night_passes(
    folder: Path,
    config: Config,
    jobs: list[dict[str, Any]],
    prewarmed: int,
    before: Callable[[VirtualBench], Any] | None = None,
) -> None:
    """The scene up to a minute after the opening: so many calls before it, all jobs done after it."""

    async def scene() -> None:
        async with living(folder, config=config, epoch=EPOCH) as bench:
            ids = await bench.submit(*jobs)
            if before is not None:
                await before(bench)
            await asyncio.sleep(OPENS_S - 1 - now_s())
            assert len(prewarms(bench)) == prewarmed
            await asyncio.sleep(120)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            assert balance(bench) == []

    in_virtual_time(scene)


def test_every_prefix_with_enough_jobs_is_written(tmp_path: Path) -> None:
    jobs = [job for kind in range(3) for job in night_jobs(12, f"Kind {kind}. {SYSTEM}")]
    night_passes(tmp_path, config_of(tmp_path), jobs, prewarmed=3)


def test_for_fewer_jobs_than_asked_for_nothing_is_written(tmp_path: Path) -> None:
    night_passes(tmp_path, config_of(tmp_path), night_jobs(9), prewarmed=0)


def test_how_many_jobs_it_takes_can_be_set(tmp_path: Path) -> None:
    night_passes(tmp_path, config_of(tmp_path, prewarm_from_jobs=3), night_jobs(3), prewarmed=1)


@pytest.mark.parametrize("off", [{"prewarm": False}, {"enabled": False}])
def test_it_can_be_switched_off(tmp_path: Path, off: dict[str, bool]) -> None:
    night_passes(tmp_path, config_of(tmp_path, **off), night_jobs(20), prewarmed=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}}},
        {"thinking": {"type": "adaptive"}},
        {
            "tools": [{"name": "sort", "description": SYSTEM, "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "tool", "name": "sort"},
        },
    ],
    ids=["format", "thinking", "forced tool"],
)
def test_what_the_api_would_refuse_is_never_sent(tmp_path: Path, changes: dict[str, Any]) -> None:
    night_passes(tmp_path, config_of(tmp_path), night_jobs(12, **changes), prewarmed=0)


def test_what_stays_warm_until_the_opening_is_not_written_again(tmp_path: Path) -> None:
    async def just_before(bench: VirtualBench) -> None:
        await asyncio.sleep(OPENS_S - 60)
        await bench.submit(a_job(99, system=SYSTEM, workflow="triage"))

    night_passes(tmp_path, config_of(tmp_path), night_jobs(12), prewarmed=0, before=just_before)


@pytest.mark.parametrize("scope", [EVERYTHING, Scope(ScopeKind.LANE, "night")])
def test_under_a_hold_nothing_is_written(tmp_path: Path, scope: Scope) -> None:
    async def scene() -> None:
        async with living(tmp_path, config=config_of(tmp_path), epoch=EPOCH) as bench:
            await bench.submit(*night_jobs(12))
            await bench.parts.desk.holds.set(NewHold(scope, "quarter-end", "ann"))
            await asyncio.sleep(OPENS_S + 60)
            assert bench.door.came_s == []
            assert books(bench, "SELECT count(*) FROM calls") == [(0,)]

    in_virtual_time(scene)


def test_through_a_closed_gate_nothing_is_written_and_no_prewarm_is_a_probe(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path, config=config_of(tmp_path), epoch=EPOCH) as bench:
            await bench.submit(*night_jobs(12))
            await asyncio.sleep(OPENS_S - 40)
            bench.door.refuse = throttled
            [other] = await bench.submit(a_job(99))
            await bench.recorder.wait_for(PoolGated)
            await bench.parts.desk.cancel(other)
            bench.door.refuse = lambda _: None
            await asyncio.sleep(OPENS_S - 1 - now_s())
            assert len(bench.door.came_s) == 1
            assert prewarms(bench) == []

    in_virtual_time(scene)


def test_a_prewarm_that_gets_a_429_closes_the_gate_as_any_call(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path, config=config_of(tmp_path), epoch=EPOCH) as bench:
            bench.door.refuse = throttled
            ids = await bench.submit(*night_jobs(12))
            await asyncio.sleep(OPENS_S - 1)
            assert len(bench.door.came_s) == len(bench.recorder.of(PoolGated)) == 1
            bench.door.refuse = lambda _: None
            await asyncio.sleep(120)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            assert writes_and_reads(bench) == (1, 11)

    in_virtual_time(scene)


def throttled(_: httpx2.Request) -> httpx2.Response:
    response = refused(429, "rate_limit_error", "slow down")
    response.headers["retry-after"] = "20"  # over before the opening: then a probe may go
    return response


def test_without_room_in_a_budget_nothing_is_written(tmp_path: Path) -> None:
    budgets = {"night": BudgetSettings(limit_usd=0.000001, scope="lane:night")}
    config = replace(config_of(tmp_path), budgets=budgets)

    async def scene() -> None:
        async with living(tmp_path, config=config, epoch=EPOCH) as bench:
            await bench.submit(*night_jobs(12))
            await asyncio.sleep(OPENS_S + 60)
            assert bench.door.came_s == []

    in_virtual_time(scene)


def test_a_prewarm_that_is_refused_costs_no_job_anything(tmp_path: Path) -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response | None:
        if json.loads(request.content)["max_tokens"]:
            return None
        return refused(400, "invalid_request_error", "max_tokens: must be at least 1")

    async def doors(bench: VirtualBench) -> None:
        bench.door.refuse = refuse

    night_passes(tmp_path, config_of(tmp_path), night_jobs(12), prewarmed=1, before=doors)


def test_a_refused_key_holds_everything_as_after_any_call(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path, config=config_of(tmp_path), epoch=EPOCH) as bench:
            bench.door.refuse = lambda _: refused(401, "authentication_error", "invalid x-api-key")
            ids = await bench.submit(*night_jobs(12))
            await asyncio.sleep(OPENS_S - 19)
            [held] = await bench.recorder.wait_for(HoldSet)
            assert held.hold.cause is HoldCause.AUTHENTICATION
            assert now_s() < OPENS_S
            await asyncio.sleep(OPENS_S - now_s())
            assert len(bench.door.came_s) == 1
            assert await bench.states(ids) == {JobState.QUEUED}

    in_virtual_time(scene)


def test_a_prewarm_that_is_cut_off_is_unknown_in_the_books_and_covers_its_cost(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path, config=config_of(tmp_path), epoch=EPOCH) as bench:
            await bench.submit(*night_jobs(12))
            bench.door.refuse = lambda _: refused(529, "overloaded_error", "too late")
            bench.door.delay_s = 3_600.0
            await asyncio.sleep(OPENS_S - 5)
            assert len(bench.door.came_s) == 1
            assert books(bench, "SELECT kind, state FROM calls") == [("prewarm", "open")]
        assert books(bench, "SELECT kind, state, reserved_nanousd > 0 FROM calls") == [
            ("prewarm", "unknown", 1)
        ]

    in_virtual_time(scene)


def test_a_price_that_vanishes_during_a_pre_warm_stops_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(ttft_s=12.0, latency_sigma=0.0)
        async with living(tmp_path, twin, config=config_of(tmp_path), epoch=EPOCH) as bench:
            ids = await bench.submit(*night_jobs(12))
            shared = bench.parts.shared
            before = shared.prices
            await asyncio.sleep(OPENS_S - 9 - now_s())
            assert twin.stats().in_flight == 1
            shared.prices = PriceTable(info for name, info in before.models.items() if name != MODEL)
            await asyncio.sleep(8)
            [call] = prewarms(bench)
            assert (call.outcome, call.settled) == ("succeeded", False)
            assert [MODEL in trouble.problem for trouble in bench.recorder.of(OwnTrouble)] == [True]
            shared.prices = before
            await asyncio.sleep(120)
            assert await bench.states(ids) == {JobState.SUCCEEDED}

    in_virtual_time(scene)

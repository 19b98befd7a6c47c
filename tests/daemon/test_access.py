"""Grants and caps at the desk of a real daemon."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from claudeflow.daemon.access.grants import build_grants
from claudeflow.domain.caller import Caller
from claudeflow.domain.door_events import CallerRefused
from claudeflow.domain.errors import ConfigError, IntakeError
from claudeflow.domain.events import Event
from claudeflow.domain.job import JobId
from claudeflow.intake.desks.access import NewToken, TokenNotFound
from claudeflow.intake.wire import parse_job
from claudeflow.policy.access.errors import Unauthenticated
from claudeflow.policy.access.refusals import MOST_PER_MINUTE
from claudeflow.policy.access.roles import Role
from claudeflow.policy.access.settings import GrantSettings
from tests.support.clocks import WoundClock
from tests.support.daemons import Bench, a_config, a_job, opened, running

ALICE = Caller("alice", 60_001, 60_001, 1, frozenset({60_001, 60_100}))


def granting(folder: Path, **settings: Any) -> Any:
    return replace(a_config(folder), access={"user:60001": GrantSettings(**settings)})


async def send(bench: Bench, *jobs: dict[str, Any], caller: Caller = ALICE) -> list[JobId]:
    """Jobs at the desk, as a front door brings them."""
    desk, now_ms = bench.parts.desk, bench.clock.epoch_ms()
    new = [
        parse_job(json.dumps(job).encode(), desk.catalog, now_ms=now_ms, submitted_by=caller.name)
        for job in jobs
    ]
    return [found.id for found in await desk.submit(new, by=desk.access.standing(caller))]


async def refused(bench: Bench, *jobs: dict[str, Any], caller: Caller = ALICE) -> str:
    with pytest.raises(IntakeError) as refusal:
        await send(bench, *jobs, caller=caller)
    return refusal.value.code


async def test_a_lane_without_a_grant_is_closed_and_nothing_is_stored(tmp_path: Path) -> None:
    async with opened(tmp_path, config=granting(tmp_path, lanes=("bulk",))) as bench:
        assert await refused(bench, a_job(lane="bulk"), a_job(lane="interactive")) == "forbidden"
        assert await send(bench, a_job(lane="bulk")) == [1]
        assert await refused(bench, a_job(lane="bulk"), caller=Caller("bob", 60_002)) == "forbidden"


async def test_a_flood_of_refusals_is_told_in_a_few_events_and_counted(tmp_path: Path) -> None:
    refusal = CallerRefused("alice", "socket", 7, "POST /v1/jobs", "forbidden")
    async with opened(tmp_path) as bench:
        access = bench.parts.desk.access
        told: list[Event] = []
        bench.parts.events.listen(told.append)
        for _ in range(1_000):
            access.refused(refusal)
        assert told == [refusal] * MOST_PER_MINUTE
        assert access.counts_refusals.is_set()
        bench.clock.advance(61)
        await access.tell_counted()
        await access.tell_counted()
        assert told[MOST_PER_MINUTE:] == [replace(refusal, times=1_000 - MOST_PER_MINUTE)]
        assert not access.counts_refusals.is_set()


async def test_the_cap_on_the_queue_holds_over_a_restart(tmp_path: Path) -> None:
    config = granting(tmp_path, max_queued=2)
    async with opened(tmp_path, config=config) as bench:
        await send(bench, a_job(1), a_job(2))
        assert await refused(bench, a_job(3)) == "too_many_jobs"
    async with opened(tmp_path, config=config) as bench:
        assert await refused(bench, a_job(3)) == "too_many_jobs"
        await bench.parts.desk.cancel(JobId(1))
        await send(bench, a_job(3))


async def test_the_cap_on_a_days_spend_holds_over_a_restart_and_until_midnight(tmp_path: Path) -> None:
    clock, config = WoundClock(), granting(tmp_path, usd_per_day=0.000_001)
    async with running(tmp_path, clock=clock, config=config) as bench:
        [job] = await bench.finished(await send(bench, a_job(1)))
        assert job.cost_nanousd > 1_000
        lately = await bench.parts.desk.access.used(bench.parts.desk.access.standing(ALICE))
        assert (lately.used.cost_nanousd, lately.used.queued) == (job.cost_nanousd, 0)
        assert await refused(bench, a_job(2)) == "spend_capped"
        assert await bench.book_mistakes() == []
    async with opened(tmp_path, clock=clock, config=config) as bench:
        assert await refused(bench, a_job(2)) == "spend_capped"
        clock.advance(86_400)
        await send(bench, a_job(2))


async def test_jobs_come_at_the_rate_of_the_cap_and_those_that_are_refused_do_not_count(
    tmp_path: Path,
) -> None:
    clock, config = WoundClock(), granting(tmp_path, jobs_per_min=2, max_queued=3)
    async with opened(tmp_path, clock=clock, config=config) as bench:
        await send(bench, a_job(1), a_job(2))
        assert await refused(bench, a_job(3)) == "rate_capped"
        clock.advance(60)
        assert await refused(bench, a_job(3), a_job(4)) == "too_many_jobs"
        lately = await bench.parts.desk.access.used(bench.parts.desk.access.standing(ALICE))
        assert lately.jobs_now == 2
        await send(bench, a_job(3))


async def a_token(bench: Bench, expires_ms: int | None = None, **allows: Any) -> str:
    wanted = NewToken("ci", GrantSettings(**allows), expires_ms, "root")
    _, text = await bench.parts.desk.access.create_token(wanted)
    return text


def files_with(secret: bytes, folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if secret in path.read_bytes()]


async def unknown(bench: Bench, text: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await bench.parts.desk.access.standing_of_token(text)
    return str(refusal.value)


async def test_a_token_outlives_a_restart_and_its_secret_is_nowhere(tmp_path: Path) -> None:
    config = replace(a_config(tmp_path), access={"token:ci": GrantSettings(roles=("read",))})
    async with opened(tmp_path, config=config) as bench:
        text = await a_token(bench, lanes=("bulk",), max_queued=3)
    async with opened(tmp_path, config=config) as bench:
        standing = await bench.parts.desk.access.standing_of_token(text)
        assert standing.caller == Caller("token:ci")
        assert standing.roles == {Role.READ, Role.SUBMIT}
        assert standing.caps.max_queued == 3
        assert standing.reaches(Role.SUBMIT, "bulk", "x")
        assert not standing.reaches(Role.SUBMIT, "standard", "x")
    secret = text.rpartition("_")[2].encode()
    assert files_with(secret, tmp_path) == []


async def test_a_token_is_good_until_it_expires_or_is_revoked(tmp_path: Path) -> None:
    clock = WoundClock()
    async with opened(tmp_path, clock=clock) as bench:
        desk = bench.parts.desk.access
        text = await a_token(bench, clock.epoch_ms() + 5_000)
        clock.advance(4)
        await desk.standing_of_token(text)
        clock.advance(1)
        assert "the token ci has expired" in await unknown(bench, text)
        await desk.revoke_token("ci", "root")
        again = await a_token(bench)
        assert again != text
        assert "not valid" in await unknown(bench, text)
        await desk.standing_of_token(again)
        await desk.revoke_token("ci", "root")
        assert "not valid" in await unknown(bench, again)
        with pytest.raises(TokenNotFound, match="no token in force has the name ci"):
            await desk.revoke_token("ci", "root")
    async with opened(tmp_path, clock=clock) as bench:
        assert "not valid" in await unknown(bench, again)
        assert "not valid" in await unknown(bench, text)


@pytest.mark.parametrize("change", ["name", "secret", "length", "prefix"])
async def test_nothing_but_the_very_token_is_recognised(tmp_path: Path, change: str) -> None:
    async with opened(tmp_path) as bench:
        text = await a_token(bench)
        await bench.parts.desk.access.standing_of_token(text)
        last = "0" if text[-1] != "0" else "1"
        other = {
            "name": text.replace("_ci_", "_cd_"),
            "secret": text[:-1] + last,
            "length": text[:-1],
            "prefix": text.removeprefix("cf_"),
        }
        assert "not valid" in await unknown(bench, other[change])


async def test_when_a_token_was_used_last_is_kept_to_the_hour(tmp_path: Path) -> None:
    clock = WoundClock()
    async with opened(tmp_path, clock=clock) as bench:
        desk, hour_ms = bench.parts.desk.access, 3_600_000
        text = await a_token(bench)
        assert (await desk.tokens())[0].last_used_ms is None
        await desk.standing_of_token(text)
        first_ms = clock.epoch_ms() - clock.epoch_ms() % hour_ms
        assert (await desk.tokens())[0].last_used_ms == first_ms
        clock.advance(2 * 3_600)
        await desk.standing_of_token(text)
        assert (await desk.tokens())[0].last_used_ms == first_ms + 2 * hour_ms


async def test_other_grants_are_in_force_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path, config=granting(tmp_path, lanes=("bulk",))) as bench:
        assert await refused(bench, a_job(lane="standard")) == "forbidden"
        bench.parts.desk.access.reconfigure(build_grants({"group:60100": GrantSettings()}))
        await send(bench, a_job(lane="standard"))


def test_names_become_ids_and_those_that_are_not_there_are_told_all_at_once() -> None:
    [root, wheel] = build_grants({"user:root": GrantSettings(), "group:0": GrantSettings()})
    assert (root.grantee.id, wheel.grantee.id) == (0, 0)
    wrong = ["user:no-such-one", "group:no-such-one", "user:4294967295", "nobody"]
    with pytest.raises(ConfigError) as refusal:
        build_grants({name: GrantSettings() for name in wrong})
    assert [mistake.field for mistake in refusal.value.mistakes] == [f"access.{name}" for name in wrong]
    assert "this host has no user no-such-one" in str(refusal.value)

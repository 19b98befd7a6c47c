"""The books against the provider's reports: the real SDK asks the twin's Admin API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from claudeflow.claude.admin import AdminClient
from claudeflow.config import Config, FoundKey
from claudeflow.daemon.reconcile import open_reports
from claudeflow.domain.errors import ConfigError, Mistake
from claudeflow.domain.events import BooksCompared, BooksDrifted, OwnTrouble
from claudeflow.intake.desks.reconcile import NoAdminKey, NoReport, NothingCompared
from claudeflow.policy.money.pricing import WEB_SEARCH_NANOUSD
from claudeflow.policy.money.reconcile import AdminSettings
from claudeflow.twin.engine import Twin
from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.request import api_key_id
from claudeflow.twin.transport import TwinTransport
from tests.support.clocks import WoundClock
from tests.support.daemons import MODEL, Bench, a_config, a_twin, running, some_jobs

ADMIN_KEY = "sk-ant-admin01-test"
HOUR_S = 3_600
SYSTEM = "Answer as the network team does. " * 400
BOTH = pytest.mark.parametrize("analytics", [True, False], ids=["analytics", "legacy"])


def ask(bench: Bench, key: str | None = ADMIN_KEY) -> None:
    """Let the reconciler ask the twin through the SDK."""

    def new_client(*args: Any, **options: Any) -> AdminClient:
        http = httpx2.AsyncClient(transport=TwinTransport(bench.twin))
        return AdminClient(*args, http_client=http, **options)

    def open_them(config: Config, admin_key: str) -> AdminClient:
        found = open_reports(new_client, config, admin_key)
        assert isinstance(found, AdminClient)
        return found

    bench.parts.desk.reconciliation.use(open_them, lambda _: FoundKey(key, "test") if key else None)


@asynccontextmanager
async def a_bench(
    folder: Path, *, admin: AdminSettings | None = None, exact: bool = True, **twin_settings: Any
) -> AsyncIterator[Bench]:
    """A daemon whose reconciler may ask, at ten in the morning (UTC)."""
    clock = WoundClock()
    clock.advance(86_400 - clock.epoch() % 86_400 + 10 * HOUR_S)
    admin = admin or AdminSettings()
    config = a_config(folder, admin=replace(admin, tolerance=0.0) if exact else admin)
    async with running(folder, a_twin(clock, **twin_settings), clock=clock, config=config) as bench:
        ask(bench)
        yield bench


def jobs(count: int, **envelope: Any) -> list[dict[str, Any]]:
    """Jobs that wait for no other lane's reserve."""
    return some_jobs(count, lane="interactive", **envelope)


def later(bench: Bench, hours: float) -> None:
    bench.clock.advance(hours * HOUR_S)


async def somebody_else_calls(twin: Twin, key: str = "other") -> None:
    """A call of the same organisation that did not go through the daemon."""
    async with anthropic.AsyncAnthropic(
        api_key=key, max_retries=0, http_client=httpx2.AsyncClient(transport=TwinTransport(twin))
    ) as client:
        await client.messages.create(
            model=MODEL, max_tokens=50, messages=[{"role": "user", "content": "And who are you?"}]
        )


def drifts(found: dict[str, Any]) -> set[str]:
    return {drift["kind"] for cell in found["cells"] for drift in cell["drifts"]}


@BOTH
async def test_settled_calls_agree_to_the_token_and_the_cent(tmp_path: Path, analytics: bool) -> None:
    async with a_bench(tmp_path, analytics=analytics) as bench:
        await bench.run(*jobs(5, system=SYSTEM), *jobs(2, model="claude-opus-5-5"))
        later(bench, 48)
        found = await bench.parts.desk.reconciliation.compare(None, None)

    assert found["agrees"], found
    assert found["source"] == ("analytics" if analytics else "legacy")
    assert {cell["model"] for cell in found["cells"]} == {MODEL, "claude-opus-5-5"}
    for cell in found["cells"]:
        assert cell["ours"]["output_tokens"] == cell["theirs"]["output_tokens"] > 0
        assert cell["theirs"]["cost_nanousd"] == pytest.approx(cell["ours"]["cost_nanousd"], abs=500)


@BOTH
async def test_searches_data_residency_and_the_hours_cache_agree_too(tmp_path: Path, analytics: bool) -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    kept = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    peculiar = jobs(4)
    peculiar[0]["request"] |= {"tools": [search]}
    peculiar[1]["request"] |= {"inference_geo": "us"}
    peculiar[2]["request"] |= {"system": kept}
    peculiar[3]["request"] |= {"model": "claude-opus-5-5", "speed": "fast"}
    async with a_bench(tmp_path, analytics=analytics) as bench:
        await bench.run(*peculiar)
        later(bench, 48)
        found = await bench.parts.desk.reconciliation.compare(None, None)

    assert found["agrees"], found
    sums = [cell["ours"] for cell in found["cells"]]
    assert sum(one["web_searches"] for one in sums) == 2
    assert sum(one["cache_write_1h_tokens"] for one in sums) > 0
    billed = bench.twin.invoice().total_nanousd - 2 * WEB_SEARCH_NANOUSD
    assert sum(one["cost_nanousd"] for one in sums) == billed


@BOTH
async def test_calls_of_other_keys_are_drift_until_our_key_is_named(tmp_path: Path, analytics: bool) -> None:
    async with a_bench(tmp_path, analytics=analytics) as bench:
        await bench.run(*jobs(3))
        await somebody_else_calls(bench.twin)
        later(bench, 48)
        whole = await bench.parts.desk.reconciliation.compare(None, None)
        config = bench.parts.shared.config
        bench.parts.shared.config = replace(config, admin=replace(config.admin, api_key_id=api_key_id("k")))
        ours = await bench.parts.desk.reconciliation.compare(None, None)

    assert not whole["agrees"]
    assert {"input_tokens", "output_tokens", "cost_nanousd"} <= drifts(whole)
    [cell] = whole["cells"]
    assert "other keys of the organisation" in cell["causes"][0]
    assert whole["scope"] == "the whole organisation"
    assert ours["agrees"], ours
    assert ours["scope"] == api_key_id("k")


async def test_calls_that_the_report_misses_are_drift(tmp_path: Path) -> None:
    async with a_bench(tmp_path, report_lost_share=0.5) as bench:
        await bench.run(*jobs(8))
        later(bench, 3)
        found = await bench.parts.desk.reconciliation.compare(None, None)

    assert not found["agrees"]
    assert any("misses calls" in cause for cell in found["cells"] for cause in cell["causes"])


async def test_the_freshest_hour_is_not_compared(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        began_ms = bench.clock.epoch_ms()
        await bench.run(*jobs(1))
        with pytest.raises(NothingCompared):
            await bench.parts.desk.reconciliation.compare(began_ms, None)


async def test_a_report_that_lags_is_compared_as_far_as_it_goes(tmp_path: Path) -> None:
    async with a_bench(tmp_path, report_delay_s=5 * HOUR_S) as bench:
        await bench.run(*jobs(2))
        later(bench, 8)
        await bench.run(*jobs(2))
        later(bench, 2)
        found = await bench.parts.desk.reconciliation.compare(None, None)

    assert found["agrees"], found
    assert len(found["cells"]) == 1


@pytest.mark.parametrize(
    ("key", "settings", "words"),
    [
        ("sk-ant-admin-other", {"admin_keys": (ADMIN_KEY,)}, "does not accept the admin key"),
        ("sk-ant-api-usual", {}, "does not accept the admin key"),
    ],
)
async def test_a_key_that_is_refused_is_told_in_words(
    tmp_path: Path, key: str, settings: dict[str, Any], words: str
) -> None:
    async with a_bench(tmp_path, **settings) as bench:
        ask(bench, key)
        await bench.run(*jobs(1))
        later(bench, 3)
        with pytest.raises(NoReport, match=words) as told:
            await bench.parts.desk.reconciliation.compare(None, None)
    assert key not in str(told.value)


async def test_without_an_admin_key_the_way_out_is_told(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        ask(bench, None)
        with pytest.raises(NoAdminKey, match="ANTHROPIC_ADMIN_KEY"):
            await bench.parts.desk.reconciliation.compare(None, None)


async def test_a_key_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    def broken(key_file: str) -> FoundKey | None:
        raise ConfigError("/etc/key", [Mistake("admin key", "others must not read it")])

    async with a_bench(tmp_path) as bench:
        bench.parts.desk.reconciliation.use(lambda *_: pytest.fail("nobody is asked"), broken)
        with pytest.raises(NoAdminKey, match="/etc/key: admin key: others must not read it"):
            await bench.parts.desk.reconciliation.compare(None, None)


async def test_the_duty_compares_once_a_day_and_remembers(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        reconciler = bench.parts.desk.reconciliation
        await bench.run(*jobs(2))
        for _ in range(54):
            later(bench, 1)
            await reconciler.look()
        last = await reconciler.last()

    first, second = bench.recorder.of(BooksCompared)
    assert first.until_ms == second.since_ms
    assert (first.drifts, second.drifts) == (0, 0)
    assert last["agrees"]


async def test_drift_that_a_person_finds_is_an_event_too(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.run(*jobs(2))
        await somebody_else_calls(bench.twin)
        later(bench, 26)
        found = await bench.parts.desk.reconciliation.compare(None, None)

    assert {event.kind for event in bench.recorder.of(BooksDrifted)} == drifts(found) != set()
    assert [event.drifts for event in bench.recorder.of(BooksCompared)] == [len(drifts(found))]


async def test_drift_that_the_duty_finds_is_an_event_with_both_numbers(tmp_path: Path) -> None:
    async with a_bench(tmp_path, admin=AdminSettings(tolerance=0.001), exact=False) as bench:
        await bench.run(*jobs(2))
        await somebody_else_calls(bench.twin)
        later(bench, 26)
        await bench.parts.desk.reconciliation.look()

    events = bench.recorder.of(BooksDrifted)
    assert {event.kind for event in events} == {"input_tokens", "output_tokens", "cost_nanousd"}
    assert all(event.theirs > event.ours for event in events)
    day = datetime.fromtimestamp(bench.clock.epoch_ms() / 1000 - 26 * HOUR_S, UTC).date()
    assert {(event.day, event.model) for event in events} == {(str(day), MODEL)}


@pytest.mark.parametrize("admin", [AdminSettings(reconcile_every_h=0.0), AdminSettings()])
async def test_the_duty_is_silent_where_nobody_wants_it_or_no_key_exists(
    tmp_path: Path, admin: AdminSettings
) -> None:
    async with a_bench(tmp_path, admin=admin) as bench:
        if admin.reconcile_every_h:
            ask(bench, None)
        await bench.run(*jobs(1))
        later(bench, 26)
        await bench.parts.desk.reconciliation.look()
    assert not bench.recorder.of(BooksCompared)
    assert not bench.recorder.of(OwnTrouble)


async def test_trouble_of_the_duty_is_told_once(tmp_path: Path) -> None:
    async with a_bench(tmp_path, admin_keys=("sk-ant-admin-other",)) as bench:
        await bench.run(*jobs(1))
        for _ in range(3):
            later(bench, 26)
            await bench.parts.desk.reconciliation.look()
    [trouble] = bench.recorder.of(OwnTrouble)
    assert "does not accept the admin key" in trouble.problem
    assert ADMIN_KEY not in str(trouble)


async def unknown_call(bench: Bench) -> None:
    """Let one job's connection be cut after its request was answered by the twin's model."""
    bench.twin.replace_faults(parse_faults([{"kind": "reset_mid_stream", "calls": [1, 1]}]))
    await bench.run(*jobs(1))


async def test_an_unknown_call_is_no_drift_and_the_report_settles_it(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await unknown_call(bench)
        spend = (await bench.parts.desk.status()).spend
        later(bench, 3)
        found = await bench.parts.desk.reconciliation.compare(None, None)
        after = (await bench.parts.desk.status()).spend

    assert spend.unknown_calls == 1
    assert found["agrees"], found
    [cell] = found["cells"]
    billed = sum(line.cost_nanousd for line in bench.twin.invoice().lines) - spend.settled_nanousd
    assert cell["unknown"]["calls"] == 1
    assert cell["unknown"]["billed_nanousd"] == pytest.approx(billed, abs=500)
    assert after == spend


async def test_more_than_the_bound_of_an_unknown_call_is_drift(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await unknown_call(bench)
        spend = (await bench.parts.desk.status()).spend
        while bench.twin.invoice().total_nanousd <= spend.settled_nanousd + spend.unknown_bound_nanousd:
            await somebody_else_calls(bench.twin)
        later(bench, 3)
        found = await bench.parts.desk.reconciliation.compare(None, None)
    assert drifts(found) == {"cost_nanousd"}


async def test_midnight_between_a_calls_begin_and_end_is_no_drift(tmp_path: Path) -> None:
    clock = WoundClock()
    to_midnight_s = 86_400 - clock.epoch_ms() / 1000 % 86_400
    clock.advance(to_midnight_s - 1.0)
    config = a_config(tmp_path, admin=AdminSettings(tolerance=0.0))
    async with running(tmp_path, a_twin(clock), clock=clock, config=config) as bench:
        ask(bench)
        await bench.run(*jobs(2))
        clock.advance(2.0)
        await bench.run(*jobs(2))
        line = bench.twin.invoice().lines[0]
        bench.twin.invoice().lines[0] = replace(line, at_epoch_s=line.at_epoch_s + 1.5)
        later(bench, 30)
        found = await bench.parts.desk.reconciliation.compare(None, None)
    assert found["agrees"], found
    assert len(found["cells"]) == 2

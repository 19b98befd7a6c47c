"""Canaries: packed answers that are wrong and look right are found by asking again."""

from __future__ import annotations

import asyncio
import stat
import sys
from pathlib import Path

import pytest

from claudeflow.daemon.packs.comparing import agreed
from claudeflow.domain.errors import PackNotFound
from claudeflow.domain.events import CallEnded, OwnTrouble
from claudeflow.domain.hold import Scope, ScopeKind
from claudeflow.domain.job import JobState
from claudeflow.domain.pack_events import CanaryAnswered, PromptUnpacked
from claudeflow.domain.prompt import CanaryRules
from claudeflow.policy.limits.settings import PoolLimits
from claudeflow.policy.money.settings import BudgetSettings
from claudeflow.twin.faults import Fault
from tests.support.clocks import WoundClock
from tests.support.daemons import a_twin, opened, running, until
from tests.support.packing import (
    TICKETS,
    a_packing_config,
    pack_table,
    packs_of,
    singles_of,
    tickets,
    utterances,
)
from tests.support.virtual import a_virtual_twin, in_virtual_time, living

WRONG = (Fault("wrong_answer", item_share=0.2),)


def canaries(share: float, compare: str = '"equal"') -> str:
    """A pack table of which so many answers are compared."""
    return pack_table(10, canary=f"share = {share}\ncompare = {compare}\n")


async def test_answers_that_look_right_and_are_wrong_are_found_and_the_prompt_is_unpacked(
    tmp_path: Path,
) -> None:
    twin = a_twin(WoundClock(), faults=WRONG)
    async with running(tmp_path, twin, config=a_packing_config(tmp_path, canaries(0.5))) as bench:
        await bench.run(*tickets(200))
        [event] = await bench.recorder.wait_for(PromptUnpacked)
        assert event.canaries < 60
        assert event.disagreements / event.canaries > event.max_disagreement
        assert event.way_out.endswith("`claudeflow packs reset ticket-triage`")
        before = len(packs_of(bench))
        records = await bench.run(*tickets(20))
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert len(packs_of(bench)) == before
        assert len(singles_of(bench)) == 20
        [row] = [row for row in await bench.parts.desk.packs.report() if row.prompt == TICKETS]
        assert not row.is_packed
        assert f"{row.disagreements} of {row.canaries} canaries disagreed" in row.why
        assert await bench.book_mistakes() == []


async def test_other_prompts_stay_packed(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), faults=(Fault("wrong_answer", item_share=0.5, until_s=1e9),))
    async with running(tmp_path, twin, config=a_packing_config(tmp_path, canaries(0.5))) as bench:
        await bench.run(*tickets(100))
        await bench.recorder.wait_for(PromptUnpacked)
        before = len(packs_of(bench))
        await bench.run(*utterances(20))
        assert len(packs_of(bench)) > before


async def test_with_agreement_a_prompt_stays_packed(tmp_path: Path) -> None:
    async with running(tmp_path, config=a_packing_config(tmp_path, canaries(1.0))) as bench:
        await bench.run(*tickets(60))
        found = await bench.recorder.wait_for(CanaryAnswered, count=60)
        assert all(event.agreed for event in found)
        assert not bench.recorder.of(PromptUnpacked)
        assert {call.jobs for call in bench.recorder.of(CallEnded) if call.kind == "canary"} == {1}
        await until(lambda: bench.twin.stats().in_flight == 0)
        assert await bench.book_mistakes() == []


async def test_without_a_share_nothing_is_asked_again(tmp_path: Path) -> None:
    async with running(tmp_path, config=a_packing_config(tmp_path, canaries(0.0))) as bench:
        await bench.run(*tickets(40))
        assert {call.kind for call in bench.recorder.of(CallEnded)} == {"pack"}


async def test_what_canaries_have_shown_outlives_the_daemon_until_it_is_reset(tmp_path: Path) -> None:
    config = a_packing_config(tmp_path, canaries(0.5))
    twin = a_twin(WoundClock(), faults=WRONG)
    async with running(tmp_path, twin, config=config) as bench:
        await bench.run(*tickets(200))
        await bench.recorder.wait_for(PromptUnpacked)
    async with running(tmp_path, config=config) as bench:
        await bench.run(*tickets(20))
        assert not packs_of(bench)
        [row] = await bench.parts.desk.packs.reset(TICKETS)
        assert (row.is_packed, row.canaries) == (True, 0)
    async with running(tmp_path, config=config) as bench:
        await bench.run(*tickets(20))
        assert packs_of(bench)


async def test_only_a_prompt_that_is_packed_can_be_reset(tmp_path: Path) -> None:
    async with opened(tmp_path, config=a_packing_config(tmp_path)) as bench:
        with pytest.raises(PackNotFound, match="never was"):
            await bench.parts.desk.packs.reset("advisory-triage")
        names = [row.prompt for row in await bench.parts.desk.packs.report()]
        assert names == ["helpdesk-routing", "ticket-triage"]


async def test_fields_that_do_not_matter_may_differ(tmp_path: Path) -> None:
    rules = CanaryRules(fields=("label", "route.team"))
    one = {"label": "a", "route": {"team": "x", "why": "1"}, "reason": "this"}
    assert await agreed(one, {**one, "reason": "that"}, rules) is True
    assert await agreed(one, {**one, "label": "b"}, rules) is False


SAME_LABEL = """#!{python}
import json, sys
both = json.load(sys.stdin)
sys.exit(both["packed"]["label"] != both["single"]["label"])
"""
PRINTS_SECRETS = """#!{python}
import os, sys
sys.exit(any(name.startswith("ANTHROPIC_") for name in os.environ))
"""
HANGS = "#!{python}\nimport time\ntime.sleep(60)\n"
IS_BROKEN = "#!{python}\nraise SystemExit(3)\n"
READS_NOTHING = "#!{python}\n"


def a_script(folder: Path, text: str) -> CanaryRules:
    """A prompt's own command."""
    path = folder / "agree"
    path.write_text(text.replace("{python}", sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return CanaryRules(command=(str(path),))


async def test_a_command_may_say_whether_answers_agree(tmp_path: Path) -> None:
    rules = a_script(tmp_path, SAME_LABEL)
    assert await agreed({"label": "a", "x": 1}, {"label": "a", "x": 2}, rules) is True
    assert await agreed({"label": "a"}, {"label": "b"}, rules) is False


async def test_a_command_that_reads_nothing_may_say_so_too(tmp_path: Path) -> None:
    assert await agreed({"label": "a" * 1_000_000}, {}, a_script(tmp_path, READS_NOTHING)) is True


async def test_a_command_does_not_see_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    assert await agreed({}, {}, a_script(tmp_path, PRINTS_SECRETS)) is True


@pytest.mark.parametrize(
    ("text", "timeout_s", "problem"),
    [(IS_BROKEN, 20.0, "ended with code 3"), (HANGS, 0.2, "took longer than 0.2 s")],
)
async def test_a_command_in_trouble_says_nothing_of_the_answers(
    tmp_path: Path, text: str, timeout_s: float, problem: str
) -> None:
    found = await agreed({}, {}, a_script(tmp_path, text), timeout_s)
    assert isinstance(found, str)
    assert problem in found


async def test_a_command_that_is_not_there_is_our_trouble_and_no_disagreement(tmp_path: Path) -> None:
    compare = f'{{command = ["{tmp_path}/nowhere"]}}'
    twin = a_twin(WoundClock(), faults=(Fault("wrong_answer"),))
    async with running(tmp_path, twin, config=a_packing_config(tmp_path, canaries(1.0, compare))) as bench:
        await bench.run(*tickets(20))
        found = await bench.recorder.wait_for(OwnTrouble, count=10)
        assert "nowhere cannot be run: No such file or directory" in found[0].problem
        assert not bench.recorder.of(CanaryAnswered)
        [row] = [row for row in await bench.parts.desk.packs.report() if row.prompt == TICKETS]
        assert row.canaries == 0


def test_canaries_take_only_room_that_is_left_and_are_let_go_in_the_end(tmp_path: Path) -> None:
    async def scene() -> None:
        config = a_packing_config(tmp_path, canaries(1.0), limits=PoolLimits(10, 10**9, 10**9))
        async with living(tmp_path, a_virtual_twin(rpm=10), config=config) as bench:
            ids = await bench.submit(*tickets(800))
            await asyncio.sleep(400)
            calls = [call.kind for call in bench.recorder.of(CallEnded)]
            assert 0 < calls.count("canary") < 20
            assert calls.count("pack") > 40
            await asyncio.sleep(3_600)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            asked = len(bench.recorder.of(CanaryAnswered))
            assert 0 < asked < 800
            await asyncio.sleep(3_600)
            assert len(bench.recorder.of(CanaryAnswered)) == asked
            assert set(bench.twin.stats().calls_by_status) == {200}

    in_virtual_time(scene)


def test_a_canary_that_may_not_go_for_long_is_let_go(tmp_path: Path) -> None:
    async def scene() -> None:
        config = a_packing_config(tmp_path, canaries(1.0))
        async with living(tmp_path, a_virtual_twin(ttft_s=5.0, latency_sigma=0.0), config=config) as bench:
            ids = await bench.submit(*tickets(10))
            await asyncio.sleep(1)
            scope, keeper = Scope(ScopeKind.WORKFLOW, TICKETS), bench.parts.keeper
            hold, _ = await keeper.hold(scope, "looked at", None, "anna")
            await asyncio.sleep(700)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            await keeper.release([hold], "seen", "anna")
            await asyncio.sleep(100)
            assert [call.kind for call in bench.recorder.of(CallEnded)] == ["pack"]

    in_virtual_time(scene)


def test_canaries_are_within_the_budget(tmp_path: Path) -> None:
    async def scene() -> None:
        config = a_packing_config(tmp_path, canaries(1.0), budgets={"team": BudgetSettings(0.02)})
        async with living(tmp_path, a_virtual_twin(ttft_s=0.1), config=config) as bench:
            await bench.submit(*tickets(200))
            await asyncio.sleep(1_200)
            assert bench.recorder.of(CanaryAnswered)
            assert sum(line.cost_nanousd for line in bench.twin.invoice().lines) <= 20_000_000

    in_virtual_time(scene)

"""Packs and money: what they reserve covers what they cost, caps hold, and they are made where they pay."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from claudeflow.config import Config
from claudeflow.config.settings import PromptSettings
from claudeflow.domain.events import CallEnded, OwnTrouble
from claudeflow.domain.job import JobState
from claudeflow.domain.pack_events import PackingJudged
from claudeflow.domain.prompt import Verify
from claudeflow.intake.wire import parse_job
from claudeflow.policy.lanes.flow import FlowKey
from claudeflow.policy.limits.settings import PoolLimits
from claudeflow.policy.money.settings import BudgetSettings
from claudeflow.policy.packing.frames import seat
from claudeflow.policy.packing.request import item_text
from claudeflow.store import jobs as store_jobs
from tests.support.books import calls_of
from tests.support.clocks import WoundClock
from tests.support.daemons import MODEL, a_config, a_twin, opened, running
from tests.support.packing import (
    TICKETS,
    a_packing_config,
    a_ticket,
    pack_table,
    packs_of,
    tickets,
)
from tests.support.virtual import a_virtual_twin, in_virtual_time, living

SEEDS = [seed if seed < 3 else pytest.param(seed, marks=pytest.mark.chaos) for seed in range(30)]
LETTERS = ["a", "Z", " ", "\n", '"', "\\", "é", "漢", "🎫", "\u2028", "<<", ">>", "\x07"]


def a_text(chance: random.Random) -> str:
    """A text of any size, of anything that JSON writes in more bytes than one."""
    return "".join(chance.choices(LETTERS, k=chance.choice([1, 1, 10, 100, 1_000]))) + "."


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("verify", list(Verify))
async def test_no_request_is_larger_than_what_was_reserved_for(
    tmp_path: Path, seed: int, verify: Verify
) -> None:
    """A token has a byte at least, so the bytes of a request bound what it can cost."""
    chance = random.Random(seed)
    config = a_packing_config(tmp_path, pack_table(50, verify=verify.value))
    async with opened(tmp_path, config=config) as bench:
        assert bench.parts.shared.packs is not None
        packs, catalog = bench.parts.shared.packs, bench.parts.desk.catalog
        count = chance.randint(2, 50)
        texts = [a_text(chance) for _ in range(count)]
        ids = await bench.submit(*(a_ticket(text) for text in texts))
        key = FlowKey("interactive", TICKETS, MODEL)
        found = await bench.parts.shared.store.read(partial(store_jobs.flow_head, key=key, limit=50))
        assert [candidate.id for candidate in found] == ids
        shape = packs.shapes.of(found[0].pack or "", found[0].model)
        assert shape is not None
        call = packs.stand_in(found[0], found, shape)
        jobs = [
            parse_job(orjson.dumps(a_ticket(text)), catalog, now_ms=0, submitted_by="test") for text in texts
        ]
        items = [item_text(json.loads(job.body)) or "" for job in jobs]
        text = seat(items, shape.slots, chance.random, verify).text
        body = shape.body(text, call.model, call.max_tokens)
        assert len(orjson.dumps(body)) <= call.input_bytes < call.most_input_tokens


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_pack_costs_more_than_was_reserved(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    twin = a_twin(WoundClock(seed))
    config = a_packing_config(tmp_path, pack_table(chance.choice([2, 10, 50])))
    async with running(tmp_path, twin, config=config) as bench:
        await bench.run(*(a_ticket(a_text(chance)) for _ in range(100)))
        assert all((call.cost_nanousd or 0) <= call.reserved_nanousd for call in calls_of(bench.store_path))
        assert not bench.recorder.of(OwnTrouble)
        assert packs_of(bench)
        assert await bench.book_mistakes() == []


def test_a_cap_holds_with_packs_and_what_it_stops_waits(tmp_path: Path) -> None:
    async def scene() -> None:
        cap_usd = 0.01
        config = a_packing_config(tmp_path, budgets={"team": BudgetSettings(cap_usd)})
        async with living(tmp_path, a_virtual_twin(ttft_s=1.0), config=config) as bench:
            ids = await bench.submit(*tickets(400))
            await asyncio.sleep(600)
            states = [record.state for record in await bench.records(ids)]
            assert 0 < states.count(JobState.SUCCEEDED) < 400
            assert states.count(JobState.QUEUED) == 400 - states.count(JobState.SUCCEEDED)
            assert sum(line.cost_nanousd for line in bench.twin.invoice().lines) <= cap_usd * 1e9
            calls = bench.recorder.of(CallEnded)
            assert {call.kind for call in calls} == {"pack", "message"}, "the last money buys single calls"
            [status] = bench.parts.shared.budgets.status()
            assert status.left_nanousd < 3_000_000, "no money is left that a single call could have used"

    in_virtual_time(scene)


def test_where_a_pack_is_too_dear_for_what_is_left_single_calls_are_made(tmp_path: Path) -> None:
    async def scene() -> None:
        config = a_packing_config(tmp_path, budgets={"team": BudgetSettings(0.005)})
        async with living(tmp_path, a_virtual_twin(ttft_s=1.0), config=config) as bench:
            ids = await bench.submit(*tickets(10))
            await asyncio.sleep(60)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            sizes = [call.jobs for call in bench.recorder.of(CallEnded)]
            assert sizes[0] == 1
            assert max(sizes) < 5, "a pack is made again as soon as it fits"

    in_virtual_time(scene)


def a_small_prompt(folder: Path, sentences: int) -> Config:
    """A prompt with little that is stable: just enough to be cached."""
    prompt = folder / "prompts" / "small"
    prompt.mkdir(parents=True)
    head = 'model = "claude-haiku-5-5"\nmax_tokens = 200\nlane = "interactive"\n'
    (prompt / "prompt.toml").write_text(head + pack_table(10))
    (prompt / "system.md").write_text("You sort tickets by product, urgency and team. " * sentences)
    (prompt / "user.md").write_text("{{ text }}")
    words = {"type": "string", "enum": ["vpn", "mail", "phone"]}
    schema = {
        "type": "object",
        "properties": {"label": words},
        "required": ["label"],
        "additionalProperties": False,
    }
    (prompt / "schema.json").write_text(json.dumps(schema))
    return a_config(folder, prompts=PromptSettings(str(folder / "prompts")))


def small_jobs(first: int, count: int) -> list[dict[str, Any]]:
    """Jobs for that prompt."""
    return [{"prompt": "small", "input": {"text": f"Ticket {n}"}} for n in range(first, first + count)]


def test_with_a_small_warm_prompt_single_calls_are_cheaper_and_jobs_go_alone(tmp_path: Path) -> None:
    async def scene() -> None:
        config = a_small_prompt(tmp_path, 60)
        async with living(tmp_path, a_virtual_twin(ttft_s=0.1), config=config) as bench:
            await bench.submit(*small_jobs(0, 20))
            await asyncio.sleep(70)
            for place in range(3):
                await bench.submit(*small_jobs(100 * place + 100, 20))
                await asyncio.sleep(70)
            judged = bench.recorder.of(PackingJudged)
            assert [event.pays for event in judged] == [True, False]
            assert judged[-1].why.endswith("not packed")
            calls = bench.recorder.of(CallEnded)
            assert [call.kind for call in calls][-40:] == ["message"] * 40
            [row] = await bench.parts.desk.packs.report()
            assert (row.is_packed, row.why) == (False, judged[-1].why)

    in_virtual_time(scene)


def test_where_requests_are_scarce_a_small_loss_is_taken(tmp_path: Path) -> None:
    async def scene() -> None:
        config = replace(a_small_prompt(tmp_path, 100), limits=PoolLimits(60, 10**9, 10**9))
        async with living(tmp_path, a_virtual_twin(ttft_s=0.1, rpm=60), config=config) as bench:
            for place in range(4):
                await bench.submit(*small_jobs(1000 * place, 150))
                await asyncio.sleep(60)
            [row] = await bench.parts.desk.packs.report()
            assert row.why.endswith("packed all the same, as requests are scarce")
            assert row.is_packed

    in_virtual_time(scene)

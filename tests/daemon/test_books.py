"""The books of a daemon that met everything that is billed differently, beside the other side's invoice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from claudeflow.domain.job import JobState
from claudeflow.domain.ledger import Dimension, total_of
from claudeflow.policy.money.pricing import PriceTable
from claudeflow.store.usage import usage
from claudeflow.twin.engine import Twin
from claudeflow.twin.faults import Fault
from tests.support.books import disagreements
from tests.support.clocks import WoundClock
from tests.support.daemons import Bench, a_job, a_twin, running
from tests.support.virtual import a_virtual_twin, in_virtual_time, living

LONG = "Always answer in one short line. Name the team that owns the system in question. " * 80
EVE = "2026-10-06T23:59:49"
MIDNIGHT_S = datetime(2026, 10, 7, tzinfo=UTC).timestamp()
OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"


def asking(number: int, *, model: str = "claude-haiku-5-5", **request: Any) -> dict[str, Any]:
    """A job whose request says more than others do."""
    job = a_job(number, model=model)
    return {**job, "request": {**job["request"], **request}}


def marked(ttl: str) -> list[dict[str, Any]]:
    """A system prompt with the caller's own marker."""
    text = f"For {ttl}. {LONG}"
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": ttl}}]


EVERYTHING = [
    asking(1),
    asking(2, model=OPUS, speed="fast"),
    asking(3, model=SONNET, inference_geo="us"),
    asking(4, model=SONNET, system=marked("5m")),
    asking(5, model=SONNET, system=marked("5m"), inference_geo="us"),
    asking(6, model=OPUS, system=marked("1h")),
    asking(7, model=OPUS, system=marked("1h"), speed="fast"),
    asking(8, thinking={"type": "adaptive"}, model=SONNET),
    asking(9, model=SONNET, tools=[{"type": "web_search_20260209", "name": "web_search", "max_uses": 3}]),
    asking(10, model=SONNET, tools=[{"type": "web_fetch_20260209", "name": "web_fetch", "max_uses": 2}]),
    asking(11, system=LONG * 80),
    asking(12, model="claude-opus-4-5"),
]


def billed(twin: Twin) -> dict[str, int]:
    """The invoice, by request."""
    return {line.request_id: line.cost_nanousd for line in twin.invoice().lines}


async def sums(bench: Bench, *by: Dimension) -> list[Any]:
    return await bench.parts.shared.store.read(partial(usage, by=by))


async def test_everything_that_is_billed_differently_is_booked_as_it_is_billed(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, priority_itpm=1_000_000, priority_otpm=1_000_000)
    async with running(tmp_path, twin, clock=clock) as bench:
        for job in EVERYTHING:
            [record] = await bench.run(job)
            assert record.state is JobState.SUCCEEDED
        assert await bench.book_mistakes() == []
        lines, booked = twin.invoice().lines, total_of(await sums(bench, Dimension.MODEL))
        assert booked.cost_nanousd == sum(line.cost_nanousd for line in lines)
        for name, kind in {
            "input_tokens": "input",
            "cache_write_5m_tokens": "write_5m",
            "cache_write_1h_tokens": "write_1h",
            "cache_read_tokens": "read",
            "output_tokens": "output",
            "thinking_tokens": "thinking",
        }.items():
            assert getattr(booked, name) == sum(getattr(line.tokens, kind) for line in lines) > 0, name
        assert (booked.web_searches, booked.web_fetches) == (3, 2)
        assert {row.key[0] for row in await sums(bench, Dimension.SPEED)} == {"standard", "fast"}
        assert {row.key[0] for row in await sums(bench, Dimension.TIER)} == {"standard", "priority"}
        assert {row.key[0] for row in await sums(bench, Dimension.GEO)} >= {"global", "us"}


async def test_a_refusal_costs_what_the_api_charges_for_its_category(tmp_path: Path) -> None:
    clock = WoundClock()
    free, billed = (
        Fault("refusal", calls=(1, 1), category="cyber"),
        Fault("refusal", calls=(2, 2), category="bio"),
    )
    async with running(tmp_path, a_twin(clock, faults=(free, billed)), clock=clock) as bench:
        first, second = [(await bench.run(asking(number)))[0] for number in (1, 2)]
        assert (first.state, second.state) == (JobState.FAILED, JobState.FAILED)
        assert first.cost_nanousd == 0 < second.cost_nanousd
        assert await bench.book_mistakes() == []
        assert all(row.input_tokens > 0 for row in await sums(bench, Dimension.MODEL))


def test_a_call_costs_what_its_model_cost_when_it_was_opened(tmp_path: Path) -> None:
    """Reads of Sonnet 5.5 became cheaper at a midnight: a call that ends after it still has the old price."""

    async def over_midnight() -> None:
        twin = a_virtual_twin(EVE, ttft_s=2.0, latency_sigma=0.0)
        async with living(tmp_path, twin, epoch=EVE) as bench:
            ids = []
            for gap_s in (10.0, 10.0, 10.0):
                ids += await bench.submit(asking(1, model=SONNET, system=marked("5m")))
                await asyncio.sleep(gap_s)
            records = await bench.records(ids)
            assert await asyncio.to_thread(disagreements, Path(bench.config.store.path), billed(twin)) == []
            write, before, after = twin.invoice().lines
            assert write.tokens.write_5m == before.tokens.read == after.tokens.read > 0
            assert before.at_epoch_s > MIDNIGHT_S > before.about.priced_at_epoch_s
            assert records[1].cost_nanousd - records[2].cost_nanousd == before.tokens.read * 100

    in_virtual_time(over_midnight)


async def test_a_queued_job_whose_fast_price_was_removed_is_an_error_of_the_check(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        asked = [asking(1), asking(2, model=OPUS), asking(3, model=OPUS, speed="fast")]
        await bench.submit(*({**job, "not_before": "+2h"} for job in asked))
        desk, shared = bench.parts.desk.books, bench.parts.shared
        before = await desk.check_prices()
        models = shared.prices.models
        slow = replace(models[OPUS], prices=tuple(replace(price, fast=None) for price in models[OPUS].prices))
        shared.prices = PriceTable({**models, OPUS: slow}.values())
        after = await desk.check_prices()
    assert [finding for finding in before if finding.level == "error"] == []
    [error] = [finding for finding in after if finding.level == "error"]
    assert (error.model, error.text) == (
        OPUS,
        "has no price in fast mode; in use: 1 fast job waiting or running",
    )

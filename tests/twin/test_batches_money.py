"""What batches cost: half the price to the nano-dollar, a prompt cache of their own, and the reports."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeflow.twin.billing import SEARCH_NANOUSD, Tokens, price_of
from claudeflow.twin.engine import Twin
from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.settings import TwinSettings
from tests.twin.batching import an_item, asked, created, kinds, results, some_items, told
from tests.twin.builders import (
    EPOCH_S,
    WoundClock,
    a_call,
    a_model,
    a_twin,
    in_virtual_time,
    json_of,
    text_block,
)

BETA = {
    "x-api-key": "sk-ant-admin-1",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "analytics-usage-cost-2026-08-24",
}


def cached(ttl: str = "5m", chars: int = 6_000, fill: str = "policy ") -> dict[str, Any]:
    return {"system": [text_block(chars, ttl=ttl, fill=fill)]}


def usage_of(result: dict[str, Any]) -> dict[str, Any]:
    usage: dict[str, Any] = result["message"]["usage"]
    return usage


def tokens_of(result: dict[str, Any]) -> Tokens:
    usage = usage_of(result)
    return Tokens(
        usage["input_tokens"],
        usage["cache_creation"]["ephemeral_5m_input_tokens"],
        usage["cache_creation"]["ephemeral_1h_input_tokens"],
        usage["cache_read_input_tokens"],
        usage["output_tokens"],
    )


def reads_and_writes(found: dict[str, dict[str, Any]]) -> tuple[int, int]:
    """How many requests read from the cache, and how many wrote to it."""
    usages = [usage_of(result) for result in found.values()]
    return (
        sum(usage["cache_read_input_tokens"] > 0 for usage in usages),
        sum(usage["cache_creation_input_tokens"] > 0 for usage in usages),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        cached("1h"),
        {"model": "claude-haiku-5-5", "messages": [{"role": "user", "content": "x" * 400_000}]},
        {"model": "claude-haiku-4-5"},
        {"inference_geo": "us"},
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]},
    ],
    ids=["plain", "cache", "band", "haiku-4.5", "geo", "search"],
)
async def test_every_answer_has_one_line_at_half_the_price_to_the_nano_dollar(
    changes: dict[str, Any],
) -> None:
    twin = a_twin()
    batch_id = await created(twin, some_items(5, **changes))
    found = await results(twin, batch_id)
    lines = {line.client_request_id: line for line in twin.invoice().lines}

    assert len(twin.invoice().lines) == len(lines) == 5
    for custom_id, result in found.items():
        line, tokens = lines[custom_id], tokens_of(result)
        assert line.request_id == result["message"]["id"]
        assert (line.tokens.prompt, line.tokens.output) == (tokens.prompt, tokens.output)
        searches = usage_of(result).get("server_tool_use", {}).get("web_search_requests", 0)
        full = price_of(a_model(line.model), tokens.prompt, EPOCH_S).of(tokens)
        exact = full / 2 * (1.1 if changes.get("inference_geo") == "us" else 1)
        assert line.cost_nanousd - searches * SEARCH_NANOUSD == pytest.approx(exact, abs=0.51)
        assert line.about.service_tier == usage_of(result)["service_tier"] == "batch"
    assert twin.batches()[0].cost_nanousd == twin.invoice().total_nanousd


async def test_half_of_an_odd_number_of_nano_dollars_rounds_to_even() -> None:
    twin = a_twin()
    item = an_item("odd", model="claude-haiku-5-5", system=[text_block(3_003, ttl="5m")], max_tokens=1)
    found = await results(twin, await created(twin, [item]))
    tokens = tokens_of(found["odd"])
    full = price_of(a_model("claude-haiku-5-5"), tokens.prompt, EPOCH_S).of(tokens)

    assert full % 2 == 1, "choose another length: nothing has to be rounded"
    assert twin.invoice().total_nanousd == full // 2 + (full // 2) % 2


async def test_reading_results_again_bills_nothing_more() -> None:
    twin = a_twin()
    batch_id = await created(twin, some_items(10))
    await results(twin, batch_id)
    first = twin.invoice().total_nanousd
    await results(twin, batch_id)
    assert (twin.invoice().total_nanousd, len(twin.invoice().lines)) == (first, 10)


async def test_what_is_billed_appears_when_its_wave_ends_though_nobody_asks_for_results() -> None:
    twin = a_twin(clock := WoundClock(), batch_item_s=10.0, batch_concurrency=4, latency_sigma=0.0)
    await created(twin, some_items(10))
    billed = []
    for _ in range(4):
        billed.append(len(twin.invoice().lines))
        clock.advance(10)
    assert billed == [0, 4, 8, 10]


async def test_requests_of_one_wave_with_a_cold_prefix_all_write_and_later_waves_read() -> None:
    twin = a_twin(clock := WoundClock(), batch_item_s=10.0, batch_concurrency=4, latency_sigma=0.0)
    batch_id = await created(twin, some_items(10, **cached()))
    clock.advance(100)
    found = await results(twin, batch_id)

    wrote = {name for name, result in found.items() if usage_of(result)["cache_creation_input_tokens"]}
    assert wrote == {"job-0", "job-1", "job-2", "job-3"}
    assert reads_and_writes(found) == (6, 4)
    assert (twin.batches()[0].cache_writes, twin.batches()[0].cache_reads) == (4, 6)


async def test_waves_that_take_no_time_read_what_earlier_ones_wrote() -> None:
    twin = a_twin(batch_concurrency=4)
    found = await results(twin, await created(twin, some_items(10, **cached())))
    assert reads_and_writes(found) == (6, 4)


@pytest.mark.parametrize(("ttl", "after_s", "reads"), [("5m", 200, 1), ("5m", 400, 0), ("1h", 400, 1)])
async def test_a_later_batch_reads_until_the_time_to_live_is_over(
    ttl: str, after_s: float, reads: int
) -> None:
    twin = a_twin(clock := WoundClock())
    await results(twin, await created(twin, [an_item("first", **cached(ttl))]))
    clock.advance(after_s)
    found = await results(twin, await created(twin, [an_item("second", **cached(ttl))]))
    assert reads_and_writes(found) == (reads, 1 - reads)


async def test_writes_are_told_by_the_time_to_live_that_was_asked_for() -> None:
    twin = a_twin(batch_concurrency=2)
    items = [an_item("short", **cached("5m")), an_item("long", **cached("1h", fill="guide "))]
    found = await results(twin, await created(twin, items))
    written = {name: usage_of(result)["cache_creation"] for name, result in found.items()}

    assert written["short"]["ephemeral_5m_input_tokens"] > 0 == written["short"]["ephemeral_1h_input_tokens"]
    assert written["long"]["ephemeral_1h_input_tokens"] > 0 == written["long"]["ephemeral_5m_input_tokens"]


async def test_a_prefix_below_the_minimum_is_not_cached() -> None:
    twin = a_twin(batch_concurrency=1)
    found = await results(twin, await created(twin, some_items(3, **cached(chars=500))))
    assert reads_and_writes(found) == (0, 0)


async def test_batches_and_message_calls_do_not_share_a_cache() -> None:
    twin = a_twin()
    alone = json_of(await twin.handle(a_call(**cached())))["usage"]
    found = await results(twin, await created(twin, [an_item("one", **cached())]))
    again = json_of(await twin.handle(a_call(**cached())))["usage"]

    assert alone["cache_creation_input_tokens"] > 0
    assert reads_and_writes(found) == (0, 1)
    assert again["cache_read_input_tokens"] > 0
    assert twin.stats().cache_writes == 1


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
async def test_a_share_of_the_look_ups_finds_what_is_there(share: float) -> None:
    twin = a_twin(batch_cache_hit_share=share, batch_concurrency=1)
    found = await results(twin, await created(twin, some_items(300, **cached())))
    reads, writes = reads_and_writes(found)

    assert reads + writes == 300
    assert reads == pytest.approx(299 * share, abs=25 if 0 < share < 1 else 0)


async def test_only_answers_are_billed() -> None:
    twin = a_twin(clock := WoundClock(), batch_item_s=50_000.0, batch_concurrency=2, latency_sigma=0.0)
    batch_id = await created(twin, [an_item("a"), an_item("wrong", stream=True), an_item("late")])
    clock.advance(90_000)
    assert kinds(await results(twin, batch_id)) == {"succeeded": 1, "errored": 1, "expired": 1}
    assert [line.client_request_id for line in twin.invoice().lines] == ["a"]


async def test_an_expired_wave_leaves_nothing_in_the_cache() -> None:
    faults = parse_faults([{"kind": "batch_late", "calls": [1, 1], "for_s": 86_390}])
    twin = a_twin(clock := WoundClock(), faults=faults, batch_item_s=20.0, latency_sigma=0.0)
    late = await created(twin, [an_item("never", **cached("1h"))])
    clock.advance(86_405)
    second = await created(twin, [an_item("second", **cached("1h"))])
    clock.advance(30)

    assert kinds(await results(twin, late)) == {"expired": 1}
    assert reads_and_writes(await results(twin, second)) == (0, 1)


async def test_a_batch_is_refused_when_the_money_is_spent_and_one_that_runs_goes_on() -> None:
    twin = a_twin(clock := WoundClock(), spend_cap_nanousd=1_000_000, batch_item_s=10.0, latency_sigma=0.0)
    batch_id = await created(twin, some_items(150))
    clock.advance(10)
    refused = await asked(twin, "POST", "", {"requests": some_items(1)})

    assert twin.invoice().total_nanousd >= 1_000_000
    assert refused.status == 429
    assert json_of(refused)["error"]["details"]["error_code"] == "enforced_spend_limit_reached"
    clock.advance(10)
    assert (await told(twin, batch_id))["request_counts"]["succeeded"] == 150


async def test_reports_have_batches_under_their_own_tier() -> None:
    twin = a_twin(clock := WoundClock())
    await twin.handle(a_call())
    found = await results(twin, await created(twin, some_items(4, **cached())))
    clock.advance(3_600)
    start, end = "2026-11-18T00:00:00Z", "2026-11-20T00:00:00Z"
    query = f"starting_at={start}&ending_at={end}&group_by[]=service_tier"

    async def report(path: str) -> Any:
        call = a_call(f"/v1/organizations/{path}?{query}", method="GET", headers=BETA)
        answer = await twin.handle(call)
        assert answer.status == 200, answer.body
        return json_of(answer)["data"]

    usage = {row["group"]["service_tier"]: row["usage"] for row in await report("analytics/usage")}
    cost = {row["group"]["service_tier"]: row["cost"]["amount"] for row in await report("analytics/cost")}
    legacy = {
        row["service_tier"]: row
        for bucket in await report("usage_report/messages")
        for row in bucket["results"]
    }
    output = sum(usage_of(result)["output_tokens"] for result in found.values())

    assert usage["batch"]["requests"] == 4
    assert usage["batch"]["output_tokens"] == legacy["batch"]["output_tokens"] == output
    billed = sum(line.cost_nanousd for line in twin.invoice().lines if line.about.service_tier == "batch")
    assert float(cost["batch"]) == pytest.approx(billed / 10_000_000, abs=1e-5)
    assert set(usage) == set(cost) == set(legacy) == {"batch", "standard"}


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    concurrency=st.integers(1, 20),
    hits=st.sampled_from([0.0, 0.5, 1.0]),
    cancel_after_s=st.none() | st.floats(0, 60),
    seed=st.integers(0, 1_000),
)
def test_the_invoice_is_the_sum_of_the_results_whatever_happens(
    sizes: list[int], concurrency: int, hits: float, cancel_after_s: float | None, seed: int
) -> None:
    twin_settings = TwinSettings(
        seed=seed,
        batch_item_s=7.0,
        batch_concurrency=concurrency,
        batch_cache_hit_share=hits,
        epoch_s=EPOCH_S,
    )

    async def work(loop: Any) -> None:
        twin = Twin(twin_settings)
        ids = [await created(twin, some_items(size, **cached())) for size in sizes]
        if cancel_after_s is not None:
            await asyncio.sleep(cancel_after_s)
            await asked(twin, "POST", f"/{ids[0]}/cancel")
        await asyncio.sleep(86_400)
        price = price_of(a_model(), 1_000, EPOCH_S)
        due, answered = 0, 0
        for batch_id, size in zip(ids, sizes, strict=True):
            found = await results(twin, batch_id)
            assert len(found) == size
            succeeded = [result for result in found.values() if result["type"] == "succeeded"]
            answered += len(succeeded)
            due += sum(price.of(tokens_of(result)) for result in succeeded)
        assert len(twin.invoice().lines) == answered
        assert twin.invoice().total_nanousd == pytest.approx(due / 2, abs=answered / 2 + 0.01)
        assert sum(view.cost_nanousd for view in twin.batches()) == twin.invoice().total_nanousd

    in_virtual_time(work)

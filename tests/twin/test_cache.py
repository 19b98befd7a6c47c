from __future__ import annotations

from typing import Any

import pytest

from claudeflow.twin.billing import Tokens
from claudeflow.twin.cache import CachePlan, PromptCache
from claudeflow.twin.engine import Twin
from claudeflow.twin.errors import ApiError
from claudeflow.twin.models import MODELS
from claudeflow.twin.prefix import read_prefix
from claudeflow.twin.tokens import chars_per_token
from tests.twin.builders import WoundClock, a_body, a_call, a_model, a_twin, json_of, text_block

ENOUGH_CHARS = 4_000
EPHEMERAL = {"type": "ephemeral"}


def planned(cache: PromptCache, now: float, workspace: str = "", **changes: Any) -> CachePlan:
    """What the cache says to a request, whose response begins at once."""
    body = a_body(**changes)
    model = a_model(body["model"])
    plan = cache.plan(read_prefix(body, model, workspace), model, now)
    cache.begin(plan)
    return plan


def counted(plan: CachePlan) -> tuple[bool, bool, bool]:
    return plan.tokens.write_5m > 0, plan.tokens.write_1h > 0, plan.tokens.read > 0


def test_the_first_request_writes_and_the_second_reads_the_same_tokens() -> None:
    cache, system = PromptCache(), [text_block(ENOUGH_CHARS, ttl="5m")]
    first, second = planned(cache, 0.0, system=system), planned(cache, 1.0, system=system)

    assert first.tokens.write_5m == second.tokens.read > 0
    assert first.tokens.input == second.tokens.input > 0
    assert second.tokens.write_5m == 0
    assert second.charged_input == second.tokens.input


def test_the_schema_of_the_answer_is_written_and_read_with_the_prefix_that_it_begins() -> None:
    schema = {"type": "object", "properties": {"label": {"enum": ["x" * 900]}}, "additionalProperties": False}
    output = {"format": {"type": "json_schema", "schema": schema}}
    cache, system = PromptCache(), [text_block(ENOUGH_CHARS, ttl="5m")]
    plain = planned(cache, 0.0, system=system)
    first, second = (planned(cache, at_s, system=system, output_config=output) for at_s in (1.0, 2.0))

    assert first.tokens.input == second.tokens.input == plain.tokens.input
    assert first.tokens.write_5m == second.tokens.read >= plain.tokens.write_5m + 900 / 3.6


def test_without_a_breakpoint_nothing_is_cached() -> None:
    plan = planned(PromptCache(), 0.0, system=[text_block(ENOUGH_CHARS)])
    assert plan.tokens == Tokens(input=plan.tokens.input)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_a_prefix_below_the_models_minimum_is_silently_not_cached(model: Any) -> None:
    chars = int(model.cache_minimum_tokens * chars_per_token(model))
    short, long = text_block(chars - 10, ttl="5m"), text_block(chars + 10, ttl="5m")

    assert planned(PromptCache(), 0.0, model=model.id, system=[short]).tokens.write_5m == 0
    assert (
        planned(PromptCache(), 0.0, model=model.id, system=[long]).tokens.write_5m
        >= model.cache_minimum_tokens
    )


@pytest.mark.parametrize(("ttl", "seconds"), [("5m", 300.0), ("1h", 3_600.0)])
def test_a_prefix_lives_for_its_ttl_from_the_start_of_the_request_that_wrote_it(
    ttl: str, seconds: float
) -> None:
    system = [text_block(ENOUGH_CHARS, ttl=ttl)]
    cache = PromptCache()
    planned(cache, 0.0, system=system)
    assert planned(cache, seconds - 0.1, system=system).tokens.read > 0

    cold = PromptCache()
    planned(cold, 0.0, system=system)
    assert planned(cold, seconds, system=system).tokens.read == 0


def test_each_hit_gives_a_prefix_its_full_time_again() -> None:
    cache, system = PromptCache(), [text_block(ENOUGH_CHARS, ttl="5m")]
    for now in (0.0, 299.0, 598.0, 897.0):
        plan = planned(cache, now, system=system)
    assert plan.tokens.read > 0


def test_a_prefix_is_readable_only_once_the_writers_response_begins() -> None:
    cache, body = PromptCache(), a_body(system=[text_block(ENOUGH_CHARS, ttl="5m")])
    prefix, model = read_prefix(body, a_model(), ""), a_model()
    writers = [cache.plan(prefix, model, 0.0) for _ in range(3)]
    assert all(plan.tokens.write_5m > 0 for plan in writers)

    cache.begin(writers[0])

    assert cache.plan(prefix, model, 0.0).tokens.read == writers[0].tokens.write_5m


@pytest.mark.parametrize(("gap", "hit"), [(19, True), (20, False)])
def test_a_breakpoint_looks_back_over_twenty_positions_itself_included(gap: int, hit: bool) -> None:
    cache = PromptCache()
    start = text_block(ENOUGH_CHARS, ttl="5m")
    planned(cache, 0.0, system=[start])
    between = [text_block(40, fill=f"part {number} ") for number in range(gap - 1)]
    unmarked = {key: value for key, value in start.items() if key != "cache_control"}

    plan = planned(cache, 1.0, system=[unmarked, *between, text_block(40, ttl="5m", fill="last ")])

    assert (plan.tokens.read > 0) is hit


def test_one_hour_breakpoints_are_written_before_five_minute_ones_and_split() -> None:
    cache = PromptCache()
    hour, minutes = text_block(ENOUGH_CHARS, ttl="1h"), text_block(ENOUGH_CHARS, ttl="5m", fill="ticket ")
    planned(cache, 0.0, system=[hour])
    longer = text_block(ENOUGH_CHARS, ttl="1h", fill="manual ")

    plan = planned(cache, 1.0, system=[hour, longer, minutes])

    assert counted(plan) == (True, True, True)
    assert plan.tokens.read == pytest.approx(ENOUGH_CHARS / chars_per_token(a_model()), abs=1)
    assert plan.tokens.write_1h == pytest.approx(plan.tokens.read, abs=1)
    assert plan.tokens.write_5m == pytest.approx(plan.tokens.read, abs=1)


@pytest.mark.parametrize(
    ("changes", "hit"),
    [
        ({}, True),
        ({"messages": [{"role": "user", "content": "another question"}]}, True),
        ({"model": "claude-opus-4-8"}, False),
        ({"workspace": "wrkspc_2"}, False),
        ({"tools": [{"name": "look", "input_schema": {"type": "object"}}]}, False),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}}}, False),
        ({"speed": "fast"}, False),
        ({"output_config": {"effort": "low"}}, True),
        ({"tool_choice": {"type": "none"}}, True),
    ],
)
def test_what_loses_a_cached_system_prompt(changes: dict[str, Any], hit: bool) -> None:
    cache, system = PromptCache(), [text_block(ENOUGH_CHARS, ttl="5m")]
    planned(cache, 0.0, system=system)
    assert (planned(cache, 1.0, system=system, **changes).tokens.read > 0) is hit


@pytest.mark.parametrize(
    ("changes", "hit"),
    [
        ({"output_config": {"effort": "high"}}, True),
        ({"output_config": {"effort": "low"}}, False),
        ({"thinking": {"type": "adaptive"}}, False),
        ({"tool_choice": {"type": "none"}}, False),
    ],
)
def test_what_loses_cached_messages(changes: dict[str, Any], hit: bool) -> None:
    cache = PromptCache()
    messages = [{"role": "user", "content": [text_block(ENOUGH_CHARS, ttl="5m")]}]
    planned(cache, 0.0, messages=messages)
    assert (planned(cache, 1.0, messages=messages, **changes).tokens.read > 0) is hit


def test_automatic_caching_marks_the_last_block() -> None:
    cache = PromptCache()
    first = [{"role": "user", "content": [text_block(ENOUGH_CHARS)]}]
    planned(cache, 0.0, messages=first, cache_control=EPHEMERAL)
    longer = [*first, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "And now?"}]

    assert planned(cache, 1.0, messages=longer, cache_control=EPHEMERAL).tokens.read > 0


def refused(**changes: Any) -> str:
    with pytest.raises(ApiError) as caught:
        read_prefix(a_body(**changes), a_model(), "")
    assert caught.value.status == 400
    return caught.value.message


def test_breakpoints_that_the_api_rejects() -> None:
    marked, hour = text_block(10, ttl="5m"), text_block(10, ttl="1h")

    assert "maximum of 4" in refused(system=[marked] * 5)
    assert "must not come after" in refused(system=[marked, hour])
    assert "4 explicit" in refused(system=[marked] * 4, cache_control=EPHEMERAL)
    assert "another ttl" in refused(
        messages=[{"role": "user", "content": [hour]}], cache_control={"type": "ephemeral", "ttl": "5m"}
    )
    assert "ttl" in refused(system=[text_block(10, ttl="2h")])


async def usage_after(twin: Twin, **changes: Any) -> dict[str, Any]:
    usage: dict[str, Any] = json_of(await twin.handle(a_call(**changes)))["usage"]
    return usage


async def test_prewarming_writes_the_prefix_and_says_nothing() -> None:
    twin, system = a_twin(), [text_block(ENOUGH_CHARS, ttl="1h")]
    answer = json_of(await twin.handle(a_call(system=system, max_tokens=0)))
    usage = await usage_after(twin, system=system)

    assert (answer["content"], answer["stop_reason"], answer["usage"]["output_tokens"]) == (
        [],
        "max_tokens",
        0,
    )
    assert (
        answer["usage"]["cache_creation"]["ephemeral_1h_input_tokens"] == usage["cache_read_input_tokens"] > 0
    )


async def test_reads_do_not_draw_on_the_input_limit() -> None:
    clock = WoundClock()
    twin, system = a_twin(clock), [text_block(40_000, ttl="5m")]
    await twin.handle(a_call(system=system))
    clock.advance(60)
    await twin.handle(a_call(system=system))

    level = twin.stats().pools["opus-5"].input_tokens.level
    assert level == 2_000_000 - twin.invoice().lines[1].tokens.input


async def test_parallel_first_requests_all_write() -> None:
    import asyncio

    twin, system = a_twin(ttft_s=1.0), [text_block(ENOUGH_CHARS, ttl="5m")]
    await asyncio.gather(*(twin.handle(a_call(system=system)) for _ in range(5)))

    assert all(line.tokens.write_5m > 0 for line in twin.invoice().lines)


def test_a_prefix_that_two_write_at_once_is_noted_as_needless_and_one_that_had_expired_is_not() -> None:
    cache, model = PromptCache(), a_model(a_body()["model"])
    prefix = read_prefix(a_body(system=[text_block(ENOUGH_CHARS, ttl="5m")]), model, "")
    together = [cache.plan(prefix, model, 0.0), cache.plan(prefix, model, 1.0)]
    for plan in together:
        cache.begin(plan)
    cache.begin(cache.plan(prefix, model, 302.0))
    assert [(write.at_s, write.was_live) for write in cache.written] == [
        (0.0, False),
        (1.0, True),
        (302.0, False),
    ]
    assert len({write.prefix for write in cache.written}) == 1

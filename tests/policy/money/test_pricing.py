"""Bills, to the nano-dollar, from the price list that ships with claudeflow."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from claudeflow.domain.usage import Bill, Usage
from claudeflow.policy.money.price_list import read_price_list
from claudeflow.policy.money.pricing import UnknownModel

ROOT = Path(__file__).parents[3]
SHIPPED = tomllib.loads((ROOT / "claudeflow" / "prices.toml").read_text())
TABLE = read_price_list(SHIPPED)
RECORDINGS = ROOT / "tests" / "claude" / "recordings"


def at(day: str) -> int:
    """Midnight UTC of a day, in epoch milliseconds."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1_000)


TODAY = at("2026-11-22")

# 1,000 uncached, 2,000 written for 5 m, 3,000 written for 1 h, 40,000 read, 500 written by the model.
MIXED = Usage(
    input_tokens=1_000,
    cache_write_5m_tokens=2_000,
    cache_write_1h_tokens=3_000,
    cache_read_tokens=40_000,
    output_tokens=500,
)

# By hand: each part is tokens times USD per million, which makes thousands of nano-dollars.
BY_HAND = {
    "claude-fable-5-2": 8_000 + 20_000 + 48_000 + 8_000 + 20_000,
    "claude-mythos-5-2": 8_000 + 20_000 + 48_000 + 8_000 + 20_000,
    "claude-fable-5-1": 10_000 + 25_000 + 60_000 + 10_000 + 25_000,
    "claude-mythos-5-1": 10_000 + 25_000 + 60_000 + 10_000 + 25_000,
    "claude-fable-5": 10_000 + 25_000 + 60_000 + 40_000 + 25_000,
    "claude-mythos-5": 10_000 + 25_000 + 60_000 + 40_000 + 25_000,
    "claude-opus-5-5": 4_000 + 10_000 + 24_000 + 8_000 + 10_000,
    "claude-opus-5": 5_000 + 12_500 + 30_000 + 20_000 + 12_500,
    "claude-opus-4-8": 5_000 + 12_500 + 30_000 + 20_000 + 12_500,
    "claude-opus-4-7": 5_000 + 12_500 + 30_000 + 20_000 + 12_500,
    "claude-opus-4-6": 5_000 + 12_500 + 30_000 + 20_000 + 12_500,
    "claude-opus-4-5": 5_000 + 12_500 + 30_000 + 20_000 + 12_500,
    "claude-opus-4-5-20251101": 5_000 + 12_500 + 30_000 + 20_000 + 12_500,
    "claude-sonnet-5-5": 2_000 + 5_000 + 12_000 + 4_000 + 5_000,
    "claude-sonnet-5": 2_000 + 5_000 + 12_000 + 8_000 + 5_000,
    "claude-sonnet-4-6": 3_000 + 7_500 + 18_000 + 12_000 + 7_500,
    "claude-sonnet-4-5": 3_000 + 7_500 + 18_000 + 12_000 + 7_500,
    "claude-sonnet-4-5-20250929": 3_000 + 7_500 + 18_000 + 12_000 + 7_500,
    "claude-haiku-5-5": 100 + 250 + 600 + 400 + 250,
    "claude-haiku-4-5": 1_000 + 2_500 + 6_000 + 4_000 + 2_500,
    "claude-haiku-4-5-20251001": 1_000 + 2_500 + 6_000 + 4_000 + 2_500,
}


def cost(model: str, usage: Usage, at_ms: int = TODAY, *, batch: bool = False) -> int:
    return TABLE.bill(model, usage, at_ms, batch=batch).cost_nanousd


@pytest.mark.parametrize(("model", "expected"), BY_HAND.items())
def test_a_mixed_call_costs_what_the_published_prices_say(model: str, expected: int) -> None:
    assert cost(model, MIXED) == expected * 1_000
    assert cost(model, MIXED, batch=True) == expected * 500
    assert cost(model, replace(MIXED, service_tier="batch")) == expected * 500
    assert cost(model, replace(MIXED, inference_geo="us")) == expected * 1_100
    assert cost(model, replace(MIXED, inference_geo="global")) == expected * 1_000


def test_every_model_of_the_list_was_computed_by_hand() -> None:
    names = {name for model in TABLE.models.values() for name in (model.id, *model.aliases)}
    assert names == set(BY_HAND)


def test_without_caching_all_of_the_prompt_costs_the_input_price() -> None:
    assert TABLE.bill("claude-opus-5-5", MIXED, TODAY) == Bill(
        56_000_000, 194_000_000, 56_000_000, 194_000_000
    )


def test_the_larger_band_applies_to_the_whole_call_its_output_included() -> None:
    at_the_edge = Usage(input_tokens=1, cache_read_tokens=99_999, output_tokens=1_000)
    above = replace(at_the_edge, input_tokens=2)
    assert cost("claude-haiku-5-5", at_the_edge) == 1 * 100 + 99_999 * 10 + 1_000 * 500
    assert cost("claude-haiku-5-5", above) == 2 * 500 + 99_999 * 50 + 1_000 * 2_500
    assert TABLE.bill("claude-haiku-5-5", above, TODAY).uncached_nanousd == 100_001 * 500 + 1_000 * 2_500


@pytest.mark.parametrize(
    ("model", "fast_input", "read", "fast_output"),
    [
        ("claude-opus-5-5", 8, "0.4", 40),
        ("claude-opus-5", 10, "1", 50),
        ("claude-opus-4-8", 10, "1", 50),
        ("claude-fable-5-2", 16, "0.4", 80),
    ],
)
def test_cache_multipliers_apply_on_top_of_the_fast_price(
    model: str, fast_input: int, read: str, fast_output: int
) -> None:
    written = 2_000 * fast_input * Fraction("1.25") + 3_000 * fast_input * 2
    expected = 1_000 * fast_input + written + 40_000 * Fraction(read) + 500 * fast_output
    assert cost(model, replace(MIXED, speed="fast")) == expected * 1_000


def test_a_speed_without_a_price_is_never_free() -> None:
    with pytest.raises(UnknownModel, match="fast"):
        TABLE.bill("claude-haiku-4-5", replace(MIXED, speed="fast"), TODAY)


def test_a_web_search_costs_a_cent_whatever_else_applies() -> None:
    searched = Usage(web_searches=3, inference_geo="us")
    assert cost("claude-haiku-4-5", searched, batch=True) == 30_000_000
    assert TABLE.bill("claude-haiku-4-5", searched, TODAY).uncached_nanousd == 30_000_000


def test_a_price_counts_from_midnight_utc_of_its_day() -> None:
    read = Usage(cache_read_tokens=1_000)
    change = at("2026-10-07")
    assert cost("claude-sonnet-5-5", read, change - 1) == 200_000
    assert cost("claude-sonnet-5-5", read, change) == 100_000
    assert cost("claude-sonnet-5-5", read, 0) == 200_000


def test_one_rounding_at_the_end_and_a_half_goes_to_the_even() -> None:
    # 10 nano-dollars a read token: a batch in the US makes 5.5 of each.
    def read(tokens: int) -> int:
        return cost("claude-haiku-5-5", Usage(cache_read_tokens=tokens, inference_geo="us"), batch=True)

    assert [read(tokens) for tokens in (1, 2, 3, 4)] == [6, 11, 16, 22]


def test_an_unknown_model_is_an_error_and_its_own_pool() -> None:
    with pytest.raises(UnknownModel, match="gpt-oss"):
        TABLE.bill("gpt-oss", MIXED, TODAY)
    assert TABLE.pool_of("gpt-oss") == "gpt-oss"


def test_models_that_share_limits_share_a_pool() -> None:
    assert {TABLE.pool_of(f"claude-opus-4-{minor}") for minor in (5, 6, 7, 8)} == {"opus-4.x"}
    assert TABLE.pool_of("claude-opus-4-5-20251101") == "opus-4.x"
    assert TABLE.pool_of("claude-sonnet-4-5") == TABLE.pool_of("claude-sonnet-4-6")
    assert TABLE.pool_of("claude-opus-5") != TABLE.pool_of("claude-opus-5-5")


def test_what_is_not_certain_is_noted() -> None:
    assert "provisional" in TABLE.find("claude-fable-5-2").note
    assert TABLE.find("claude-opus-5-5").note == ""


def test_decimals_from_toml_are_exact_however_they_were_parsed() -> None:
    text = (ROOT / "claudeflow" / "prices.toml").read_text()
    assert read_price_list(tomllib.loads(text, parse_float=Decimal)).models == TABLE.models
    with pytest.raises(ValueError, match="must be USD"):
        read_price_list(tomllib.loads(text, parse_float=str))


def test_the_usage_of_a_recorded_answer_is_billed() -> None:
    recording = json.loads((RECORDINGS / "sdk-rate-limited.json").read_text())
    usage = recording[2]["response"]["body"]["usage"]
    spent = Usage(input_tokens=usage["input_tokens"], output_tokens=usage["output_tokens"])
    expected = usage["input_tokens"] * 3_000 + usage["output_tokens"] * 15_000
    assert cost("claude-sonnet-4-5-20250929", spent, at("2026-01-01")) == expected > 0


PRICE = {
    "effective_from": date(2026, 1, 1),
    "input": 1,
    "write_5m": 1.25,
    "write_1h": 2,
    "read": 0.1,
    "output": 5,
}
MODEL = {
    "id": "m",
    "pool": "p",
    "cache_minimum_tokens": 1,
    "context_tokens": 2,
    "max_output_tokens": 3,
    "price": [PRICE],
}


def mistakes(*models: Any) -> list[str]:
    with pytest.raises(ValueError, match=r"\S") as caught:
        read_price_list({"model": list(models)})
    return str(caught.value).splitlines()


def test_a_complete_row_is_accepted() -> None:
    assert read_price_list({"model": [MODEL]}).find("m").pool == "p"


def test_every_mistake_is_named_at_once() -> None:
    broken = {**MODEL, "pool": "", "context_tokens": "many", "price": [{**PRICE, "input": -1, "outptu": 5}]}
    found = mistakes(broken, MODEL)
    assert found == [
        "model[0] (m).pool: must be a text, not ''",
        "model[0] (m).context_tokens: must be a whole number above 0, not 'many'",
        "model[0] (m).price[0].outptu: is no known key",
        "model[0] (m).price[0].input: must be USD per million tokens with at most 6 decimals, not -1",
        "model[1] (m): m is already in the list",
    ]


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        ({"price": []}, "at least one"),
        ({"price": [7]}, "must be a table"),
        ({"price": [PRICE, PRICE]}, "two prices begin on the same day"),
        ({"price": [{**PRICE, "effective_from": "2026-01-01"}]}, "must be a date"),
        ({"price": [{**PRICE, "effective_from": datetime(2026, 1, 1, tzinfo=UTC)}]}, "must be a date"),
        ({"price": [{**PRICE, "input": 0.0000001}]}, "at most 6 decimals"),
        ({"price": [{**PRICE, "input": float("nan")}]}, "at most 6 decimals"),
        ({"price": [{**PRICE, "input": float("inf")}]}, "at most 6 decimals"),
        ({"price": [{**PRICE, "input": True}]}, "at most 6 decimals"),
        ({"price": [{**PRICE, "fast_input": 2}]}, "fast_output"),
        ({"price": [{**PRICE, "input": 3, "fast_input": 1, "fast_output": 1}]}, "finer than"),
        ({"price": [{**PRICE, "above": {"prompt_tokens": 0}}]}, "above.prompt_tokens"),
        ({"price": [{**PRICE, "above": 5}]}, "must be a table"),
        ({"aliases": "m-1"}, "must be a list"),
        ({"aliases": ["m"]}, "already in the list"),
        ({"note": 7}, "must be a text"),
        ({"colour": "red"}, "is no known key"),
        ({"id": None}, "must be a text"),
    ],
)
def test_a_mistake_in_the_list_is_named(change: dict[str, Any], mistake: str) -> None:
    assert any(mistake in line for line in mistakes({**MODEL, **change}))


@pytest.mark.parametrize("data", [{}, {"model": []}, {"model": "x"}])
def test_a_list_without_models_is_a_mistake(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        read_price_list(data)

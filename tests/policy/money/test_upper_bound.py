"""The most that a call can cost: never less than its bill, whatever the API reports for it."""

from __future__ import annotations

import tomllib
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeflow.domain.usage import Terms, Usage
from claudeflow.policy.money.price_list import read_price_list
from claudeflow.policy.money.pricing import PriceTable, UnknownModel
from claudeflow.policy.money.upper_bound import DEAREST_CALL_NANOUSD, SERVER_ROUNDS, Asked, upper_bound

TABLE = read_price_list(tomllib.loads((Path(__file__).parents[3] / "claudeflow" / "prices.toml").read_text()))
OPUS = "claude-opus-5-5"
HAIKU = "claude-haiku-5-5"


def at(day: str) -> int:
    """Midnight UTC of a day, in epoch milliseconds."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1_000)


TODAY = at("2026-11-22")


def has_fast_mode(model: str) -> bool:
    return TABLE.find(model).prices[-1].fast is not None


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, Asked, Usage]:
    """A request, and a usage that the API may report for it."""
    model = draw(st.sampled_from(sorted(TABLE.models)))
    flags = draw(st.sets(st.sampled_from(list(Terms))))
    if not has_fast_mode(model):
        flags -= {Terms.FAST}
    terms = sum(flags)
    asked = Asked(
        draw(st.one_of(st.integers(0, 300_000), st.just(250_000))),
        draw(st.integers(0, 128_000)),
        draw(st.integers(0, 20)),
        terms,
        draw(st.sampled_from(["none", "5m", "1h"])),
    )
    rounds = SERVER_ROUNDS if terms & Terms.SERVER_TOOLS else 1
    most = min(asked.input_tokens, TABLE.find(model).context_tokens) * rounds
    cut = sorted(draw(st.lists(up_to(most), min_size=3, max_size=3)))
    may_write_1h = asked.writes == "1h" or terms & Terms.MARKS_1H
    may_write_5m = may_write_1h or asked.writes == "5m" or terms & (Terms.MARKS_5M | Terms.SERVER_TOOLS)
    parts: dict[str, Any] = Counter({"input_tokens": cut[0], "cache_read_tokens": cut[1] - cut[0]})
    parts["cache_write_5m_tokens" if may_write_5m else "input_tokens"] += cut[2] - cut[1]
    parts["cache_write_1h_tokens" if may_write_1h else "input_tokens"] += most - cut[2]
    rest: dict[str, Any] = {
        "output_tokens": draw(up_to(asked.max_tokens * rounds)),
        "web_searches": draw(up_to(asked.web_searches)),
        "speed": draw(st.sampled_from(["standard", "fast"] if terms & Terms.FAST else ["standard"])),
        "inference_geo": "global"
        if terms & Terms.ANYWHERE
        else draw(st.sampled_from([None, "us", "global"])),
        "service_tier": draw(st.sampled_from(["standard", "priority", "batch"])),
    }
    return model, asked, Usage(**parts, **rest)


def up_to(most: int) -> st.SearchStrategy[int]:
    """Any number, and often none or all."""
    return st.one_of(st.just(most), st.just(0), st.integers(0, most))


@settings(max_examples=400, deadline=None)
@given(calls(), st.integers(at("2026-01-01"), 2 * TODAY), st.integers(0, 3_600_000))
def test_no_call_costs_more_than_its_upper_bound(
    call: tuple[str, Asked, Usage], opened_ms: int, duration_ms: int
) -> None:
    model, asked, usage = call
    bound = upper_bound(TABLE, model, asked, opened_ms)
    bill = TABLE.bill(model, usage, opened_ms + duration_ms)
    assert 0 <= bill.cost_nanousd <= bound


def bound(asked: Asked, model: str = OPUS, at_ms: int = TODAY) -> int:
    return upper_bound(TABLE, model, asked, at_ms)


def test_without_markers_nothing_can_be_written() -> None:
    assert bound(Asked(1_000, 100)) == (1_000 * 4 + 100 * 20) * 1_100
    assert bound(Asked(1_000, 100, writes="5m")) == (1_000 * 5 + 100 * 20) * 1_100
    assert bound(Asked(1_000, 100, writes="1h")) == (1_000 * 8 + 100 * 20) * 1_100
    assert bound(Asked(1_000, 100, terms=Terms.MARKS_1H)) == bound(Asked(1_000, 100, writes="1h"))


def test_only_who_asks_for_speed_may_be_billed_for_it() -> None:
    assert bound(Asked(1_000, 100, terms=Terms.FAST)) == (1_000 * 8 + 100 * 40) * 1_100
    with pytest.raises(UnknownModel, match="fast mode"):
        bound(Asked(1_000, 100, terms=Terms.FAST), HAIKU)


def test_the_dearer_region_counts_unless_the_request_excludes_it() -> None:
    assert bound(Asked(1_000, 100, terms=Terms.ANYWHERE)) == (1_000 * 4 + 100 * 20) * 1_000


def test_the_dearer_band_counts_when_the_prompt_may_reach_it() -> None:
    assert bound(Asked(100_000, 0), HAIKU) == 100_000 * 110
    assert bound(Asked(100_001, 0), HAIKU) == 100_001 * 550


def priced(*prices: tuple[date, float]) -> PriceTable:
    """A table of one model with these prices for every token but those that are read."""
    rows = [
        {"effective_from": day, "input": usd, "write_5m": usd, "write_1h": usd, "read": 0.0, "output": usd}
        for day, usd in prices
    ]
    model = {
        "id": "x",
        "pool": "x",
        "cache_minimum_tokens": 512,
        "context_tokens": 1_000_000,
        "max_output_tokens": 64_000,
        "price": rows,
    }
    return read_price_list({"model": [model]})


def test_a_price_that_begins_while_the_call_is_under_way_counts() -> None:
    table = priced((date(2026, 1, 1), 1), (date(2026, 11, 23), 2))
    asked = Asked(1_000_000, 0, terms=Terms.ANYWHERE)
    assert upper_bound(table, "x", asked, at("2026-11-21")) == 1_000_000_000
    assert upper_bound(table, "x", asked, at("2026-11-22") + 60_000) == 2_000_000_000


def test_a_part_of_a_nano_dollar_counts_whole() -> None:
    table = priced((date(2026, 1, 1), 0.001))
    assert table.bill("x", Usage(5, inference_geo="us"), TODAY).cost_nanousd == 6
    assert upper_bound(table, "x", Asked(5, 0), TODAY) == 6
    assert upper_bound(table, "x", Asked(1, 0), TODAY) == 2


def test_server_tools_can_bill_the_window_in_every_round() -> None:
    once = bound(Asked(1_000_000, 1_000, terms=Terms.MARKS_5M))
    searching = Asked(1_000_000, 1_000, web_searches=5, terms=Terms.SERVER_TOOLS)
    assert bound(searching) == SERVER_ROUNDS * once + 5 * 10_000_000


def test_no_input_is_larger_than_the_window() -> None:
    window = TABLE.find("claude-haiku-4-5").context_tokens
    assert bound(Asked(1_000_000, 10), "claude-haiku-4-5") == bound(Asked(window, 10), "claude-haiku-4-5")


def test_an_unknown_model_has_no_bound() -> None:
    with pytest.raises(UnknownModel, match="gpt-oss"):
        bound(Asked(1, 1), "gpt-oss")


def test_a_call_that_may_ask_another_model_is_bounded_by_the_dearest_one() -> None:
    terms = Terms.SERVER_TOOLS | Terms.OTHER_MODELS
    alone = Asked(10_000, 1_000, terms=Terms.SERVER_TOOLS)
    dearest = max(upper_bound(TABLE, model, alone, TODAY) for model in TABLE.models)
    assert upper_bound(TABLE, HAIKU, Asked(10_000, 1_000, terms=terms), TODAY) >= 2 * dearest


def test_no_bound_is_beyond_what_can_be_summed_up() -> None:
    found = upper_bound(TABLE, OPUS, Asked(10**6, 10**18, 2**62), TODAY)
    assert found == DEAREST_CALL_NANOUSD

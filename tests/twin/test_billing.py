from __future__ import annotations

from datetime import UTC, datetime

import pytest

from claudeflow.twin.billing import Tokens, cost_nanousd
from claudeflow.twin.models import MODELS
from tests.twin.builders import a_call, a_model, a_twin, json_of

AUTUMN = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
TOKENS = Tokens(input=1_000, write_5m=2_000, write_1h=3_000, read=10_000, output=500)

# By hand: 1,000 input, 2,000 written for 5 minutes, 3,000 for an hour, 10,000 read and 500 output are
# input/1000 + write_5m/500 + write_1h*3/1000 + read/100 + output/2000 of the price of a million.
COSTS_NANOUSD = {
    "claude-fable-5-2": 8_000_000 + 20_000_000 + 48_000_000 + 2_000_000 + 20_000_000,
    "claude-mythos-5-2": 8_000_000 + 20_000_000 + 48_000_000 + 2_000_000 + 20_000_000,
    "claude-fable-5-1": 10_000_000 + 25_000_000 + 60_000_000 + 2_500_000 + 25_000_000,
    "claude-mythos-5-1": 10_000_000 + 25_000_000 + 60_000_000 + 2_500_000 + 25_000_000,
    "claude-fable-5": 10_000_000 + 25_000_000 + 60_000_000 + 10_000_000 + 25_000_000,
    "claude-mythos-5": 10_000_000 + 25_000_000 + 60_000_000 + 10_000_000 + 25_000_000,
    "claude-opus-5-5": 4_000_000 + 10_000_000 + 24_000_000 + 2_000_000 + 10_000_000,
    "claude-opus-5": 5_000_000 + 12_500_000 + 30_000_000 + 5_000_000 + 12_500_000,
    "claude-opus-4-8": 5_000_000 + 12_500_000 + 30_000_000 + 5_000_000 + 12_500_000,
    "claude-opus-4-7": 5_000_000 + 12_500_000 + 30_000_000 + 5_000_000 + 12_500_000,
    "claude-opus-4-6": 5_000_000 + 12_500_000 + 30_000_000 + 5_000_000 + 12_500_000,
    "claude-opus-4-5-20251101": 5_000_000 + 12_500_000 + 30_000_000 + 5_000_000 + 12_500_000,
    "claude-sonnet-5-5": 2_000_000 + 5_000_000 + 12_000_000 + 1_000_000 + 5_000_000,
    "claude-sonnet-5": 2_000_000 + 5_000_000 + 12_000_000 + 2_000_000 + 5_000_000,
    "claude-sonnet-4-6": 3_000_000 + 7_500_000 + 18_000_000 + 3_000_000 + 7_500_000,
    "claude-sonnet-4-5-20250929": 3_000_000 + 7_500_000 + 18_000_000 + 3_000_000 + 7_500_000,
    "claude-haiku-5-5": 100_000 + 250_000 + 600_000 + 100_000 + 250_000,
    "claude-haiku-4-5-20251001": 1_000_000 + 2_500_000 + 6_000_000 + 1_000_000 + 2_500_000,
}


def test_every_model_has_a_price_worked_out_by_hand() -> None:
    assert set(COSTS_NANOUSD) == {model.id for model in MODELS}


@pytest.mark.parametrize(("name", "nanousd"), COSTS_NANOUSD.items())
def test_a_call_costs_what_the_price_list_says(name: str, nanousd: int) -> None:
    assert cost_nanousd(a_model(name), TOKENS, AUTUMN) == nanousd


def test_the_second_band_of_haiku_5_5_holds_for_the_whole_request_and_counts_cached_prompt_too() -> None:
    haiku = a_model("claude-haiku-5-5")
    at_the_edge = Tokens(input=1, read=99_999, output=10)
    beyond = Tokens(input=1, read=100_000, output=10)

    assert cost_nanousd(haiku, at_the_edge, AUTUMN) == 100 + 999_990 + 5_000
    assert cost_nanousd(haiku, beyond, AUTUMN) == 500 + 5_000_000 + 25_000


def test_reads_of_sonnet_5_5_were_twice_as_dear_before_october_7() -> None:
    sonnet, read = a_model("claude-sonnet-5-5"), Tokens(read=1_000_000)
    before = datetime(2026, 10, 6, 23, 59, 59, tzinfo=UTC).timestamp()

    assert cost_nanousd(sonnet, read, before) == 200_000_000
    assert cost_nanousd(sonnet, read, before + 1) == 100_000_000


@pytest.mark.parametrize(
    ("name", "nanousd"),
    [
        ("claude-opus-5-5", 8_000_000 + 20_000_000 + 48_000_000 + 4_000_000 + 20_000_000),
        ("claude-opus-5", 10_000_000 + 25_000_000 + 60_000_000 + 10_000_000 + 25_000_000),
        ("claude-opus-4-8", 10_000_000 + 25_000_000 + 60_000_000 + 10_000_000 + 25_000_000),
        ("claude-fable-5-2", 16_000_000 + 40_000_000 + 96_000_000 + 4_000_000 + 40_000_000),
    ],
)
def test_fast_mode_doubles_the_input_price_and_the_cache_follows(name: str, nanousd: int) -> None:
    assert cost_nanousd(a_model(name), TOKENS, AUTUMN, fast=True) == nanousd


def test_a_batch_is_half_and_us_residency_a_tenth_more_and_both_multiply() -> None:
    opus = a_model("claude-opus-5")

    assert cost_nanousd(opus, TOKENS, AUTUMN, batch=True) == 32_500_000
    assert cost_nanousd(opus, TOKENS, AUTUMN, geo_us=True) == 71_500_000
    assert cost_nanousd(opus, TOKENS, AUTUMN, batch=True, geo_us=True) == 35_750_000


@pytest.mark.parametrize(("written", "nanousd"), [(1, 62), (3, 188), (5, 312)])
def test_half_a_nano_dollar_rounds_to_even(written: int, nanousd: int) -> None:
    assert cost_nanousd(a_model("claude-haiku-5-5"), Tokens(write_5m=written), AUTUMN, batch=True) == nanousd


async def test_the_invoice_has_a_line_for_each_call_with_its_request_id_and_the_clients_marker() -> None:
    twin = a_twin()
    marked = {"x-api-key": "k", "anthropic-version": "2023-06-01", "x-client-request-id": "job-7"}
    answer = await twin.handle(a_call(headers=marked))
    await twin.handle(a_call(model="claude-haiku-4-5"))

    invoice, usage = twin.invoice(), json_of(answer)["usage"]
    line = invoice.lines[0]
    assert (line.client_request_id, line.ending) == ("job-7", "complete")
    assert line.cost_nanousd == usage["input_tokens"] * 5_000 + usage["output_tokens"] * 25_000
    assert invoice.line_of(line.request_id) is line
    assert invoice.total_nanousd == sum(one.cost_nanousd for one in invoice.lines)


async def test_us_residency_shows_in_usage_and_on_the_invoice() -> None:
    twin = a_twin()
    plain = json_of(await twin.handle(a_call()))["usage"]
    american = json_of(await twin.handle(a_call(inference_geo="us")))["usage"]
    tokens = twin.invoice().lines[1].tokens

    assert (plain["inference_geo"], american["inference_geo"]) == ("global", "us")
    assert twin.invoice().lines[1].cost_nanousd * 10 == (tokens.input * 5_000 + tokens.output * 25_000) * 11

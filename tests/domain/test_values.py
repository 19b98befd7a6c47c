"""What the values say of themselves: quota, usage, money, holds, mistakes."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain import attempt, events, hold, job, prompt, quota, report, usage
from claudeflow.domain.errors import ConfigError, InvalidJob, Mistake, QueueFull
from claudeflow.domain.hold import EVERYTHING, WAY_OUT, Hold, HoldCause, Scope, ScopeKind
from claudeflow.domain.money import usd
from claudeflow.domain.quota import Axis, AxisReading, Demand, Reading
from claudeflow.domain.usage import Usage
from claudeflow.domain.words import plural

TOKENS = st.integers(min_value=0, max_value=10**9)


@pytest.mark.parametrize(
    ("axis", "amount"),
    [(Axis.REQUESTS, 1.0), (Axis.INPUT_TOKENS, 20.0), (Axis.OUTPUT_TOKENS, 3.0), (Axis.TOKENS, 23.0)],
)
def test_a_demand_falls_on_every_axis(axis: Axis, amount: float) -> None:
    assert Demand(input_tokens=20.0, output_tokens=3.0).on(axis) == amount


@pytest.mark.parametrize("axis", Axis)
def test_a_reading_tells_of_each_axis_on_its_own(axis: Axis) -> None:
    told = AxisReading(limit=7)
    reading = Reading(**{axis.value: told})
    assert reading.on(axis) is told
    assert all(reading.on(other) is None for other in Axis if other is not axis)


@given(TOKENS, TOKENS, TOKENS, TOKENS)
def test_cache_reads_are_input_that_is_not_charged_to_the_bucket(
    uncached: int, write_5m: int, write_1h: int, read: int
) -> None:
    drawn = Usage(uncached, write_5m, write_1h, read)
    assert drawn.charged_input_tokens == uncached + write_5m + write_1h
    assert drawn.prompt_tokens == drawn.charged_input_tokens + read


@pytest.mark.parametrize(
    ("nanousd", "places", "text"),
    [
        (0, 4, "$0.0000"),
        (12_300_000, 4, "$0.0123"),
        (1_234_567_890_000_000, 2, "$1,234,567.89"),
        (-500_000_000, 2, "-$0.50"),
        (80, 9, "$0.000000080"),
    ],
)
def test_money_reads_as_dollars(nanousd: int, places: int, text: str) -> None:
    assert usd(nanousd, places) == text


def test_every_cause_of_a_hold_has_a_way_out() -> None:
    assert set(WAY_OUT) == set(HoldCause)


def test_a_hold_tells_its_way_out() -> None:
    assert "credit" in Hold(EVERYTHING, HoldCause.CREDIT, "no credit", since_ms=0).way_out


def test_a_scope_reads_as_its_kind_and_its_name() -> None:
    assert (str(EVERYTHING), str(Scope(ScopeKind.MODEL, "claude-x"))) == ("all", "model:claude-x")


def test_a_mistake_names_its_place_when_it_has_one() -> None:
    assert str(Mistake("lane", "is unknown")) == "lane: is unknown"
    assert str(Mistake("", "is no object")) == "is no object"


def test_a_wrong_configuration_names_every_mistake_at_once() -> None:
    problem = ConfigError("a.toml", [Mistake("api.key", "must not be here"), Mistake("lanes", "are missing")])
    assert str(problem).splitlines() == [
        "a.toml: 2 mistakes",
        "  api.key: must not be here",
        "  lanes: are missing",
    ]


def test_an_invalid_job_names_every_mistake_at_once() -> None:
    assert str(InvalidJob([Mistake("a", "x"), Mistake("b", "y")])) == "a: x; b: y"


def test_a_full_lane_says_when_to_come_back() -> None:
    assert QueueFull("full", retry_after_s=30).retry_after_s == 30


def test_values_cannot_be_changed_and_hold_nothing_by_chance() -> None:
    modules = (attempt, events, hold, job, prompt, quota, report, usage)
    values = [
        value
        for module in modules
        for value in vars(module).values()
        if dataclasses.is_dataclass(value) and isinstance(value, type)
    ]
    assert values
    assert [v for v in values if not v.__dataclass_params__.frozen or not hasattr(v, "__slots__")] == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("call",), {0: "0 calls", 1: "1 call", 1_200: "1,200 calls"}),
        (("prefix", "prefixes"), {1: "1 prefix", 2: "2 prefixes"}),
    ],
)
def test_a_number_and_its_noun_agree(words: tuple[str, ...], text: dict[int, str]) -> None:
    assert {number: plural(number, *words) for number in text} == text

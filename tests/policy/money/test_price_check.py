"""What is said about the prices of models in use."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib import resources

import pytest

from claudeflow.policy.money.price_check import check_prices
from claudeflow.policy.money.price_list import read_price_list
from claudeflow.policy.money.pricing import ModelInfo, PriceTable

SHIPPED = read_price_list(tomllib.loads(resources.files("claudeflow").joinpath("prices.toml").read_text()))
HAIKU = SHIPPED.find("claude-haiku-5-5")


def at(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def said(
    *used: str,
    own: tuple[ModelInfo, ...] = (),
    fast: tuple[str, ...] = (),
    today: date = date(2026, 11, 22),
) -> list[tuple[str, str, str]]:
    """Level, model and text of each finding."""
    rows = {**SHIPPED.models, **{model.id: model for model in own}}
    places = {model: ["somewhere"] for model in used}
    fast_places = {model: ["1 fast job waiting"] for model in fast}
    own_ids = [model.id for model in own]
    found = check_prices(PriceTable(rows.values()), SHIPPED, own_ids, places, fast_places, now_ms=at(today))
    return [(finding.level, finding.model, finding.text) for finding in found]


def test_models_with_a_sure_price_need_no_word() -> None:
    assert said("claude-haiku-5-5", "claude-opus-5-5", "claude-sonnet-5") == []


def test_a_missing_price_of_fast_mode_is_an_error_where_fast_mode_is_in_use() -> None:
    text = "has no price in fast mode; in use: 1 fast job waiting"
    assert said("claude-haiku-5-5", fast=("claude-haiku-5-5",)) == [("error", "claude-haiku-5-5", text)]
    with_fast = next(info.id for info in SHIPPED.models.values() if info.prices[-1].fast)
    assert said(with_fast, fast=(with_fast,)) == said(with_fast)


def test_a_model_without_a_price_is_an_error_that_says_where_it_is_in_use() -> None:
    assert said("claude-nix") == [("error", "claude-nix", "has no price; in use: somewhere")]


@pytest.mark.parametrize(
    ("model", "today", "level"),
    [
        ("claude-sonnet-4-5", date(2026, 10, 30), None),
        ("claude-sonnet-4-5", date(2026, 10, 31), "warning"),
        ("claude-sonnet-4-5-20250929", date(2026, 11, 29), "warning"),
        ("claude-sonnet-4-5", date(2026, 11, 30), "error"),
        ("claude-haiku-4-5", date(2026, 11, 22), "warning"),
        ("claude-opus-4-5", date(2026, 10, 24), None),
    ],
)
def test_a_retirement_that_is_near_or_past_is_told(model: str, today: date, level: str | None) -> None:
    assert [found[0] for found in said(model, today=today)] == ([level] if level else [])


def test_a_provisional_price_in_use_is_a_warning() -> None:
    [(level, _, text)] = said("claude-fable-5-2")
    assert level == "warning"
    assert text.startswith("provisional")


def test_a_price_that_only_begins_later_is_a_warning() -> None:
    assert [found[0] for found in said("claude-haiku-5-5", today=date(2026, 10, 1))] == ["warning"]


def test_own_rows_that_repeat_or_override_shipped_ones_are_named() -> None:
    cheaper = replace(HAIKU, prices=(replace(HAIKU.prices[0], fast=HAIKU.prices[0].standard),))
    older = replace(HAIKU, prices=(replace(HAIKU.prices[0], effective_from_ms=0),))
    assert "says what the shipped one says" in said(own=(HAIKU,))[0][2]
    assert said(own=(cheaper,))[0][0] == "note"
    assert said(own=(older,))[0][0] == "warning"
    assert said(own=(replace(HAIKU, id="claude-own-1"),)) == []

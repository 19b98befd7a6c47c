"""Forecasts: what was spent, and what the calendar says of the rest."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.money.forecast import (
    DAY_MS,
    HOUR_MS,
    WEEK_HOURS,
    WEEK_MS,
    Calendar,
    forecast,
    hour_of_week,
    learn_calendar,
)

MONDAY_MS = round(datetime(2026, 11, 2, tzinfo=UTC).timestamp() * 1000)
week_profiles = st.lists(st.integers(0, 10**12), min_size=WEEK_HOURS, max_size=WEEK_HOURS)
moments = st.integers(MONDAY_MS - 9 * WEEK_MS, MONDAY_MS + 9 * WEEK_MS)


def hours(profile: list[int], from_ms: int, to_ms: int) -> dict[int, int]:
    return {
        at: profile[hour_of_week(at)] for at in range(from_ms, to_ms, HOUR_MS) if profile[hour_of_week(at)]
    }


def test_the_week_begins_on_monday() -> None:
    assert hour_of_week(MONDAY_MS) == 0
    assert hour_of_week(MONDAY_MS - 1) == WEEK_HOURS - 1


@given(week_profiles, st.integers(1, 6), st.integers(0, 10**12), st.integers(0, WEEK_HOURS * 4))
def test_a_week_that_repeats_is_foreseen_exactly(
    profile: list[int], weeks: int, spent: int, rest_hours: int
) -> None:
    profile[0] = 1
    now_ms = MONDAY_MS + weeks * WEEK_MS
    calendar = learn_calendar(hours(profile, MONDAY_MS, now_ms), now_ms)
    found = forecast(spent, calendar, now_ms, now_ms + rest_hours * HOUR_MS)
    assert found is not None
    expected = spent + sum(profile[hour % WEEK_HOURS] for hour in range(rest_hours))
    assert found.nanousd == pytest.approx(expected, rel=1e-9, abs=1)
    assert f"{min(weeks, 4)} week" in found.basis


def test_a_great_week_is_foreseen_to_the_nano_dollar() -> None:
    calendar = Calendar(tuple(float(10**12 + hour) for hour in range(WEEK_HOURS)), "a test")
    expected = sum(10**12 + hour for hour in range(131))
    assert calendar.between(MONDAY_MS, MONDAY_MS + 131 * HOUR_MS) == expected


@given(week_profiles, moments, moments, moments)
def test_a_stretch_costs_what_its_parts_cost_and_never_less_than_nothing(
    profile: list[int], one: int, two: int, three: int
) -> None:
    calendar = Calendar(tuple(float(cost) for cost in profile), "a test")
    first, middle, last = sorted((one, two, three))
    whole = calendar.between(first, last)
    parts = calendar.between(first, middle) + calendar.between(middle, last)
    assert whole == pytest.approx(parts, rel=1e-6, abs=10**4)
    assert whole >= 0
    assert calendar.between(last, first) == 0


@given(st.integers(25, WEEK_HOURS - 1), st.integers(1, 10**12), st.integers(1, 24 * 31))
def test_an_even_flow_is_foreseen_as_even_with_days_of_history(
    seen_hours: int, cost: int, rest_hours: int
) -> None:
    now_ms = MONDAY_MS + seen_hours * HOUR_MS
    calendar = learn_calendar(hours([cost] * WEEK_HOURS, MONDAY_MS, now_ms), now_ms)
    found = forecast(0, calendar, now_ms, now_ms + rest_hours * HOUR_MS)
    assert found is not None
    assert found.nanousd == pytest.approx(cost * rest_hours, rel=1e-6)
    assert found.basis.startswith("only ")


@given(st.integers(0, 23))
def test_with_less_than_a_day_nothing_is_said(seen_hours: int) -> None:
    now_ms = MONDAY_MS + seen_hours * HOUR_MS
    calendar = learn_calendar(hours([5] * WEEK_HOURS, MONDAY_MS, now_ms), now_ms)
    assert forecast(7, calendar, now_ms, now_ms + DAY_MS) is None


def test_weekends_are_not_taken_for_weekdays() -> None:
    saturday_ms = MONDAY_MS + 5 * DAY_MS
    now_ms = saturday_ms + DAY_MS
    busy = [10 if hour < 5 * 24 else 0 for hour in range(WEEK_HOURS)]
    calendar = learn_calendar(hours(busy, MONDAY_MS, now_ms), now_ms)
    assert calendar is not None
    assert calendar.between(now_ms, now_ms + DAY_MS) == 0
    assert calendar.between(now_ms + DAY_MS, now_ms + 2 * DAY_MS) == pytest.approx(240)


def test_the_newest_week_weighs_most() -> None:
    now_ms = MONDAY_MS + 2 * WEEK_MS
    old = hours([100] * WEEK_HOURS, MONDAY_MS, MONDAY_MS + WEEK_MS)
    new = hours([400] * WEEK_HOURS, MONDAY_MS + WEEK_MS, now_ms)
    calendar = learn_calendar(old | new, now_ms)
    assert calendar is not None
    assert calendar.between(now_ms, now_ms + HOUR_MS) == pytest.approx(300)


def test_what_is_under_way_counts_and_the_hour_that_runs_counts_in_part() -> None:
    calendar = Calendar((60.0,) * WEEK_HOURS, "a test")
    found = forecast(1_000, calendar, MONDAY_MS + HOUR_MS // 2, MONDAY_MS + HOUR_MS, 5)
    assert found is not None
    assert found.nanousd == 1_000 + 5 + 30

"""What the server's own bucket is believed to hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.quota import AxisReading
from claudeflow.policy.limits.server_level import LONGEST_REFILL_S, QUICKEST, TRICKLE, ServerLevel


def a_level(limit_per_min: float = 6_000) -> ServerLevel:
    """Full, and nothing heard yet."""
    return ServerLevel(limit_per_min, 0.0)


def a_told_level(remaining: int, limit_per_min: float = 6_000) -> ServerLevel:
    level = a_level(limit_per_min)
    level.observe(AxisReading(remaining=remaining), 0.0, 0.0, 0.0)
    return level


def told(level: ServerLevel, reading: AxisReading, now: float = 0.0, sent_at: float | None = None) -> bool:
    return level.observe(reading, now if sent_at is None else sent_at, 0.0, now)


def test_it_is_full_until_somebody_says_otherwise_and_nothing_is_eased() -> None:
    level = a_level()
    level.take(6_000, 0.0)
    assert (level.level(0.0), level.known, level.easing(0.0, 0.0)) == (0.0, False, 1.0)


def test_between_readings_it_refills_by_the_limit_and_falls_by_what_we_send() -> None:
    level = a_told_level(1_000)
    level.take(500, 0.0)
    assert (level.level(10.0), level.level(1_000.0)) == (1_500.0, 6_000.0)


@pytest.mark.parametrize(
    ("remaining", "factor"), [(6_000, 1 + QUICKEST), (4_800, 1.0), (1_500, 1.0), (300, 0.525), (0, TRICKLE)]
)
def test_alone_the_pace_is_eased_near_empty_and_quickened_near_full(remaining: int, factor: float) -> None:
    assert a_told_level(remaining).easing(0.0, 0.0) == pytest.approx(factor)


@pytest.mark.parametrize(("remaining", "factor"), [(3_000, 1.0), (1_500, 0.525), (0, TRICKLE)])
def test_while_others_draw_the_pace_is_eased_below_half(remaining: int, factor: float) -> None:
    level = a_told_level(6_000)
    assert told(level, AxisReading(remaining=remaining), now=30.0)
    assert level.easing(0.0, 30.0) == pytest.approx(factor)


def test_once_the_others_have_gone_a_low_level_is_our_own() -> None:
    level = a_told_level(6_000)
    told(level, AxisReading(remaining=0), now=30.0)
    for second in range(31, 121):
        level.take(100, float(second))
        told(level, AxisReading(remaining=1_000), now=float(second))
    assert level.easing(0.0, 120.0) > 0.95


def test_without_any_reading_a_429_is_believed_to_come_from_others() -> None:
    level = a_level()
    level.exhausted(0.0)
    assert level.easing(0.0, 15.0) == pytest.approx(0.525)


def test_a_debt_of_our_own_is_no_reason_to_ease() -> None:
    level = a_told_level(5_000)
    level.take(8_000, 0.0)
    assert level.easing(8_000.0, 0.0) > 1.0
    assert level.easing(0.0, 0.0) == TRICKLE


def test_what_went_out_after_the_observed_call_is_subtracted() -> None:
    level = a_level()
    level.observe(AxisReading(remaining=2_000), 0.0, 700.0, 0.0)
    assert level.level(0.0) == 1_300.0


def test_a_reset_in_the_past_tells_how_old_the_numbers_are() -> None:
    level = a_level()
    reading = AxisReading(remaining=6_000, full_in_s=-23.0)
    assert level.observe(reading, sent_at=0.0, drawn_since=5_000.0, now=40.0)
    assert level.level(40.0) == pytest.approx(6_000 - 5_000 * 0.5 + 20 * 100)


def test_it_knows_an_older_reading_than_the_last() -> None:
    level = a_level()
    assert told(level, AxisReading(remaining=4_000), now=40.0)
    assert level.is_old(AxisReading(remaining=1_000, full_in_s=20.0), sent_at=1.0, now=41.0)
    assert not level.is_old(AxisReading(remaining=1_000, full_in_s=50.0), sent_at=1.0, now=41.0)
    assert not level.is_old(AxisReading(6_000, 5_900, full_in_s=1.0), sent_at=1.0, now=41.0)


def test_hidden_debt_is_as_deep_as_reset_says() -> None:
    level = a_level(30_000)
    told(level, AxisReading(remaining=0, full_in_s=91.0))
    assert level.level(0.0) == pytest.approx(-15_500)


def test_a_clock_that_is_ahead_is_no_debt() -> None:
    level = a_level()
    told(level, AxisReading(remaining=3_000, full_in_s=120.0))
    told(level, AxisReading(remaining=0, full_in_s=150.0))
    assert level.level(0.0) == pytest.approx(-300)


def test_a_reset_too_far_away_to_be_true_is_believed_no_further_than_an_hour() -> None:
    level = a_level()
    told(level, AxisReading(remaining=0, full_in_s=1e9))
    assert level.level(LONGEST_REFILL_S) == pytest.approx(6_000)


def test_headers_that_are_missing_mean_nothing() -> None:
    level = a_level()
    assert not told(level, AxisReading())
    assert not told(level, AxisReading(full_in_s=300.0))
    assert not level.known


def test_a_429_that_names_the_bucket_empties_it() -> None:
    level, indebted = a_told_level(4_000), a_told_level(0)
    indebted.take(500, 0.0)
    level.exhausted(0.0)
    indebted.exhausted(0.0)
    assert (level.level(0.0), indebted.level(0.0)) == (0.0, -500.0)


def test_another_limit_keeps_the_level_as_far_as_it_fits() -> None:
    level = a_told_level(4_000)
    level.adopt_limit(12_000, 0.0)
    assert level.level(0.0) == 4_000
    level.adopt_limit(600, 0.0)
    assert (level.level(0.0), level.share(0.0)) == (600, 1.0)


@given(
    remaining=st.none() | st.integers(0, 10_000),
    full_in_s=st.none() | st.floats(-600, 600),
    sent_at=st.floats(0, 100),
    drawn=st.floats(0, 10_000),
)
def test_no_reading_brings_it_above_a_full_bucket(
    remaining: int | None, full_in_s: float | None, sent_at: float, drawn: float
) -> None:
    level = a_level()
    level.observe(AxisReading(None, remaining, full_in_s), sent_at, drawn, 100.0)
    assert level.level(100.0) <= 6_000
    assert TRICKLE <= level.easing(0.0, 100.0) <= 1 + QUICKEST

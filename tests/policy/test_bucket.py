"""One refilling allowance, in virtual seconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.quota import AxisReading
from claudeflow.policy.bucket import LONGEST_REFILL_S, Bucket

AMOUNT = st.floats(min_value=0, max_value=20_000)
GAP_S = st.floats(min_value=0, max_value=30)
NOTHING_MISSING = 1e-6


def a_bucket(limit_per_min: float = 6_000, theta: float = 1.0, burst_s: float = 5.0) -> Bucket:
    """100 a second, 500 at once."""
    return Bucket(limit_per_min, theta, burst_s, now=0.0)


def a_drained_bucket(limit_per_min: float = 6_000) -> Bucket:
    bucket = a_bucket(limit_per_min)
    bucket.take(bucket.capacity, 0.0)
    return bucket


def test_a_new_bucket_is_full_with_some_seconds_worth() -> None:
    bucket = a_bucket()
    assert (bucket.rate, bucket.capacity, bucket.level(0.0)) == (100.0, 500.0, 500.0)


def test_theta_slows_the_refill_and_shrinks_the_burst() -> None:
    bucket = a_bucket(theta=0.5)
    assert (bucket.rate, bucket.capacity) == (50.0, 250.0)


def test_a_tiny_limit_still_holds_one_request() -> None:
    assert a_bucket(limit_per_min=1).capacity == 1.0


def test_what_was_taken_comes_back_with_time_and_no_more_than_fits() -> None:
    bucket = a_drained_bucket()
    assert bucket.level(2.0) == 200.0
    assert bucket.level(1_000.0) == 500.0


def test_a_clock_that_stands_still_or_jumps_back_refills_nothing() -> None:
    bucket = a_drained_bucket()
    bucket.level(3.0)
    assert bucket.level(1.0) == 300.0


def test_it_says_when_an_amount_will_be_there() -> None:
    bucket = a_drained_bucket()
    assert bucket.ready_at(200.0, 1.0) == 2.0
    assert bucket.ready_at(100.0, 1.0) == 1.0


def test_more_than_fits_may_go_when_the_bucket_is_full_and_leaves_a_debt() -> None:
    bucket = a_bucket()
    assert bucket.ready_at(2_000.0, 0.0) == 0.0
    bucket.take(2_000.0, 0.0)
    assert bucket.level(0.0) == -1_500.0
    assert bucket.ready_at(2_000.0, 0.0) == 20.0


def test_a_correction_gives_back_what_was_not_drawn() -> None:
    bucket = a_bucket()
    bucket.take(300.0, 0.0)
    bucket.correct(300.0, 50.0)
    assert (bucket.level(0.0), bucket.drawn) == (450.0, 50.0)


def test_a_correction_may_leave_a_debt() -> None:
    bucket = a_bucket()
    bucket.take(300.0, 0.0)
    bucket.correct(300.0, 900.0)
    assert (bucket.level(0.0), bucket.drawn) == (-400.0, 900.0)


def test_a_correction_never_overfills() -> None:
    bucket = a_bucket()
    bucket.take(300.0, 0.0)
    bucket.level(100.0)
    bucket.correct(300.0, 0.0)
    assert bucket.level(100.0) == bucket.capacity


def test_draining_forgets_what_has_gathered_but_not_the_debt() -> None:
    full, indebted = a_bucket(), a_bucket()
    indebted.take(700.0, 0.0)
    for bucket in (full, indebted):
        bucket.drain(0.0)
    assert (full.level(0.0), indebted.level(0.0)) == (0.0, -200.0)


def test_another_theta_holds_from_now_on() -> None:
    bucket = a_drained_bucket()
    bucket.pace(0.5, 2.0)
    assert bucket.level(2.0) == 200.0
    assert bucket.level(3.0) == 250.0


def test_a_smaller_theta_lowers_a_level_that_no_longer_fits() -> None:
    bucket = a_bucket()
    bucket.pace(0.2, 0.0)
    assert bucket.level(0.0) == 100.0


def test_a_smaller_limit_holds_at_once() -> None:
    bucket = a_bucket()
    bucket.observe(AxisReading(limit=600), drawn_since=0.0, now=0.0)
    assert (bucket.limit_per_min, bucket.level(0.0)) == (600.0, 50.0)


def test_a_larger_limit_holds_at_once_but_does_not_fill_the_bucket() -> None:
    bucket = a_bucket()
    bucket.observe(AxisReading(limit=60_000), drawn_since=0.0, now=0.0)
    assert bucket.level(0.0) == 500.0
    assert bucket.level(1.0) == 1_500.0


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_cannot_be_is_ignored(limit: int) -> None:
    bucket = a_bucket()
    bucket.observe(AxisReading(limit=limit), drawn_since=0.0, now=0.0)
    assert bucket.limit_per_min == 6_000


def test_what_the_server_says_is_left_lowers_the_level() -> None:
    bucket = a_bucket()
    bucket.observe(AxisReading(remaining=120), drawn_since=0.0, now=0.0)
    assert bucket.level(0.0) == 120.0


def test_what_went_out_since_is_subtracted_from_what_the_server_says() -> None:
    bucket = a_bucket()
    bucket.observe(AxisReading(remaining=120), drawn_since=70.0, now=0.0)
    assert bucket.level(0.0) == 50.0


def test_a_reset_far_away_tells_of_a_hidden_debt() -> None:
    bucket = a_bucket(limit_per_min=30_000)
    bucket.observe(AxisReading(remaining=0, full_in_s=91.0), drawn_since=0.0, now=0.0)
    assert bucket.level(0.0) == pytest.approx(-15_500.0)


def test_a_reset_too_far_away_to_be_true_does_not_stop_the_pool_for_good() -> None:
    bucket = a_bucket()
    bucket.observe(AxisReading(remaining=0, full_in_s=1e9), drawn_since=0.0, now=0.0)
    assert bucket.ready_at(1.0, 0.0) <= LONGEST_REFILL_S


@pytest.mark.parametrize("full_in_s", [0.0, -3.0, 12.0, 60.0, None])
def test_nothing_left_and_a_near_or_past_reset_mean_empty_not_indebted(full_in_s: float | None) -> None:
    bucket = a_bucket()
    bucket.observe(AxisReading(remaining=0, full_in_s=full_in_s), drawn_since=0.0, now=0.0)
    assert bucket.level(0.0) == 0.0


def test_a_past_reset_with_something_left_is_no_news() -> None:
    bucket = a_bucket()
    bucket.observe(AxisReading(limit=6_000, remaining=6_000, full_in_s=-2.0), drawn_since=0.0, now=0.0)
    assert bucket.level(0.0) == bucket.capacity


def test_headers_that_are_missing_mean_nothing() -> None:
    bucket = a_bucket()
    bucket.observe(AxisReading(), drawn_since=0.0, now=0.0)
    bucket.observe(AxisReading(full_in_s=300.0), drawn_since=0.0, now=0.0)
    assert bucket.level(0.0) == bucket.capacity


@given(
    taken=AMOUNT,
    remaining=st.integers(min_value=0, max_value=10_000),
    full_in_s=st.none() | st.floats(min_value=-60, max_value=600),
    drawn_since=AMOUNT,
    now=GAP_S,
)
def test_a_reading_may_only_lower_the_level(
    taken: float, remaining: int, full_in_s: float | None, drawn_since: float, now: float
) -> None:
    bucket = a_bucket()
    bucket.take(taken, 0.0)
    before = bucket.level(now)
    bucket.observe(AxisReading(None, remaining, full_in_s), drawn_since, now)
    assert bucket.level(now) <= before


@given(st.lists(st.tuples(GAP_S, AMOUNT), max_size=30), AMOUNT)
def test_at_the_moment_it_names_the_amount_is_there(
    schedule: list[tuple[float, float]], wanted: float
) -> None:
    bucket, now = a_bucket(), 0.0
    for gap_s, amount in schedule:
        now += gap_s
        bucket.take(amount, now)
    ready = bucket.ready_at(wanted, now)
    assert bucket.level(ready) >= min(wanted, bucket.capacity) - NOTHING_MISSING * (1 + ready)


@given(st.lists(st.tuples(GAP_S, AMOUNT), min_size=1, max_size=40))
def test_no_schedule_gets_more_out_than_the_burst_and_the_refill(
    schedule: list[tuple[float, float]],
) -> None:
    bucket, now = a_bucket(), 0.0
    for gap_s, wanted in schedule:
        now += gap_s
        amount = min(wanted, bucket.capacity)
        if bucket.ready_at(amount, now) <= now:
            bucket.take(amount, now)
        assert bucket.drawn <= bucket.capacity + bucket.rate * now + NOTHING_MISSING * (1 + now)

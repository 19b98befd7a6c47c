"""One refilling allowance, in virtual seconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.limits.bucket import RETURNED_S, Bucket, Pace

AMOUNT = st.floats(min_value=0, max_value=20_000)
GAP_S = st.floats(min_value=0, max_value=30)
NOTHING_MISSING = 1e-6


def a_bucket(
    limit_per_min: float = 6_000, share: float = 1.0, burst_s: float = 5.0, reserve: float = 0.0
) -> Bucket:
    """100 a second, 500 at once."""
    return Bucket(limit_per_min, Pace(share, burst_s, reserve), now=0.0)


def a_drained_bucket(limit_per_min: float = 6_000) -> Bucket:
    bucket = a_bucket(limit_per_min)
    bucket.take(bucket.capacity, 0.0)
    return bucket


def test_a_new_bucket_is_full_with_some_seconds_worth() -> None:
    bucket = a_bucket()
    assert (bucket.rate, bucket.capacity, bucket.level(0.0)) == (100.0, 500.0, 500.0)


def test_a_smaller_share_slows_the_refill_and_not_the_burst() -> None:
    bucket = a_bucket(share=0.5)
    assert (bucket.rate, bucket.full_rate, bucket.capacity) == (50.0, 100.0, 500.0)


def test_what_is_reserved_is_held_on_top_of_the_burst() -> None:
    bucket = a_bucket(reserve=0.05)
    assert (bucket.burst, bucket.capacity) == (500.0, 800.0)


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
    assert bucket.ready_at(80.0, 0.0, 0.5) == pytest.approx(0.8)
    assert bucket.ready_at(80.0, 0.0, 1.0) == 1.0


def test_what_is_kept_for_others_must_be_there_as_well() -> None:
    bucket = a_bucket(reserve=0.05)
    bucket.take(700.0, 0.0)
    assert bucket.ready_at(80.0, 0.0, 0.0) == 0.0
    assert bucket.ready_at(80.0, 0.05, 0.0) == pytest.approx(2.8)


def test_more_than_a_seconds_worth_goes_when_that_much_is_there_and_leaves_a_debt() -> None:
    bucket = a_drained_bucket()
    assert bucket.ready_at(2_000.0, 0.0, 0.0) == 1.0
    bucket.take(2_000.0, 1.0)
    assert bucket.level(1.0) == -1_900.0
    assert bucket.ready_at(80.0, 0.0, 1.0) == pytest.approx(20.8)


def test_a_correction_gives_back_what_was_not_drawn() -> None:
    bucket = a_bucket()
    bucket.take(300.0, 0.0)
    bucket.correct(300.0, 50.0, 0.0)
    assert (bucket.level(0.0), bucket.drawn) == (450.0, 50.0)


def test_a_correction_may_leave_a_debt() -> None:
    bucket = a_bucket()
    bucket.take(300.0, 0.0)
    bucket.correct(300.0, 900.0, 0.0)
    assert (bucket.level(0.0), bucket.drawn) == (-400.0, 900.0)


def test_what_comes_back_may_overfill_the_bucket_within_reason_and_is_not_lost() -> None:
    bucket = a_bucket()
    bucket.take(9_000.0, 0.0)
    bucket.correct(9_000.0, 8_000.0, 60.0)
    assert bucket.level(60.0) == -2_000.0 + 500.0
    bucket.correct(8_000.0, 0.0, 60.0)
    assert bucket.level(61.0) == bucket.capacity + 100.0 * RETURNED_S


def test_a_level_is_lowered_and_never_raised() -> None:
    bucket = a_bucket()
    bucket.lower_to(200.0, 0.0)
    bucket.lower_to(400.0, 0.0)
    assert bucket.level(0.0) == 200.0


def test_another_pace_holds_from_now_on() -> None:
    bucket = a_drained_bucket()
    bucket.repace(Pace(0.5, 5.0), 2.0)
    bucket.repace(Pace(0.5, 5.0), 2.5)
    assert bucket.level(2.0) == 200.0
    assert bucket.level(3.0) == 250.0


def test_a_shorter_burst_lowers_a_level_that_no_longer_fits() -> None:
    bucket = a_bucket()
    bucket.repace(Pace(1.0, 1.0), 0.0)
    assert bucket.level(0.0) == 100.0


def test_a_smaller_limit_holds_at_once_and_a_larger_one_does_not_fill_the_bucket() -> None:
    bucket = a_bucket()
    bucket.adopt_limit(600.0, 0.0)
    assert (bucket.limit_per_min, bucket.level(0.0)) == (600.0, 50.0)
    bucket.adopt_limit(60_000.0, 0.0)
    assert (bucket.level(0.0), bucket.level(1.0)) == (50.0, 1_050.0)


def test_use_is_the_share_of_the_limit_drawn_of_late_and_fades() -> None:
    bucket = a_bucket()
    for second in range(120):
        bucket.take(50.0, float(second))
    assert bucket.use(120.0) == pytest.approx(0.5, rel=0.05)
    assert bucket.use(420.0) < 0.001


@given(st.lists(st.tuples(GAP_S, AMOUNT), max_size=30), AMOUNT, st.floats(0, 0.5))
def test_at_the_moment_it_names_the_amount_may_go(
    schedule: list[tuple[float, float]], wanted: float, keep: float
) -> None:
    bucket, now = a_bucket(reserve=0.5), 0.0
    for gap_s, amount in schedule:
        now += gap_s
        bucket.take(amount, now)
    ready = bucket.ready_at(wanted, keep, now)
    assert bucket.ready_at(wanted, keep, ready) <= ready + NOTHING_MISSING * (1 + ready)


@given(st.lists(st.tuples(GAP_S, AMOUNT), min_size=1, max_size=40))
def test_no_schedule_gets_more_out_than_the_burst_the_refill_and_one_large_call(
    schedule: list[tuple[float, float]],
) -> None:
    bucket, now, largest = a_bucket(), 0.0, 0.0
    for gap_s, wanted in schedule:
        now += gap_s
        if bucket.ready_at(wanted, 0.0, now) <= now:
            bucket.take(wanted, now)
            largest = max(largest, wanted)
        assert bucket.drawn <= bucket.capacity + bucket.rate * now + largest + NOTHING_MISSING * (1 + now)

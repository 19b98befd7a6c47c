"""The pace of one pool: buckets, gate, ceiling and θ together, in virtual seconds."""

from __future__ import annotations

from typing import Any

import pytest

from claudeflow.domain.attempt import (
    Blocked,
    Interrupted,
    Rejected,
    Reply,
    Throttled,
    ThrottleKind,
    Transient,
)
from claudeflow.domain.hold import HoldCause
from claudeflow.domain.job import JobError
from claudeflow.domain.quota import OWN_AXES, Axis, AxisReading, Demand, Reading
from claudeflow.domain.report import PoolStatus
from claudeflow.domain.usage import Usage
from claudeflow.policy.limits.ceiling import CeilingSettings
from claudeflow.policy.limits.gate import SMALL_PROBE_S, NotBefore
from claudeflow.policy.limits.limiter import Limiter, Permit
from claudeflow.policy.limits.margin import MarginSettings
from claudeflow.policy.limits.settings import LimiterSettings, PoolLimits
from tests.policy.builders import ERROR, a_demand, lost, overloaded, throttled, well

LIMITS = PoolLimits(requests=600, input_tokens=60_000, output_tokens=12_000)
"""10 requests, 1,000 input and 200 output tokens a second; five times that at once."""


def a_limiter(limits: PoolLimits = LIMITS, **changes: Any) -> Limiter:
    """Warm and steady at the whole of its limits unless told otherwise.

    It has had its first answer a minute ago. `changes` go to the margin where the limiter has no such.
    """
    cold_in_flight, reserve = changes.pop("cold_in_flight", 1_000), changes.pop("reserve", 0.0)
    ceiling = changes.pop("ceiling", CeilingSettings(initial=1_000))
    margin = MarginSettings(**({"cold_theta": 1.0, "growth": 0.0, "floor": 0.1} | changes))
    settings = LimiterSettings(cold_in_flight, margin, ceiling=ceiling)
    limiter = Limiter(limits, settings, now=-60.0, reserve=reserve)
    if cold_in_flight == 1_000:
        limiter.settle(granted(limiter, -60.0, Demand(0, 0, 0)), well(0, 0), now=-60.0, jitter=0.0)
    return limiter


def granted(limiter: Limiter, now: float, demand: Demand | None = None) -> Permit:
    verdict = limiter.reserve(demand or a_demand(), now)
    assert isinstance(verdict, Permit), verdict
    return verdict


def refused(limiter: Limiter, now: float, demand: Demand | None = None) -> NotBefore:
    verdict = limiter.reserve(demand or a_demand(), now)
    assert isinstance(verdict, NotBefore)
    return verdict


def level(limiter: Limiter, axis: Axis, now: float) -> float:
    return next(bucket.level for bucket in snapshot(limiter, now).buckets if bucket.axis is axis)


def snapshot(limiter: Limiter, now: float = 0.0) -> PoolStatus:
    return limiter.snapshot("pool", now)


def read_by(limiter: Limiter, now: float, **axes: AxisReading) -> None:
    """One call that draws nothing but brings a reading."""
    limiter.settle(
        granted(limiter, now, Demand(0, 0, 0)), well(0, 0, reading=Reading(**axes)), now=now, jitter=0.0
    )


# Pacing


def test_a_call_goes_when_all_three_buckets_admit_it_and_draws_on_all_three() -> None:
    limiter = a_limiter()
    granted(limiter, 0.0, Demand(2_000, 300))
    assert [level(limiter, axis, 0.0) for axis in OWN_AXES] == [49.0, 3_000.0, 700.0]


@pytest.mark.parametrize(
    ("first", "second", "why", "at"),
    [
        (Demand(0, 0, 50), Demand(0, 0), "requests bucket", 0.1),
        (Demand(5_000, 0), Demand(1_000, 0), "input_tokens bucket", 1.0),
        (Demand(0, 1_000), Demand(0, 150), "output_tokens bucket", 0.75),
    ],
)
def test_the_emptiest_bucket_says_when_to_ask_again(
    first: Demand, second: Demand, why: str, at: float
) -> None:
    limiter = a_limiter()
    granted(limiter, 0.0, first)
    refusal = refused(limiter, 0.0, second)
    assert refusal.why == why
    assert refusal.at == pytest.approx(at)


def test_a_job_larger_than_a_bucket_goes_when_the_bucket_is_full() -> None:
    limiter = a_limiter()
    granted(limiter, 0.0, Demand(50_000, 10))
    assert refused(limiter, 0.0).at == pytest.approx(45.1)


def test_what_was_not_used_comes_back_when_the_call_is_settled() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0, Demand(4_000, 900)), well(100, 50), now=0.0, jitter=0.0)
    assert (level(limiter, Axis.INPUT_TOKENS, 0.0), level(limiter, Axis.OUTPUT_TOKENS, 0.0)) == (4_900, 950)


def test_a_call_whose_usage_is_unknown_is_believed_to_have_drawn_what_was_expected() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0, Demand(4_000, 900)), lost(), now=0.0, jitter=0.0)
    assert level(limiter, Axis.INPUT_TOKENS, 0.0) == 1_000


def test_cache_reads_do_not_draw_on_the_input_bucket() -> None:
    limiter = a_limiter()
    usage = Usage(input_tokens=10, cache_write_5m_tokens=20, cache_read_tokens=4_000)
    limiter.settle(granted(limiter, 0.0), Reply(well().outcome, usage), now=0.0, jitter=0.0)
    assert level(limiter, Axis.INPUT_TOKENS, 0.0) == 4_970


def test_a_rejected_request_counts_as_a_request() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), Reply(Rejected(ERROR)), now=0.0, jitter=0.0)
    assert [level(limiter, axis, 0.0) for axis in OWN_AXES] == [49.0, 5_000.0, 1_000.0]


def test_a_request_that_never_left_draws_nothing() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), Reply(Rejected(ERROR), sent=False), now=0.0, jitter=0.0)
    assert [level(limiter, axis, 0.0) for axis in OWN_AXES] == [50.0, 5_000.0, 1_000.0]


def test_an_abandoned_permit_gives_everything_back() -> None:
    limiter = a_limiter()
    before = [bucket.level for bucket in snapshot(limiter).buckets]
    limiter.abandon(granted(limiter, 0.0, Demand(4_000, 900)), 0.0)
    assert [bucket.level for bucket in snapshot(limiter).buckets] == before


@pytest.mark.parametrize("first_ending", ["settle", "abandon"])
@pytest.mark.parametrize("second_ending", ["settle", "abandon"])
def test_a_permit_ends_exactly_once(first_ending: str, second_ending: str) -> None:
    limiter = a_limiter()
    permit = granted(limiter, 0.0)

    def end(how: str) -> None:
        if how == "settle":
            limiter.settle(permit, well(), now=1.0, jitter=0.0)
        else:
            limiter.abandon(permit, 1.0)

    end(first_ending)
    with pytest.raises(RuntimeError, match="exactly once"):
        end(second_ending)
    assert limiter.in_flight == 0


# Readings


def test_a_limit_that_a_header_names_holds_at_once() -> None:
    limiter = a_limiter()
    assert not snapshot(limiter).limits_known
    read_by(limiter, 0.0, input_tokens=AxisReading(limit=6_000))
    known = snapshot(limiter)
    assert known.limits_known
    assert [(b.limit_per_min, b.level) for b in known.buckets if b.axis is Axis.INPUT_TOKENS] == [
        (6_000, 500)
    ]


def test_a_reading_without_a_limit_does_not_make_the_limits_known() -> None:
    limiter = a_limiter()
    read_by(limiter, 0.0, input_tokens=AxisReading(remaining=3_000))
    assert not snapshot(limiter).limits_known
    assert level(limiter, Axis.INPUT_TOKENS, 0.0) == 3_000


def test_hidden_debt_makes_the_pool_wait() -> None:
    limiter = a_limiter(PoolLimits(requests=600, input_tokens=30_000, output_tokens=12_000))
    read_by(limiter, 0.0, input_tokens=AxisReading(remaining=0, full_in_s=91.0))
    assert snapshot(limiter).buckets[1].server_level == pytest.approx(-15_500)
    refused(limiter, 30.9)
    granted(limiter, 31.1)


def test_an_out_of_order_reading_is_ignored() -> None:
    limiter = a_limiter()
    older, newer = granted(limiter, 0.0), granted(limiter, 20.0)
    fresh, stale = AxisReading(600, 400, 20.0), AxisReading(60, 30, 10.0)
    limiter.settle(newer, well(reading=Reading(requests=fresh)), now=30.0, jitter=0.0)
    limiter.settle(older, well(reading=Reading(requests=stale)), now=30.0, jitter=0.0)
    assert snapshot(limiter).buckets[0].limit_per_min == 600


def test_what_was_sent_after_the_observed_call_is_subtracted_from_its_reading() -> None:
    limiter = a_limiter()
    observed = granted(limiter, 0.0, Demand(1_000, 10))
    granted(limiter, 0.0, Demand(700, 10))
    reading = Reading(input_tokens=AxisReading(remaining=2_000))
    limiter.settle(observed, well(1_000, 10, reading), now=0.0, jitter=0.0)
    assert level(limiter, Axis.INPUT_TOKENS, 0.0) == 1_300


def test_that_the_observed_call_drew_less_than_expected_does_not_hide_what_was_sent_after_it() -> None:
    limiter = a_limiter()
    observed = granted(limiter, 0.0, Demand(1_000, 10))
    granted(limiter, 0.0, Demand(700, 10))
    reading = Reading(input_tokens=AxisReading(remaining=2_000))
    limiter.settle(observed, well(100, 10, reading), now=0.0, jitter=0.0)
    assert level(limiter, Axis.INPUT_TOKENS, 0.0) == 1_300


# 429


def test_a_429_closes_the_pool_and_says_for_how_long() -> None:
    limiter = a_limiter()
    assert limiter.settle(granted(limiter, 0.0), throttled(30.0), now=1.0, jitter=0.5) == 32.5
    assert refused(limiter, 2.0).at == 33.5
    assert limiter.held


def test_one_probe_goes_after_the_pause_and_its_success_lets_the_others_follow() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), throttled(30.0), now=1.0, jitter=0.0)
    probe = granted(limiter, 31.0)
    assert refused(limiter, 31.0).at is None
    assert limiter.settle(probe, well(), now=32.0, jitter=0.0) is None
    assert not limiter.held
    granted(limiter, 40.0)


def test_a_pool_that_opens_again_starts_from_the_refill_alone() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), throttled(30.0), now=1.0, jitter=0.0)
    limiter.settle(granted(limiter, 31.0), well(), now=32.0, jitter=0.0)
    assert refused(limiter, 32.0).why == "requests bucket"


def test_a_probe_opens_its_pool_as_soon_as_its_answer_begins() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), throttled(30.0), now=1.0, jitter=0.0)
    probe = granted(limiter, 31.0)
    limiter.probe_answered(probe, 31.5)
    assert not limiter.held
    limiter.settle(probe, well(), now=600.0, jitter=0.0)
    assert not limiter.held


def test_a_probe_that_is_throttled_begins_a_new_episode() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), throttled(30.0), now=1.0, jitter=0.0)
    probe = granted(limiter, 31.0)
    assert limiter.settle(probe, throttled(10.0), now=32.0, jitter=0.0) == 10.0
    assert limiter.theta == pytest.approx(0.81)
    assert refused(limiter, 41.9).at == 42.0


def test_a_probe_that_never_left_passes_its_part_to_the_next_call() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), throttled(30.0), now=1.0, jitter=0.0)
    limiter.abandon(granted(limiter, 31.0), 31.0)
    assert granted(limiter, 31.0).probe


@pytest.mark.parametrize("reply", [Reply(Interrupted(ERROR)), Reply(Rejected(ERROR), sent=False)])
def test_a_probe_that_we_stopped_or_never_sent_proves_nothing(reply: Reply) -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), throttled(30.0), now=1.0, jitter=0.0)
    limiter.settle(granted(limiter, 31.0), reply, now=32.0, jitter=0.0)
    assert limiter.held
    assert granted(limiter, 32.0).probe


def test_an_episode_cuts_theta_once_however_many_calls_it_turns_away() -> None:
    limiter = a_limiter()
    calls = [granted(limiter, 0.0) for _ in range(10)]
    for call in calls:
        limiter.settle(call, throttled(5.0), now=1.0, jitter=0.0)
    assert limiter.theta == pytest.approx(0.9)
    assert snapshot(limiter, 1.0).throttled_calls == 10


def test_theta_is_never_cut_below_its_floor() -> None:
    limiter, now = a_limiter(floor=0.5), 0.0
    for _ in range(20):
        now += 1_000.0
        limiter.settle(granted(limiter, now), throttled(1.0), now=now + 0.5, jitter=0.0)
    assert limiter.theta == 0.5


def test_after_a_429_work_starts_again_from_the_refill_alone() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), throttled(0.1), now=1.0, jitter=0.0)
    assert all(bucket.level <= 0.0 for bucket in snapshot(limiter, 1.0).buckets)


def test_a_later_429_of_the_same_episode_may_still_prolong_the_pause() -> None:
    limiter = a_limiter()
    first, second, third = (granted(limiter, 0.0) for _ in range(3))
    limiter.settle(first, throttled(5.0), now=1.0, jitter=0.0)
    assert limiter.settle(second, throttled(60.0), now=2.0, jitter=0.0) is None
    assert refused(limiter, 2.0).at == 62.0
    assert limiter.settle(third, throttled(0.0), now=100.0, jitter=0.0) is None


def test_a_ramp_429_bounds_the_pace_of_requests() -> None:
    limiter = a_limiter()
    for second in range(60):
        for _ in range(5):
            limiter.settle(granted(limiter, float(second)), well(), now=float(second), jitter=0.0)
    limiter.settle(granted(limiter, 60.0), throttled(1.0, ThrottleKind.RAMP), now=60.0, jitter=0.0)
    bound = snapshot(limiter, 60.0).ramp_per_s
    assert bound is not None
    assert bound == pytest.approx(2.2, rel=0.2)
    assert limiter.theta == 1.0
    limiter.settle(granted(limiter, 62.0), well(), now=62.0, jitter=0.0)
    assert snapshot(limiter, 62.0).buckets[0].pace_share == pytest.approx(bound / 10, rel=0.05)


# θ


def test_theta_grows_in_calm_and_is_told() -> None:
    limiter = Limiter(LIMITS, LimiterSettings(), now=0.0)
    limiter.reserve(a_demand(), 10.0)
    assert limiter.theta == pytest.approx(0.6)


def test_theta_does_not_grow_while_the_pool_is_closed() -> None:
    limiter = a_limiter(growth=0.01)
    limiter.settle(granted(limiter, 0.0), throttled(1_000.0), now=0.0, jitter=0.0)
    refused(limiter, 500.0)
    granted(limiter, 1_000.0)
    assert limiter.theta == pytest.approx(0.9)


# What a 429 teaches

PLENTY = Reading(*(AxisReading(limit=LIMITS.on(axis), remaining=LIMITS.on(axis)) for axis in OWN_AXES))


def refused_with(
    limiter: Limiter,
    now: float,
    message: str = "",
    reading: Reading | None = None,
    wait_s: float | None = 1.0,
) -> float | None:
    """A call that gets a 429 with these words and headers."""
    outcome = Throttled(JobError("rate_limit_error", message), wait_s)
    return limiter.settle(granted(limiter, now), Reply(outcome, reading=reading), now=now, jitter=0.0)


def test_a_429_in_spite_of_room_everywhere_shortens_the_burst() -> None:
    limiter = a_limiter()
    assert refused_with(limiter, 0.0, reading=PLENTY) == 3.0
    status = snapshot(limiter)
    assert (status.burst_s, status.theta, status.last_throttle) == (1.0, 1.0, "hidden window")


def test_a_hidden_window_on_output_lets_fewer_calls_generate_at_once() -> None:
    limiter = a_limiter()
    for _ in range(19):
        granted(limiter, 0.0)
    refused_with(limiter, 0.0, "rate limit of 12,000 output tokens per minute", PLENTY)
    assert snapshot(limiter).ceiling == 17


def test_too_many_connections_lower_the_ceiling_and_do_not_close_the_pool() -> None:
    limiter = a_limiter()
    for _ in range(9):
        granted(limiter, 0.0)
    assert refused_with(limiter, 0.0, "Number of concurrent connections", wait_s=None) is None
    assert (snapshot(limiter).ceiling, limiter.held, limiter.theta) == (5, False, 1.0)
    assert snapshot(limiter).throttled_calls == 1


def test_too_many_connections_with_a_retry_after_close_the_pool_as_well() -> None:
    limiter = a_limiter()
    assert refused_with(limiter, 0.0, "Number of concurrent connections", wait_s=20.0) == 20.0
    assert limiter.theta == 1.0


def test_without_headers_a_429_lowers_theta_and_the_burst() -> None:
    limiter = a_limiter()
    refused_with(limiter, 0.0)
    assert (limiter.theta, snapshot(limiter).burst_s) == (0.9, 1.0)


def test_a_limit_that_only_a_429_names_holds_for_a_while() -> None:
    limiter = a_limiter()
    refused_with(limiter, 0.0, "rate limit of 30,000 input tokens per minute")
    assert snapshot(limiter).buckets[1].limit_per_min == 30_000
    assert limiter.theta == 1.0
    refused_with(limiter, 10.0, "rate limit of 30,000 input tokens per minute")
    assert limiter.theta == 0.9
    limiter.settle(granted(limiter, 30.0), well(), now=30.0, jitter=0.0)
    limiter.reserve(a_demand(), 200.0)
    assert snapshot(limiter, 200.0).buckets[1].limit_per_min == 60_000


def test_a_limit_that_headers_name_is_not_changed_by_a_message() -> None:
    limiter = a_limiter()
    read_by(limiter, 0.0, input_tokens=AxisReading(limit=50_000))
    refused_with(limiter, 0.0, "rate limit of 30,000 input tokens per minute")
    assert snapshot(limiter).buckets[1].limit_per_min == 50_000


def test_an_exhausted_axis_eases_the_pace() -> None:
    limiter = a_limiter()
    empty = Reading(input_tokens=AxisReading(limit=60_000, remaining=0))
    refused_with(limiter, 0.0, "rate limit of 60,000 input tokens per minute", empty)
    limiter.settle(granted(limiter, 2.0), well(), now=2.0, jitter=0.0)
    refusal = refused(limiter, 2.0)
    assert refusal.at is not None
    assert refusal.at <= 3.0
    assert snapshot(limiter, 2.0).buckets[1].pace_share < 0.4


def test_a_probe_turned_away_for_connections_closes_the_pool_again() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), throttled(1.0), now=0.0, jitter=0.0)
    assert refused_with(limiter, 5.0, "Number of concurrent connections", wait_s=None) is not None
    assert limiter.held


# Outages


def fail(limiter: Limiter, times: int, now: float) -> list[float | None]:
    calls = [granted(limiter, now) for _ in range(times)]
    return [limiter.settle(call, overloaded(), now=now + 0.5, jitter=0.0) for call in calls]


def test_failures_in_a_row_pause_the_pool() -> None:
    limiter = a_limiter()
    assert fail(limiter, 5, 0.0) == [None] * 4 + [5.0]
    assert refused(limiter, 1.0).why == "paused in an outage"
    assert snapshot(limiter, 1.0).gate == "paused in an outage"


def test_an_outage_ends_with_any_answer_and_work_starts_from_the_refill() -> None:
    limiter = a_limiter(ceiling=CeilingSettings(initial=10))
    earlier = granted(limiter, 0.0)
    fail(limiter, 5, 0.0)
    limiter.settle(earlier, well(), now=1.0, jitter=0.0)
    assert not limiter.held
    assert snapshot(limiter, 1.0).ceiling == 10
    assert all(bucket.level <= 0.0 for bucket in snapshot(limiter, 1.0).buckets)


def test_probes_of_an_outage_do_not_lower_the_ceiling() -> None:
    limiter = a_limiter(ceiling=CeilingSettings(initial=100))
    fail(limiter, 5, 0.0)
    cut = snapshot(limiter, 1.0).ceiling
    now = 6.0
    for _ in range(5):
        assert limiter.settle(granted(limiter, now), overloaded(), now=now, jitter=0.0) is None
        now += 61.0
    assert snapshot(limiter, now).ceiling == cut


# Lanes above and below


def test_a_call_leaves_behind_what_it_must_keep_for_the_lanes_above() -> None:
    limiter = a_limiter(reserve=0.05)
    granted(limiter, 0.0, Demand(7_500, 10))
    kept = "input_tokens bucket, beside what is kept for lanes of more weight"
    assert refused_by_keep(limiter, 0.05).why == kept
    granted(limiter, 0.0, Demand(400, 10))


def refused_by_keep(limiter: Limiter, keep: float, now: float = 0.0) -> NotBefore:
    verdict = limiter.reserve(a_demand(), now, keep=keep)
    assert isinstance(verdict, NotBefore)
    return verdict


def test_a_lane_above_borrows_from_the_server_behind_a_giant() -> None:
    limiter = a_limiter(reserve=0.05)
    read_by(limiter, 0.0, **{axis.value: AxisReading(LIMITS.on(axis), LIMITS.on(axis)) for axis in OWN_AXES})
    granted(limiter, 0.0, Demand(40_000, 10))
    refused_by_keep(limiter, 0.05)
    granted(limiter, 0.0, Demand(1_000, 10))
    refused(limiter, 0.0, Demand(20_000, 10))


def test_nobody_borrows_without_headers_or_where_nothing_is_reserved() -> None:
    unknown, alike = a_limiter(reserve=0.05), a_limiter()
    told = {axis.value: AxisReading(LIMITS.on(axis), LIMITS.on(axis)) for axis in OWN_AXES}
    read_by(alike, 0.0, **told)
    for limiter in (unknown, alike):
        granted(limiter, 0.0, Demand(40_000, 10))
        refused(limiter, 0.0)


def test_slots_in_flight_are_kept_for_the_lanes_above_too() -> None:
    limiter = a_limiter(ceiling=CeilingSettings(initial=20), reserve=0.05)
    for _ in range(19):
        granted(limiter, 0.0, Demand(1, 1))
    assert "ceiling" in refused_by_keep(limiter, 0.05).why
    granted(limiter, 0.0)
    assert refused(limiter, 0.0).why == "20 calls in flight are the ceiling"


def test_another_reserve_holds_from_now_on() -> None:
    limiter = a_limiter()
    assert snapshot(limiter).buckets[0].capacity == 50
    limiter.keep_in_all(0.1, 0.0)
    assert snapshot(limiter).buckets[0].capacity == 110


# Pressure


def test_an_idle_pool_has_no_pressure_and_a_used_one_has() -> None:
    limiter = a_limiter()
    assert limiter.pressure(600.0) < 0.001
    for second in range(600, 720):
        for _ in range(5):
            limiter.settle(granted(limiter, float(second)), well(), now=float(second), jitter=0.0)
    assert limiter.pressure(720.0) == pytest.approx(0.5, rel=0.1)


def test_what_others_use_is_pressure_too() -> None:
    limiter = a_limiter()
    read_by(limiter, 0.0, output_tokens=AxisReading(12_000, 3_000))
    assert limiter.pressure(0.0) == pytest.approx(0.75)
    assert snapshot(limiter).pressure == pytest.approx(0.75)


# Giants


def test_a_call_that_surely_exceeds_a_minutes_limit_can_never_pass() -> None:
    limiter = a_limiter()
    assert limiter.too_big(Demand(70_000, 0)) is None
    read_by(limiter, 0.0, input_tokens=AxisReading(60_000, 60_000))
    assert limiter.too_big(Demand(50_000, 0), Demand(90_000, 0)) is None
    assert limiter.too_big(Demand(70_000, 0)) == (
        "it draws about 70,000 input tokens, and the limit is 60,000 a minute"
    )


def test_a_giant_as_large_as_one_that_was_refused_can_never_pass() -> None:
    limiter = a_limiter()
    read_by(limiter, 0.0, input_tokens=AxisReading(60_000, 60_000))
    empty = Reading(input_tokens=AxisReading(60_000, 50_000))
    outcome = Throttled(JobError("rate_limit_error", "too much"), 1.0)
    giant = granted(limiter, 0.0, Demand(80_000, 10))
    limiter.settle(giant, Reply(outcome, reading=empty), now=0.0, jitter=0.0)
    assert limiter.too_big(Demand(0, 0), Demand(79_000, 0)) is None
    assert "80,000 input tokens" in (limiter.too_big(Demand(0, 0), Demand(80_000, 0)) or "")


def test_a_giant_that_passed_once_may_pass_again() -> None:
    limiter = a_limiter()
    read_by(limiter, 0.0, input_tokens=AxisReading(60_000, 60_000))
    limiter.settle(granted(limiter, 0.0, Demand(80_000, 10)), well(80_000, 10), now=0.0, jitter=0.0)
    assert limiter.too_big(Demand(75_000, 0)) is None
    assert limiter.too_big(Demand(85_000, 0)) is not None


def test_a_giant_is_not_the_first_probe() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), throttled(1.0), now=0.0, jitter=0.0)
    refusal = refused(limiter, 2.0, Demand(30_000, 10))
    assert (refusal.at, refusal.smaller_may_pass) == (1.0 + SMALL_PROBE_S, True)
    assert granted(limiter, 2.0).probe


# Families of headers


def test_a_workspace_limit_in_the_combined_family_binds_from_then_on() -> None:
    limiter = a_limiter()
    sum_of_both, own = AxisReading(72_000, 72_000), AxisReading(20_000, 10_000)
    read_by(limiter, 0.0, tokens=sum_of_both)
    assert len(snapshot(limiter).buckets) == 3
    in_flight = granted(limiter, 0.0, Demand(2_000, 100))
    read_by(limiter, 1.0, tokens=own)
    assert snapshot(limiter, 1.0).buckets[3].axis is Axis.TOKENS
    limiter.settle(in_flight, well(2_000, 100, Reading(tokens=sum_of_both)), now=2.0, jitter=0.0)
    read_by(limiter, 2.0, tokens=AxisReading(18_000, 10_000))
    assert snapshot(limiter, 2.0).buckets[3].limit_per_min == 18_000
    granted(limiter, 2.0, Demand(15_000, 100))
    assert refused(limiter, 2.0).why in ("input_tokens bucket", "tokens bucket")
    assert limiter.memory()["limits"] == {"tokens": 18_000}


def test_a_workspace_limit_that_was_lifted_is_forgotten_after_ten_minutes() -> None:
    limiter = a_limiter()
    read_by(limiter, 0.0, tokens=AxisReading(20_000, 10_000))
    read_by(limiter, 599.0, tokens=AxisReading(72_000, 72_000))
    assert len(snapshot(limiter, 599.0).buckets) == 4
    in_flight = granted(limiter, 599.0)
    read_by(limiter, 600.0, tokens=AxisReading(72_000, 72_000))
    assert len(snapshot(limiter, 600.0).buckets) == 3
    limiter.settle(in_flight, well(), now=601.0, jitter=0.0)
    read_by(limiter, 602.0, tokens=AxisReading(20_000, 10_000))
    assert snapshot(limiter, 602.0).buckets[3].limit_per_min == 20_000


@pytest.mark.parametrize("limit", [None, 0])
def test_a_combined_family_without_a_limit_says_nothing(limit: int | None) -> None:
    limiter = a_limiter()
    read_by(limiter, 0.0, tokens=AxisReading(limit, 5), input_tokens=AxisReading(50_000, 50_000))
    assert len(snapshot(limiter).buckets) == 3


def test_fast_mode_has_limits_of_its_own() -> None:
    limiter = a_limiter()
    usage = Usage(input_tokens=3_000, output_tokens=500, speed="fast")
    reply = Reply(well().outcome, usage, reading=Reading(input_tokens=AxisReading(10, 1)))
    limiter.settle(granted(limiter, 0.0), reply, now=0.0, jitter=0.0)
    assert level(limiter, Axis.INPUT_TOKENS, 0.0) == 5_000
    assert snapshot(limiter).buckets[1].limit_per_min == 60_000


# Calls in flight


def test_a_pool_that_nobody_knows_gets_few_calls_until_the_first_answer() -> None:
    limiter = a_limiter(cold_in_flight=2)
    first = granted(limiter, 0.0)
    granted(limiter, 0.0)
    assert refused(limiter, 0.0) == NotBefore(None, "waiting for a first answer")
    limiter.settle(first, well(), now=1.0, jitter=0.0)
    refused(limiter, 1.0)
    granted(limiter, 2.0)
    granted(limiter, 2.0)


@pytest.mark.parametrize("reply", [overloaded(), lost()])
def test_an_overloaded_api_gets_fewer_calls_at_once(reply: Reply) -> None:
    limiter = a_limiter(ceiling=CeilingSettings(initial=10, shrink=0.5))
    for call in [granted(limiter, 0.0), granted(limiter, 0.0)]:
        limiter.settle(call, reply, now=1.0, jitter=0.0)
    assert snapshot(limiter).ceiling == 5


@pytest.mark.parametrize(
    "reply",
    [
        well(),
        throttled(1.0),
        Reply(Rejected(ERROR)),
        Reply(Blocked(ERROR, HoldCause.CREDIT)),
        Reply(Interrupted(ERROR)),
    ],
)
def test_nothing_else_lowers_the_ceiling(reply: Reply) -> None:
    limiter = a_limiter(ceiling=CeilingSettings(initial=10, shrink=0.5))
    limiter.settle(granted(limiter, 0.0), reply, now=1.0, jitter=0.0)
    assert snapshot(limiter).ceiling >= 10


def test_a_failure_now_and_then_among_answers_lowers_nothing() -> None:
    limiter = a_limiter(ceiling=CeilingSettings(initial=10))
    for second in range(20):
        for reply in (overloaded(), *[well()] * 19):
            call = granted(limiter, 5.0 * second)
            limiter.settle(call, reply, now=5.0 * second, jitter=0.0)
    assert snapshot(limiter).ceiling == 10


def test_a_well_used_ceiling_grows() -> None:
    limiter = a_limiter(ceiling=CeilingSettings(initial=4))
    for _ in range(4):
        granted(limiter, 0.0)
    now = 0.0
    while now < 4.0:
        verdict = limiter.reserve(Demand(1, 1), now)
        now += 0.5
        if isinstance(verdict, NotBefore):
            assert verdict.at is not None
    assert snapshot(limiter, now).ceiling > 4


def test_what_is_kept_for_the_lanes_above_needs_no_filling_once_headers_name_a_larger_limit() -> None:
    limiter = a_limiter(reserve=0.05)
    told = AxisReading(limit=600_000, remaining=590_000)
    read_by(limiter, 0.0, input_tokens=told)
    assert isinstance(limiter.reserve(Demand(1, 3_000, 1), 0.0, keep=0.05), Permit)


def test_but_nothing_is_there_that_the_api_does_not_have() -> None:
    limiter = a_limiter(reserve=0.05)
    read_by(limiter, 0.0, input_tokens=AxisReading(limit=600_000, remaining=20_000))
    assert level(limiter, Axis.INPUT_TOKENS, 0.0) <= 20_000


# Over a restart


def test_theta_and_the_limits_outlive_a_restart_without_filling_a_bucket() -> None:
    before = a_limiter()
    read_by(before, 0.0, input_tokens=AxisReading(limit=6_000), requests=AxisReading(limit=60))
    before.settle(granted(before, 0.0), throttled(1.0), now=0.5, jitter=0.0)
    after = a_limiter(cold_theta=0.5)
    after.recall(before.memory(), now=0.0)
    assert after.theta == pytest.approx(0.9)
    assert [bucket.limit_per_min for bucket in snapshot(after).buckets] == [60, 6_000, 12_000]
    assert snapshot(after).limits_known
    assert all(bucket.level <= bucket.capacity for bucket in snapshot(after).buckets)


def test_limits_that_no_header_named_are_not_remembered() -> None:
    assert a_limiter().memory()["limits"] == {}


def test_an_empty_or_odd_memory_changes_little() -> None:
    limiter = a_limiter(cold_theta=0.5)
    limiter.recall({}, now=0.0)
    assert limiter.theta == 0.5
    limiter.recall({"theta": 0.0, "limits": {"requests": 0}}, now=0.0)
    assert limiter.theta == 0.1
    assert not snapshot(limiter).limits_known


def test_a_probe_that_fails_turns_a_429_into_an_outage() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), throttled(1.0), now=0.0, jitter=0.0)
    assert limiter.settle(granted(limiter, 5.0), Reply(Transient(ERROR)), now=6.0, jitter=0.0) == 5.0
    assert snapshot(limiter, 6.0).gate == "paused in an outage"


def test_a_throttled_call_without_retry_after_pauses_by_the_settings() -> None:
    limiter = a_limiter()
    assert limiter.settle(granted(limiter, 0.0), Reply(Throttled(ERROR)), now=0.0, jitter=0.0) == 5.0


def test_a_first_answer_shows_that_what_is_kept_for_the_lanes_above_is_there() -> None:
    limiter = Limiter(LIMITS, LimiterSettings(), now=0.0, reserve=0.05)
    first = limiter.reserve(a_demand(), 0.0, keep=0.05)
    assert isinstance(first, Permit)
    told = {axis.value: AxisReading(LIMITS.on(axis), LIMITS.on(axis)) for axis in OWN_AXES}
    limiter.settle(first, well(reading=Reading(**told)), 0.5, jitter=0.0)
    assert isinstance(limiter.reserve(a_demand(), 1.0, keep=0.05), Permit)


def test_after_a_restart_nobody_waits_until_what_is_kept_for_the_lanes_above_has_gathered() -> None:
    limiter = Limiter(LIMITS, LimiterSettings(), now=0.0, reserve=0.05)
    limiter.recall({"theta": 0.5, "limits": {axis.value: 20 * LIMITS.on(axis) for axis in OWN_AXES}}, 0.0)
    assert isinstance(limiter.reserve(a_demand(), 0.0, keep=0.05), Permit)

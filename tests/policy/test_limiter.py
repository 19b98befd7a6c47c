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
from claudeflow.domain.quota import Axis, AxisReading, Demand, Reading
from claudeflow.domain.report import PoolStatus
from claudeflow.domain.usage import Usage
from claudeflow.policy.ceiling import CeilingSettings
from claudeflow.policy.gate import NotBefore
from claudeflow.policy.limiter import Limiter, LimiterSettings, Permit, PoolLimits
from tests.policy.builders import ERROR, a_demand, lost, overloaded, throttled, well

LIMITS = PoolLimits(requests=600, input_tokens=60_000, output_tokens=12_000)
"""10 requests, 1,000 input and 200 output tokens a second; five times that at once."""


def a_limiter(limits: PoolLimits = LIMITS, **changes: Any) -> Limiter:
    """Warm and steady at the whole of its limits unless told otherwise."""
    steady: dict[str, Any] = {
        "cold_theta": 1.0,
        "theta_growth": 0.0,
        "cold_in_flight": 1_000,
        "ceiling": CeilingSettings(initial=1_000),
    }
    return Limiter(limits, LimiterSettings(**(steady | changes)), now=0.0)


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
    assert [level(limiter, axis, 0.0) for axis in Axis] == [49.0, 3_000.0, 700.0]


@pytest.mark.parametrize(
    ("first", "second", "why", "at"),
    [
        (Demand(0, 0, 50), Demand(0, 0), "requests bucket", 0.1),
        (Demand(5_000, 0), Demand(1_000, 0), "input_tokens bucket", 1.0),
        (Demand(0, 1_000), Demand(0, 400), "output_tokens bucket", 2.0),
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
    assert [level(limiter, axis, 0.0) for axis in Axis] == [49.0, 5_000.0, 1_000.0]


def test_a_request_that_never_left_draws_nothing() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), Reply(Rejected(ERROR), sent=False), now=0.0, jitter=0.0)
    assert [level(limiter, axis, 0.0) for axis in Axis] == [50.0, 5_000.0, 1_000.0]


def test_an_abandoned_permit_gives_everything_back() -> None:
    limiter = a_limiter()
    before = snapshot(limiter)
    limiter.abandon(granted(limiter, 0.0, Demand(4_000, 900)))
    assert snapshot(limiter) == before


@pytest.mark.parametrize("first_ending", ["settle", "abandon"])
@pytest.mark.parametrize("second_ending", ["settle", "abandon"])
def test_a_permit_ends_exactly_once(first_ending: str, second_ending: str) -> None:
    limiter = a_limiter()
    permit = granted(limiter, 0.0)

    def end(how: str) -> None:
        if how == "settle":
            limiter.settle(permit, well(), now=1.0, jitter=0.0)
        else:
            limiter.abandon(permit)

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
    assert level(limiter, Axis.INPUT_TOKENS, 0.0) == pytest.approx(-15_500)
    assert refused(limiter, 0.0).at == pytest.approx(31.2)


def test_an_out_of_order_reading_is_ignored() -> None:
    limiter = a_limiter()
    older, newer = granted(limiter, 0.0), granted(limiter, 0.0)
    limiter.settle(newer, well(reading=Reading(requests=AxisReading(600, 40))), now=1.0, jitter=0.0)
    limiter.settle(older, well(reading=Reading(requests=AxisReading(60, 1))), now=1.0, jitter=0.0)
    assert snapshot(limiter).buckets[0].limit_per_min == 600
    assert level(limiter, Axis.REQUESTS, 1.0) == 40


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
    limiter.abandon(granted(limiter, 31.0))
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
    limiter, now = a_limiter(theta_floor=0.5), 0.0
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


def test_a_ramp_429_halves_the_growth_as_well() -> None:
    limiter = a_limiter(cold_theta=0.5, theta_growth=0.01)
    limiter.settle(granted(limiter, 0.0), throttled(1.0, ThrottleKind.RAMP), now=0.0, jitter=0.0)
    limiter.settle(granted(limiter, 10.0), well(), now=10.0, jitter=0.0)
    limiter.reserve(a_demand(), 20.0)
    assert limiter.theta == pytest.approx(0.45 + 10 * 0.005)


# θ


def test_theta_grows_in_calm_and_never_beyond_the_limits() -> None:
    limiter = a_limiter(cold_theta=0.5, theta_growth=0.01)
    limiter.reserve(a_demand(), 10.0)
    assert limiter.theta == pytest.approx(0.6)
    limiter.reserve(a_demand(), 1_000.0)
    assert limiter.theta == 1.0
    limiter.reserve(a_demand(), 2_000.0)
    assert limiter.theta == 1.0


def test_theta_does_not_grow_while_the_pool_is_closed() -> None:
    limiter = a_limiter(cold_theta=0.5, theta_growth=0.01)
    limiter.settle(granted(limiter, 0.0), throttled(1_000.0), now=0.0, jitter=0.0)
    refused(limiter, 500.0)
    granted(limiter, 1_000.0)
    assert limiter.theta == pytest.approx(0.45)


# Calls in flight


def test_a_pool_that_nobody_knows_gets_few_calls_until_the_first_answer() -> None:
    limiter = a_limiter(cold_in_flight=2)
    first = granted(limiter, 0.0)
    granted(limiter, 0.0)
    assert refused(limiter, 0.0) == NotBefore(None, "ceiling on calls in flight")
    limiter.settle(first, well(), now=1.0, jitter=0.0)
    granted(limiter, 1.0)
    granted(limiter, 1.0)


@pytest.mark.parametrize("reply", [overloaded(), lost()])
def test_an_overloaded_api_gets_fewer_calls_at_once(reply: Reply) -> None:
    limiter = a_limiter(ceiling=CeilingSettings(initial=10, shrink=0.5))
    limiter.settle(granted(limiter, 0.0), reply, now=1.0, jitter=0.0)
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


def test_a_well_used_ceiling_grows() -> None:
    limiter = a_limiter(ceiling=CeilingSettings(initial=4))
    calls = [granted(limiter, 0.0) for _ in range(4)]
    for call in calls:
        limiter.settle(call, well(), now=1.0, jitter=0.0)
    assert snapshot(limiter).ceiling > 4


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
    assert a_limiter().memory() == {"theta": 1.0, "limits": {}}


def test_an_empty_or_odd_memory_changes_little() -> None:
    limiter = a_limiter(cold_theta=0.5)
    limiter.recall({}, now=0.0)
    assert limiter.theta == 0.5
    limiter.recall({"theta": 0.0}, now=0.0)
    assert limiter.theta == 0.1


def test_a_transient_failure_opens_the_gate_like_any_answer_of_the_probe() -> None:
    limiter = a_limiter()
    limiter.settle(granted(limiter, 0.0), throttled(1.0), now=0.0, jitter=0.0)
    limiter.settle(granted(limiter, 5.0), Reply(Transient(ERROR)), now=6.0, jitter=0.0)
    assert not limiter.held


def test_a_throttled_call_without_retry_after_pauses_by_the_settings() -> None:
    limiter = a_limiter()
    assert limiter.settle(granted(limiter, 0.0), Reply(Throttled(ERROR)), now=0.0, jitter=0.0) == 5.0

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.twin.bucket import Bucket
from claudeflow.twin.changes import Change
from claudeflow.twin.headers import Gauges, rate_headers, rounded_thousand
from claudeflow.twin.limits import INPUT_TOKENS, OUTPUT_TOKENS, REQUESTS, Gauge
from claudeflow.twin.pool import Pool, PoolRules
from claudeflow.twin.ramp import Ramp
from claudeflow.twin.tiers import TIERS, Limits, limits_of
from tests.twin.builders import WoundClock, a_call, a_twin, headers_of, json_of


def a_pool(rpm: int = 60, itpm: int = 60_000, otpm: int = 6_000, burst_s: float | None = None) -> Pool:
    return Pool("opus-5", Limits(rpm, itpm, otpm), PoolRules(burst_s), 0.0)


def test_a_bucket_refills_continuously_and_never_above_its_capacity() -> None:
    bucket = Bucket(1.0, 60, 0.0)
    bucket.take(30, 0.0)

    assert bucket.level(10.5) == pytest.approx(40.5)
    assert bucket.level(1_000.0) == 60


def test_a_bucket_in_debt_says_how_deep_by_the_time_when_it_is_full() -> None:
    bucket = Bucket(500.0, 30_000, 0.0)
    bucket.take(45_500, 0.0)

    assert bucket.level(0.0) == -15_500
    assert bucket.full_at(0.0) == pytest.approx(91.0)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 5_000)), max_size=30))
def test_what_a_bucket_grants_over_time_never_exceeds_capacity_plus_refill(
    steps: list[tuple[float, int]],
) -> None:
    bucket, now, granted = Bucket(100.0, 6_000, 0.0), 0.0, 0
    for pause, amount in steps:
        now += pause
        if bucket.level(now) >= amount:
            bucket.take(amount, now)
            granted += amount

    assert granted <= 6_000 + 100.0 * now + 1e-6


@given(st.floats(0.1, 100), st.floats(0, 60), st.integers(0, 5_000))
def test_a_settled_draw_charges_exactly_what_was_generated(speed: float, seconds: float, tokens: int) -> None:
    bucket = Bucket(1.0, 1_000_000, 0.0)
    bucket.take(500_000, 0.0)
    bucket.draw(speed, 0.0)
    bucket.level(seconds / 2)
    bucket.draw(-speed, seconds)
    bucket.take(tokens - speed * seconds, seconds)

    assert bucket.level(seconds) == pytest.approx(500_000 + seconds - tokens, abs=1e-3)
    assert bucket.used == pytest.approx(500_000 + tokens, abs=1e-3)


def test_requests_are_refused_one_by_one_with_whole_seconds_to_wait() -> None:
    pool = a_pool(rpm=30)
    for _ in range(30):
        assert pool.admit(1, 0.0) is None

    refusal = pool.admit(1, 0.0)

    assert refusal is not None
    assert (refusal.dimension, refusal.limit, refusal.retry_after_s) == (REQUESTS, 30, 2)
    assert pool.admit(1, 2.0) is None


def test_one_large_request_passes_a_token_bucket_that_is_above_zero_and_leaves_debt() -> None:
    pool = a_pool(itpm=60_000)
    assert pool.admit(59_999, 0.0) is None
    assert pool.admit(90_000, 0.0) is None

    refusal = pool.admit(1, 0.0)

    assert refusal is not None
    assert refusal.dimension == INPUT_TOKENS
    assert refusal.retry_after_s == 90
    assert pool.input.gauge(0.0).level == -89_999


def test_output_in_debt_refuses_new_requests_and_names_itself() -> None:
    pool = a_pool(otpm=6_000)
    pool.output.take(6_500, 0.0)

    refusal = pool.admit(1, 0.0)

    assert refusal is not None
    assert (refusal.dimension, refusal.retry_after_s) == (OUTPUT_TOKENS, 5)


def test_a_short_window_refuses_a_burst_that_the_minute_would_allow() -> None:
    pool = a_pool(rpm=60, burst_s=1)
    assert pool.admit(1, 0.0) is None
    assert pool.admit(1, 0.0) is not None
    assert pool.requests.gauge(0.0).level == 59
    assert pool.admit(1, 1.0) is None


def test_a_ramp_allows_the_floor_at_once_and_then_a_factor_of_the_minute_before() -> None:
    ramp = Ramp(start_rpm=60, growth=2.0)
    admitted = 0
    for second in range(120):
        for _ in range(10):
            if ramp.refuse(second) is None:
                ramp.count(second)
                admitted += second < 10
    assert admitted == 10

    refusal = ramp.refuse(119)

    assert refusal is not None
    assert refusal.ramp
    assert refusal.limit > 60


def test_changing_limits_keeps_the_filled_share() -> None:
    pool = a_pool(rpm=60)
    for _ in range(30):
        pool.admit(1, 0.0)
    pool.change(Limits(120, 1, 1), 0.0)

    assert pool.requests.gauge(0.0) == Gauge(120, 60, 30.0)


@pytest.mark.parametrize(
    ("level", "shown"), [(-1, 0), (499, 0), (500, 1_000), (1_499, 1_000), (29_500, 30_000)]
)
def test_token_levels_are_shown_to_the_nearest_thousand(level: float, shown: int) -> None:
    assert rounded_thousand(level) == shown


@pytest.mark.parametrize(("families", "lines"), [("all", 12), ("nine", 9), ("six", 6), ("none", 0)])
def test_header_families_can_be_left_out(families: str, lines: int) -> None:
    gauge = Gauge(1_000, 500, 10.0)
    assert len(rate_headers(Gauges(gauge, gauge, gauge), 0.0, families)) == lines


def test_each_tier_grants_at_least_what_the_one_below_does() -> None:
    for pool in ("opus-5", "fable-5"):
        rows = [limits_of(tier, pool) for tier in TIERS]
        assert rows == sorted(rows, key=lambda row: (row.rpm, row.itpm, row.otpm))
    assert limits_of("build", "fable-5") == Limits(2_000, 1_500_000, 300_000)
    assert limits_of("scale", "haiku-5-5") == Limits(10_000, 10_000_000, 2_000_000)


async def test_a_refusal_names_the_limit_and_carries_headers_and_retry_after() -> None:
    twin = a_twin(rpm=2)
    for _ in range(2):
        await twin.handle(a_call())

    answer = await twin.handle(a_call())

    assert answer.status == 429
    assert "rate limit of 2 requests per minute" in json_of(answer)["error"]["message"]
    headers = headers_of(answer)
    assert headers["retry-after"] == "30"
    assert headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert headers["x-should-retry"] == "true"


async def test_models_of_one_pool_share_its_limits_and_others_do_not() -> None:
    twin = a_twin(rpm=1)
    assert (await twin.handle(a_call(model="claude-opus-4-8"))).status == 200
    assert (await twin.handle(a_call(model="claude-opus-4-6"))).status == 429
    assert (await twin.handle(a_call(model="claude-opus-5"))).status == 200


async def test_a_call_before_retry_after_has_passed_is_counted_as_early() -> None:
    clock = WoundClock()
    twin = a_twin(clock, rpm=2)
    for _ in range(4):
        await twin.handle(a_call())
    assert twin.stats().early_calls == 0
    clock.advance(29.9)
    await twin.handle(a_call())
    clock.advance(1.0)
    await twin.handle(a_call())

    assert twin.stats().early_calls == 1


async def test_a_twin_of_the_evaluation_tier_refuses_the_fifty_first_request() -> None:
    twin = a_twin(tier="evaluation")
    statuses = [(await twin.handle(a_call(max_tokens=1))).status for _ in range(51)]
    assert statuses == [200] * 50 + [429]


async def test_other_consumers_and_changed_limits_are_felt() -> None:
    twin = a_twin(rpm=100)
    twin.consume("claude-opus-5", requests=99)
    assert (await twin.handle(a_call())).status == 200
    assert (await twin.handle(a_call())).status == 429
    twin.change_limits(Change(rpm=6_000))
    answer = await twin.handle(a_call(model="claude-sonnet-5"))
    assert headers_of(answer)["anthropic-ratelimit-requests-limit"] == "6000"


async def test_more_calls_in_flight_than_allowed_are_refused_without_retry_after() -> None:
    twin = a_twin(max_in_flight=1, ttft_s=1.0, tokens_per_s=10.0)
    import asyncio

    first, second = await asyncio.gather(twin.handle(a_call()), twin.handle(a_call(max_tokens=7)))

    assert (first.status, second.status) == (200, 429)
    assert "retry-after" not in headers_of(second)


async def test_the_spend_cap_is_a_429_with_a_code_and_without_retry_after() -> None:
    twin = a_twin(spend_cap_nanousd=1)
    await twin.handle(a_call())
    answer = await twin.handle(a_call())

    assert answer.status == 429
    assert json_of(answer)["error"]["details"] == {"error_code": "enforced_spend_limit_reached"}
    assert "retry-after" not in headers_of(answer)

"""What no sequence of events may bring a limiter to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.quota import OWN_AXES, Axis, AxisReading, Demand, Reading
from claudeflow.policy.limits.ceiling import CeilingSettings
from claudeflow.policy.limits.limiter import Limiter, Permit
from claudeflow.policy.limits.margin import MarginSettings
from claudeflow.policy.limits.settings import LimiterSettings, PoolLimits
from tests.policy.builders import a_demand, throttled, well

LIMITS = PoolLimits(requests=120, input_tokens=60_000, output_tokens=12_000)
STEADY = LimiterSettings(
    cold_in_flight=10_000,
    margin=MarginSettings(cold_theta=1.0, growth=0.0),
    ceiling=CeilingSettings(initial=4_000),
)
ROUNDING = 1e-6


@dataclass(frozen=True)
class Step:
    """A call is asked for after `gap_s`; then the oldest one ends, or does not."""

    gap_s: float
    demand: Demand
    ends: bool
    actual_share: float


STEPS = st.lists(
    st.builds(
        Step,
        gap_s=st.floats(0, 10),
        demand=st.builds(Demand, st.floats(0, 9_000), st.floats(0, 2_000)),
        ends=st.booleans(),
        actual_share=st.floats(0, 3),
    ),
    min_size=1,
    max_size=40,
)


def drawn_before_each_grant(
    limiter: Limiter, steps: list[Step]
) -> Iterator[tuple[float, Demand, dict[Axis, float]]]:
    """The moment of each grant, what was granted, and what had been drawn until then as far as known."""
    now, drawn = 0.0, dict.fromkeys(OWN_AXES, 0.0)
    out: list[Permit] = []
    for step in steps:
        now += step.gap_s
        verdict = limiter.reserve(step.demand, now)
        if isinstance(verdict, Permit):
            yield now, step.demand, dict(drawn)
            out.append(verdict)
            drawn = {axis: drawn[axis] + step.demand.on(axis) for axis in OWN_AXES}
        if step.ends and out:
            permit = out.pop(0)
            asked = permit.demand
            actual = Demand(
                int(asked.input_tokens * step.actual_share), int(asked.output_tokens * step.actual_share)
            )
            reply = well(int(actual.input_tokens), int(actual.output_tokens))
            limiter.settle(permit, reply, now, jitter=0.0)
            drawn = {axis: drawn[axis] + actual.on(axis) - asked.on(axis) for axis in OWN_AXES}


@given(STEPS)
def test_no_schedule_of_calls_gets_more_than_the_burst_and_the_refill_on_any_axis(steps: list[Step]) -> None:
    limiter = Limiter(LIMITS, STEADY, now=0.0)
    for now, demand, drawn in drawn_before_each_grant(limiter, steps):
        for axis in OWN_AXES:
            rate = LIMITS.on(axis) / 60
            burst = rate * STEADY.margin.burst_s
            allowed = burst + rate * now
            assert drawn[axis] + min(demand.on(axis), 0.9 * rate) <= allowed + ROUNDING * (1 + allowed)


@given(STEPS)
def test_whoever_asks_again_when_told_to_gets_leave(steps: list[Step]) -> None:
    limiter, now = Limiter(LIMITS, STEADY, now=0.0), 0.0
    for step in steps:
        now += step.gap_s
        for _ in range(4):
            verdict = limiter.reserve(step.demand, now)
            if isinstance(verdict, Permit):
                break
            assert verdict.at is not None
            assert verdict.at > now
            now = verdict.at
        assert isinstance(verdict, Permit)


@given(STEPS)
def test_permits_in_flight_are_counted(steps: list[Step]) -> None:
    limiter = Limiter(LIMITS, STEADY, now=0.0)
    out: list[Permit] = []
    for step in steps:
        verdict = limiter.reserve(step.demand, 0.0)
        if isinstance(verdict, Permit):
            out.append(verdict)
        if step.ends and out:
            limiter.abandon(out.pop(), 0.0)
        assert limiter.in_flight == len(out)


@given(
    requests=st.integers(0, 120),
    input_tokens=st.integers(0, 60_000),
    full_in_s=st.none() | st.floats(-10, 300),
    now=st.floats(0, 100),
)
def test_a_reading_never_raises_a_level(
    requests: int, input_tokens: int, full_in_s: float | None, now: float
) -> None:
    limiter = Limiter(LIMITS, STEADY, now=0.0)
    limiter.reserve(a_demand(4_000.0, 500.0), 0.0)
    permit = limiter.reserve(Demand(0, 0, 0), now)
    assert isinstance(permit, Permit)
    before = limiter.snapshot("p", now).buckets
    reading = Reading(
        requests=AxisReading(remaining=requests),
        input_tokens=AxisReading(remaining=input_tokens, full_in_s=full_in_s),
    )
    limiter.settle(permit, well(0, 0, reading), now, jitter=0.0)
    after = limiter.snapshot("p", now).buckets
    assert after[1].level <= before[1].level
    assert after[2].level <= before[2].level


@given(
    retry_after_s=st.floats(0.001, 100_000),
    jitter=st.floats(0, 1, exclude_max=True),
    asked=st.lists(st.floats(0, 1, exclude_max=True), max_size=10),
)
def test_nothing_goes_before_retry_after_has_passed(
    retry_after_s: float, jitter: float, asked: list[float]
) -> None:
    limiter = Limiter(LIMITS, STEADY, now=0.0)
    permit = limiter.reserve(a_demand(), 0.0)
    assert isinstance(permit, Permit)
    limiter.settle(permit, throttled(retry_after_s), now=1.0, jitter=jitter)
    for share in sorted(asked):
        assert not isinstance(limiter.reserve(a_demand(), 1.0 + share * retry_after_s * 0.999999), Permit)


@given(st.lists(st.floats(0, 500), min_size=2, max_size=20), st.floats(0, 1, exclude_max=True))
def test_between_a_429_and_the_end_of_its_probe_at_most_one_call_goes(
    gaps_s: list[float], jitter: float
) -> None:
    limiter, now = Limiter(LIMITS, STEADY, now=0.0), 1.0
    permit = limiter.reserve(a_demand(), 0.0)
    assert isinstance(permit, Permit)
    limiter.settle(permit, throttled(30.0), now=now, jitter=jitter)
    gone = 0
    for gap_s in gaps_s:
        now += gap_s
        gone += isinstance(limiter.reserve(a_demand(), now), Permit)
    assert gone <= 1

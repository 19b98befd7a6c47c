"""What a call's outcome means for its job."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.attempt import (
    Blocked,
    Interrupted,
    Outcome,
    Overloaded,
    Rejected,
    Succeeded,
    Throttled,
    Transient,
)
from claudeflow.domain.hold import HoldCause
from claudeflow.policy.retries.retry import (
    Complete,
    Decision,
    Fail,
    HoldAndRelease,
    Release,
    RetryAfter,
    RetrySettings,
    Tries,
    backoff_bound_s,
    decide,
)
from tests.policy.builders import ERROR

SETTINGS = RetrySettings(base_s=1.0, cap_s=300.0)
FRESH = Tries(attempts=0, spent_s=0.0, window_s=3_600.0)
JITTER = st.floats(0, 1, exclude_max=True)

DECISIONS: list[tuple[Outcome, Decision]] = [
    (Succeeded("end_turn"), Complete("end_turn")),
    (Throttled(ERROR, retry_after_s=60.0), Release("throttled")),
    (Interrupted(ERROR), Release("interrupted")),
    (Blocked(ERROR, HoldCause.CREDIT), HoldAndRelease(HoldCause.CREDIT, ERROR)),
    (Blocked(ERROR, HoldCause.PERMISSION, 300.0), HoldAndRelease(HoldCause.PERMISSION, ERROR, 300.0)),
    (Rejected(ERROR), Fail(ERROR)),
    (Overloaded(ERROR), RetryAfter(0.5, ERROR)),
    (Transient(ERROR), RetryAfter(0.5, ERROR)),
    (Overloaded(ERROR, retry_after_s=8.0), RetryAfter(8.8, ERROR)),
    (Transient(ERROR, retry_after_s=8.0), RetryAfter(8.8, ERROR)),
]


@pytest.mark.parametrize(("outcome", "decision"), DECISIONS, ids=lambda value: type(value).__name__)
def test_every_outcome_has_its_decision(outcome: Outcome, decision: Decision) -> None:
    assert decide(outcome, FRESH, SETTINGS, jitter=0.5) == decision


@pytest.mark.parametrize(
    ("attempts", "bound_s"), [(0, 1.0), (1, 2.0), (2, 4.0), (8, 256.0), (9, 300.0), (10_000, 300.0)]
)
def test_the_longest_wait_doubles_up_to_a_cap(attempts: int, bound_s: float) -> None:
    assert backoff_bound_s(attempts, SETTINGS) == bound_s


@given(attempts=st.integers(0, 50), jitter=JITTER, retry_after_s=st.none() | st.floats(0, 1_000))
def test_a_retry_waits_at_least_as_long_as_the_api_asked_for_and_a_random_bit_more(
    attempts: int, jitter: float, retry_after_s: float | None
) -> None:
    tries = Tries(attempts, spent_s=0.0, window_s=10_000.0)
    decision = decide(Overloaded(ERROR, retry_after_s), tries, SETTINGS, jitter)
    assert isinstance(decision, RetryAfter)
    floor_s = retry_after_s or 0.0
    most_late_s = max(backoff_bound_s(attempts, SETTINGS), min(5.0, 0.2 * floor_s))
    assert floor_s <= decision.delay_s <= floor_s + most_late_s


@pytest.mark.parametrize(("retry_after_s", "late_s"), [(2.0, 1.0), (20.0, 4.0), (3_000.0, 5.0)])
def test_after_retry_after_retries_are_spread_by_a_fifth_of_it_up_to_five_seconds(
    retry_after_s: float, late_s: float
) -> None:
    tries = Tries(0, spent_s=0.0, window_s=10_000.0)
    at_once, last = (
        decide(Overloaded(ERROR, retry_after_s), tries, SETTINGS, jitter) for jitter in (0.0, 0.999)
    )
    assert at_once == RetryAfter(retry_after_s, ERROR)
    assert last == RetryAfter(pytest.approx(retry_after_s + 0.999 * late_s), ERROR)  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", [Overloaded(ERROR), Transient(ERROR)])
def test_a_job_fails_when_its_next_try_would_come_after_its_window(outcome: Outcome) -> None:
    inside, outside = Tries(3, 92.0, window_s=100.0), Tries(3, 92.1, window_s=100.0)
    assert decide(outcome, inside, SETTINGS, jitter=0.999) == RetryAfter(7.992, ERROR)
    assert decide(outcome, outside, SETTINGS, jitter=0.999) == Fail(ERROR)


@pytest.mark.parametrize("outcome", [Throttled(ERROR), Interrupted(ERROR), Blocked(ERROR, HoldCause.BILLING)])
def test_what_is_not_the_jobs_fault_never_fails_it_however_long_it_takes(outcome: Outcome) -> None:
    assert not isinstance(decide(outcome, Tries(500, 1e9, window_s=1.0), SETTINGS, jitter=0.0), Fail)


@given(st.integers(0, 100), JITTER, st.floats(0, 1e6))
def test_nothing_waits_beyond_its_window(attempts: int, jitter: float, spent_s: float) -> None:
    tries = Tries(attempts, spent_s, window_s=3_600.0)
    decision = decide(Transient(ERROR), tries, SETTINGS, jitter)
    assert isinstance(decision, Fail) or spent_s + decision.delay_s <= tries.window_s  # type: ignore[union-attr]

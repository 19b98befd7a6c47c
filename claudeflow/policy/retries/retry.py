"""Retry: what a call's outcome means for its job.

Full jitter after AWS ("Exponential Backoff And Jitter", 2015): the wait is uniform between zero
and a bound that doubles. `retry-after` on a retryable failure is a floor under it. The window is
time spent on trying (calls and the waits between them), not a count: time in the queue, under a
hold or in an outage of the pool is nobody's attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, assert_never

from annotated_types import Gt

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
from claudeflow.domain.job import JobError
from claudeflow.policy.retries.retry_budget import BudgetSettings

LATE_S = 5.0
LATE_SHARE = 0.2
"""After `retry-after` a retry is late by up to this share of it, and no more than LATE_S for that."""


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How long to back off: `base_s · 2^attempt`, at most `cap_s`, times chance; and how many may retry."""

    base_s: Annotated[float, Gt(0)] = 1.0
    cap_s: Annotated[float, Gt(0)] = 300.0
    budget: BudgetSettings = field(default_factory=BudgetSettings)


@dataclass(frozen=True, slots=True)
class Complete:
    """The job has its answer."""

    stop_reason: str


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """The job waits `delay_s` and is tried again; it used up an attempt.

    `turn_s` is when the pool's retry budget lets it go. Waiting for that takes nothing out of its window.
    """

    delay_s: float
    error: JobError
    turn_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fail:
    """The job ends with its error."""

    error: JobError


@dataclass(frozen=True, slots=True)
class Release:
    """The job goes back to the front of its lane and keeps its attempt."""

    reason: str


@dataclass(frozen=True, slots=True)
class HoldAndRelease:
    """The cause lies outside the job: it keeps its attempt and waits, `delay_s` behind the others."""

    cause: HoldCause
    error: JobError
    delay_s: float = 0.0


Decision = Complete | RetryAfter | Fail | Release | HoldAndRelease


@dataclass(frozen=True, slots=True)
class Tries:
    """How far a job has got: attempts used up before this one, and seconds spent on trying so far."""

    attempts: int
    spent_s: float
    window_s: float


def decide(outcome: Outcome, tries: Tries, settings: RetrySettings, jitter: float) -> Decision:
    """What to do with the job. `jitter` is in [0, 1)."""
    match outcome:
        case Succeeded(stop_reason):
            return Complete(stop_reason)
        case Throttled():
            return Release("throttled")
        case Interrupted():
            return Release("interrupted")
        case Blocked(error, cause, delay_s):
            return HoldAndRelease(cause, error, delay_s)
        case Rejected(error):
            return Fail(error)
        case Overloaded(error, retry_after_s) | Transient(error, retry_after_s):
            return _retry(error, retry_after_s or 0.0, tries, settings, jitter)
        case _:
            assert_never(outcome)


def backoff_bound_s(attempts: int, settings: RetrySettings) -> float:
    """The longest wait before the next attempt, given `attempts` used up."""
    return min(settings.cap_s, settings.base_s * 2.0 ** min(attempts, 30))


def _retry(
    error: JobError, retry_after_s: float, tries: Tries, settings: RetrySettings, jitter: float
) -> RetryAfter | Fail:
    late_s = min(LATE_S, LATE_SHARE * retry_after_s)
    delay_s = retry_after_s + jitter * max(late_s, backoff_bound_s(tries.attempts, settings))
    if tries.spent_s + delay_s > tries.window_s:
        return Fail(error)
    return RetryAfter(delay_s, error)

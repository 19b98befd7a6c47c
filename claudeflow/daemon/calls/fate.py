"""Fate: what a decision means for the job's row and its call's."""

from __future__ import annotations

from typing import assert_never

from claudeflow.domain.attempt import Failure, Outcome, Reply
from claudeflow.domain.job import JobState
from claudeflow.domain.usage import Bill
from claudeflow.policy.retries.retry import Complete, Decision, Fail, HoldAndRelease, Release, RetryAfter
from claudeflow.store.ledger import CallEnd, Finish, Requeue

CANCELLED = "cancelled"
SHUTDOWN = "shutdown"


def without_second_try(decision: Decision, outcome: Outcome) -> Decision:
    """What becomes of a job whose caller has read the beginning of its answer: there is no other."""
    if isinstance(decision, Complete | Fail) or not isinstance(outcome, Failure):
        return decision
    return Fail(outcome.error)


def end_of(reply: Reply, decision: Decision, bill: Bill | None, duration_s: float | None = None) -> CallEnd:
    """How the call goes into the books."""
    return CallEnd(
        outcome=type(reply.outcome).__name__.lower(),
        reply=reply,
        bill=bill,
        error=reply.outcome.error if isinstance(reply.outcome, Failure) else None,
        used_attempt=isinstance(decision, Complete | Fail | RetryAfter),
        duration_ms=None if duration_s is None else round(1000 * duration_s),
    )


def fate_of(
    decision: Decision, interrupted_by: str | None, now_ms: int, duration_s: float = 0.0
) -> Finish | Requeue:
    """What becomes of the job. A person's wish to cancel it outweighs everything but an answer."""
    if interrupted_by == CANCELLED and not isinstance(decision, Complete):
        return Finish(JobState.CANCELLED)
    match decision:
        case Complete(stop_reason):
            return Finish(JobState.SUCCEEDED, stop_reason)
        case Fail():
            return Finish(JobState.FAILED)
        case Release(reason):
            return Requeue(reason)
        case HoldAndRelease(cause, _, delay_s):
            return Requeue(f"held: {cause}", now_ms + round(delay_s * 1000) if delay_s else 0)
        case RetryAfter(delay_s, error, turn_s):
            wait_ms = max(1, round(max(delay_s, turn_s) * 1000))
            why = ", in its turn among the retries" if turn_s > delay_s else ""
            spent_ms = round((duration_s + delay_s) * 1000)
            return Requeue(f"retry after {error.type}{why}", now_ms + wait_ms, spent_ms)
        case _:
            assert_never(decision)

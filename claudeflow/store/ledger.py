"""The ledger: how a call's end, its attempt and its job's fate are written, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from claudeflow.domain.attempt import Reply
from claudeflow.domain.job import Job, JobError, JobState
from claudeflow.domain.report import Spend
from claudeflow.domain.usage import Bill, Usage
from claudeflow.policy.money.budget import DaySpend
from claudeflow.policy.money.scopes import CallScope
from claudeflow.store.rows import INLINE_BYTES, error_to_json
from claudeflow.store.statements import SQL


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended. `bill` is None when only the other side knows what it cost."""

    outcome: str
    reply: Reply
    bill: Bill | None
    error: JobError | None
    used_attempt: bool
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The job ends."""

    state: JobState
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Requeue:
    """The job goes back to the queue, not before `not_before_ms` (0: at once).

    `trying_ms` is what the attempt and the wait after it take out of the job's retry window. `alone`: it
    shares no call any more. `batched`: whether it goes by a batch, None: as before; `returned`: it comes
    back from one unanswered.
    """

    reason: str
    not_before_ms: int = 0
    trying_ms: int = 0
    alone: bool = False
    batched: bool | None = None
    returned: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """A job's part of a call that served `items` jobs; `slot` is its id in the pack."""

    items: int
    slot: str | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class Part:
    """How a shared call ended for one of its jobs: `end` has its own answer and its part of the cost."""

    job: Job
    end: CallEnd
    fate: Finish | Requeue
    share: Share


def record(raw: sqlite3.Connection, job: Job, end: CallEnd, fate: Finish | Requeue, now_ms: int) -> bool:
    """Write call, attempt, answer and state. False when the lease was lost: then only the cost is booked."""
    end_call(raw, job.call_id, end, now_ms)
    return record_try(raw, job, end, fate, now_ms)


def record_pack(
    raw: sqlite3.Connection, call_id: int, whole: CallEnd, parts: Sequence[Part], now_ms: int
) -> list[bool]:
    """Write a shared call, and for each of its jobs attempt, answer and state; whether each had its lease."""
    end_call(raw, call_id, whole, now_ms)
    return [record_try(raw, part.job, part.end, part.fate, now_ms, share=part.share) for part in parts]


def record_try(
    raw: sqlite3.Connection,
    job: Job,
    end: CallEnd,
    fate: Finish | Requeue,
    now_ms: int,
    *,
    share: Share | None = None,
) -> bool:
    """Write one try at a job and its fate, but nothing of the call; False when the lease was lost."""
    moved = (
        _finish(raw, job, end, fate, now_ms) if isinstance(fate, Finish) else _requeue(raw, job, end, fate)
    )
    if moved:
        add_attempt(raw, job, end, now_ms, share)
    elif end.bill is not None:
        _charge_late(raw, job, end.bill.cost_nanousd)
    return moved


def _charge_late(raw: sqlite3.Connection, job: Job, cost_nanousd: int) -> None:
    """The attempt was given up as one of unknown cost: now it and its job cost what its call does."""
    values = {"job_id": job.id, "call_id": job.call_id, "cost_nanousd": cost_nanousd}
    if raw.execute(SQL.charge_attempt, values).rowcount:
        raw.execute(SQL.charge_job, {"id": job.id, "cost_nanousd": cost_nanousd})


def end_call(raw: sqlite3.Connection, call_id: int, end: CallEnd, now_ms: int) -> None:
    """Settle a call with its usage and bill, or close it as unknown."""
    reply, bill = end.reply, end.bill
    common = {
        "id": call_id,
        "now_ms": now_ms,
        "outcome": end.outcome,
        "http_status": reply.http_status,
        "request_id": reply.request_id,
    }
    if bill is None:
        raw.execute(SQL.close_call_unknown, common)
        return
    usage = reply.usage
    raw.execute(
        SQL.settle_call,
        common
        | {
            "cost_nanousd": bill.cost_nanousd,
            "uncached_nanousd": bill.uncached_nanousd,
            "unbatched_nanousd": bill.unbatched_nanousd,
            "plain_nanousd": bill.plain_nanousd,
            "message_id": reply.message_id,
            "input_tokens": usage.input_tokens,
            "cache_write_5m_tokens": usage.cache_write_5m_tokens,
            "cache_write_1h_tokens": usage.cache_write_1h_tokens,
            "split_known": usage.split_known,
            "cache_read_tokens": usage.cache_read_tokens,
            "output_tokens": usage.output_tokens,
            "thinking_tokens": usage.thinking_tokens,
            "web_searches": usage.web_searches,
            "web_fetches": usage.web_fetches,
            "service_tier": usage.service_tier,
            "speed": usage.speed,
            "inference_geo": usage.inference_geo,
            "raw_usage": reply.raw_usage.decode(),
        },
    )


def _finish(raw: sqlite3.Connection, job: Job, end: CallEnd, fate: Finish, now_ms: int) -> bool:
    answer = end.reply.message if fate.state is JobState.SUCCEEDED else None
    inline = answer is None or len(answer) <= INLINE_BYTES
    moved = raw.execute(
        SQL.finish_job,
        {
            "id": job.id,
            "token": job.lease.token,
            "state": fate.state,
            "now_ms": now_ms,
            "stop_reason": fate.stop_reason,
            "error": error_to_json(end.error),
            "answer": answer if inline else None,
            "used_attempt": end.used_attempt,
            "cost_nanousd": end.bill.cost_nanousd if end.bill else 0,
        },
    ).rowcount
    if moved and not inline:
        raw.execute(SQL.insert_blob, {"job_id": job.id, "part": "answer", "data": answer})
    return moved == 1


def _requeue(raw: sqlite3.Connection, job: Job, end: CallEnd, fate: Requeue) -> bool:
    moved = raw.execute(
        SQL.requeue_job,
        {
            "id": job.id,
            "token": job.lease.token,
            "due": fate.not_before_ms == 0,
            "not_before_ms": fate.not_before_ms,
            "wait_reason": fate.reason,
            "trying_ms": fate.trying_ms,
            "used_attempt": end.used_attempt,
            "error": error_to_json(end.error),
            "cost_nanousd": end.bill.cost_nanousd if end.bill else 0,
            "alone": fate.alone,
            "batched": fate.batched,
            "batch_returns": fate.returned,
        },
    ).rowcount
    return moved == 1


def add_attempt(
    raw: sqlite3.Connection, job: Job, end: CallEnd, now_ms: int, share: Share | None = None
) -> None:
    """One more try at a job; `share` is its part of a call that served others too."""
    values = {
        "job_id": job.id,
        "number": job.tries,
        "call_id": job.call_id,
        "outcome": end.outcome,
        "used_attempt": end.used_attempt,
        "now_ms": now_ms,
        "cost_nanousd": end.bill.cost_nanousd if end.bill else 0,
        "error": error_to_json(end.error),
        "call_ms": end.duration_ms,
    }
    if share is None:
        raw.execute(SQL.insert_attempt, values)
        return
    usage = share.usage
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    shared = {
        "items": share.items,
        "slot": share.slot,
        "input_tokens": usage.input_tokens,
        "cache_write_tokens": written,
        "cache_read_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }
    raw.execute(SQL.insert_shared_attempt, values | shared)


def spend(raw: sqlite3.Connection) -> Spend:
    """What the books say: settled to the nano-dollar, unknown calls bounded above. Reads every call."""
    cost, uncached, calls = raw.execute(SQL.settled_spend).fetchone()
    unknown, bound = unknown_spend(raw)
    return Spend(cost, uncached, calls, unknown, bound)


def spent_by_day(raw: sqlite3.Connection, since_ms: int) -> list[DaySpend]:
    """What was spent on calls opened since then, by day, lane and workflow."""
    rows = raw.execute(SQL.spent_by_day, {"since_ms": since_ms})
    return [
        DaySpend(day_ms, CallScope(lane, workflow), settled, unknown)
        for day_ms, lane, workflow, settled, unknown in rows
    ]


def unknown_spend(raw: sqlite3.Connection) -> tuple[int, int]:
    """Calls whose cost only the other side knows: how many, and at most how much."""
    count, bound = raw.execute(SQL.unknown_spend).fetchone()
    return count, bound

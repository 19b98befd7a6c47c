"""How jobs leave batches: answered, cancelled, or called back. Each function is one transaction's work."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from claudeflow.domain.attempt import Interrupted, Reply
from claudeflow.domain.batch import BatchState
from claudeflow.domain.job import Candidate, JobError, JobId, JobRecord, JobState
from claudeflow.domain.usage import NOTHING_BILLED
from claudeflow.store import jobs
from claudeflow.store.batch_items import BatchJob, open_calls, unbooked
from claudeflow.store.batches import booked, drop, left, open_batches
from claudeflow.store.ledger import CallEnd, Finish, Requeue, end_call, record, record_try
from claudeflow.store.rows import candidate_from
from claudeflow.store.statements import SQL

EVERY_CALL = 2**62

_NOT_SENT = JobError("not_sent", "it left its batch before that was sent")
NEVER_LEFT = CallEnd(
    "not_sent", Reply(Interrupted(_NOT_SENT), sent=False), NOTHING_BILLED, _NOT_SENT, used_attempt=False
)
"""How a request ends whose job was cancelled before it left."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A job that somebody wanted cancelled. `candidate`: it was queued; `batch_id`: it was in that batch."""

    record: JobRecord
    candidate: Candidate | None
    batch_id: int | None = None


def cancel_job(raw: sqlite3.Connection, job_id: JobId, now_ms: int) -> Cancelled:
    """Cancel a job that waits, or that a batch carries: what its request costs is booked when that tells.

    One that runs by itself is returned as it is. Raises JobNotFound, Conflict.
    """
    record, candidate = jobs.cancel(raw, job_id, now_ms)
    place = raw.execute(SQL.batch_of_job, {"id": job_id}).fetchone()
    if place is None:
        return Cancelled(record, candidate)
    batch_id, call_id = place
    (cancelled,) = cancel_all(raw, batch_id, [call_id], now_ms)
    return Cancelled(cancelled, None, batch_id)


def cancel_all(raw: sqlite3.Connection, batch_id: int, calls: Sequence[int], now_ms: int) -> list[JobRecord]:
    """Cancel the jobs that wait for these requests of a batch; those that did."""
    error = JobError("cancelled", "cancelled on request")
    over = CallEnd("cancelled", Reply(Interrupted(error)), None, error, used_attempt=False)
    cancelled = [
        found.job.id
        for found in unbooked(raw, batch_id, calls).values()
        if found.waits and record_try(raw, found.job, over, Finish(JobState.CANCELLED), now_ms)
    ]
    left(raw, batch_id, len(cancelled))
    return [jobs.job(raw, job_id) for job_id in cancelled]


@dataclass(frozen=True, slots=True)
class BatchEnd:
    """How one request of a batch ended, and what becomes of its job."""

    found: BatchJob
    end: CallEnd
    fate: Finish | Requeue


@dataclass(frozen=True, slots=True)
class Booked:
    """What came of booking it. `moved`: its job had waited for it; `candidate`: that may go by itself now."""

    moved: bool
    candidate: Candidate | None


def book(raw: sqlite3.Connection, batch_id: int, ends: Sequence[BatchEnd], now_ms: int) -> list[Booked]:
    """Write calls, attempts, answers and states. What is booked already must not be among them."""
    found = [_book_one(raw, one, now_ms) for one in ends]
    booked(raw, batch_id, sum(one.end.bill is not None for one in ends))
    return found


def _book_one(raw: sqlite3.Connection, one: BatchEnd, now_ms: int) -> Booked:
    moved = record(raw, one.found.job, one.end, one.fate, now_ms)
    return Booked(moved, _due(raw, one.found.job.id) if moved and isinstance(one.fate, Requeue) else None)


def pull_back(
    raw: sqlite3.Connection, batch_id: int, calls: Sequence[int], why: str, now_ms: int
) -> list[Candidate]:
    """Jobs wait no more for these requests, which may still be answered and billed, but go by themselves."""
    error = JobError("pulled_back", why)
    over = CallEnd("pulled_back", Reply(Interrupted(error)), None, error, used_attempt=False)
    fate = Requeue(why, batched=False, returned=True)
    pulled = [
        found.job.id
        for found in unbooked(raw, batch_id, calls).values()
        if found.waits and record_try(raw, found.job, over, fate, now_ms)
    ]
    left(raw, batch_id, len(pulled))
    return [candidate for job_id in pulled if (candidate := _due(raw, job_id)) is not None]


def take_back(
    raw: sqlite3.Connection,
    batch_id: int,
    calls: Sequence[int],
    now_ms: int,
    *,
    batched: bool,
    returned: bool,
) -> list[Candidate]:
    """Requests that surely never left: their jobs wait again, by a batch or not; those that are due.

    Their calls never were, but for those whose jobs were cancelled meanwhile: these cost nothing.
    """
    listed = orjson.dumps(list(calls)).decode()
    wanted = {"calls": listed, "batched": batched, "batch_returns": returned}
    rows = raw.execute(SQL.unlease_batch_jobs, wanted).fetchall()
    drop_unsent(raw, batch_id, calls, now_ms)
    return [candidate_from(row) for row in rows if row[16] in (1, 3)]


def drop_unsent(raw: sqlite3.Connection, batch_id: int, calls: Sequence[int], now_ms: int) -> None:
    """Requests for which no job waits and that surely never left."""
    listed = orjson.dumps(list(calls)).decode()
    raw.execute(SQL.drop_batch_calls, {"batch_id": batch_id, "calls": listed})
    for call_id in unbooked(raw, batch_id, calls):
        end_call(raw, call_id, NEVER_LEFT, now_ms)


def release_unsent(raw: sqlite3.Connection, now_ms: int) -> int:
    """Undo what was being filled when a daemon died; how many jobs wait again."""
    released = 0
    for found in open_batches(raw):
        if found.state is BatchState.FILLING:
            calls = open_calls(raw, found.id, 0, EVERY_CALL)
            released += len(take_back(raw, found.id, calls, now_ms, batched=True, returned=False))
            drop(raw, found.id, now_ms)
    return released


def _due(raw: sqlite3.Connection, job_id: JobId) -> Candidate | None:
    row = raw.execute(SQL.candidate, {"id": job_id}).fetchone()
    return None if row is None else candidate_from(row)

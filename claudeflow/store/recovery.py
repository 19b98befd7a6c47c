"""Recovery: what a starting daemon does with what a dead one left behind, under the instance lock."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass

from claudeflow.domain.job import JobError, JobState
from claudeflow.store.batch_ends import release_unsent
from claudeflow.store.rows import error_to_json
from claudeflow.store.statements import SQL

CRASHES_TO_HOLD = 3
"""A job that was running at this many crashes may be their cause: a person must look at it."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found: jobs requeued and held, calls whose cost stays unknown."""

    requeued: int
    held: int
    unknown_calls: int


def recover(raw: sqlite3.Connection, now_ms: int) -> Recovered:
    """Requeue every running job at once and close every open call as unknown. Safe to repeat."""
    requeued = held = 0
    orphans = raw.execute(SQL.orphans).fetchall()
    sharing = Counter(token for _, token, *_ in orphans)
    for job_id, token, tries, crashes in orphans:
        poison = crashes + 1 >= CRASHES_TO_HOLD
        held, requeued = held + poison, requeued + (not poison)
        raw.execute(
            SQL.requeue_orphan,
            {
                "id": job_id,
                "state": JobState.HELD if poison else JobState.QUEUED,
                "wait_reason": f"the daemon died {crashes + 1} times while it ran"
                if poison
                else "the daemon died",
            },
        )
        tried = {"job_id": job_id, "number": tries, "call_id": token, "now_ms": now_ms}
        raw.execute(SQL.insert_crashed_attempt, tried | {"items": sharing[token]})
    requeued += release_unsent(raw, now_ms)
    _cancel_deserted(raw, now_ms)
    return Recovered(requeued, held, _close_open_calls(raw, now_ms))


def _close_open_calls(raw: sqlite3.Connection, now_ms: int) -> int:
    calls = raw.execute(SQL.open_calls).fetchall()
    for (call_id,) in calls:
        unknown = {
            "id": call_id,
            "now_ms": now_ms,
            "outcome": "crashed",
            "http_status": None,
            "request_id": None,
        }
        raw.execute(SQL.close_call_unknown, unknown)
    return len(calls)


def _cancel_deserted(raw: sqlite3.Connection, now_ms: int) -> None:
    """End the jobs whose callers waited on the dead process's line, unless their lanes finish such jobs."""
    error = JobError("cancelled", "its caller waited on the line of a daemon that ended")
    raw.execute(SQL.cancel_deserted, {"now_ms": now_ms, "error": error_to_json(error)})

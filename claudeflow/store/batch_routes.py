"""Jobs that wait change their way: by a batch from now on, or by themselves. One transaction's work each."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from claudeflow.domain.job import Candidate, JobId
from claudeflow.domain.usage import Terms
from claudeflow.store.rows import candidate_from
from claudeflow.store.statements import SQL


def late(raw: sqlite3.Connection, before_ms: int, limit: int) -> list[JobId]:
    """Jobs that wait for a batch and whose deadline comes no later than this, the earliest first."""
    wanted = {"before_ms": before_ms, "limit": limit}
    return [JobId(job_id) for (job_id,) in raw.execute(SQL.late_for_batches, wanted)]


def first_deadline_ms(raw: sqlite3.Connection) -> int | None:
    """The earliest deadline of a job that waits for a batch."""
    found: int | None = raw.execute(SQL.first_deadline_for_batches).fetchone()[0]
    return found


def to_messages(raw: sqlite3.Connection, ids: Sequence[JobId], why: str) -> list[Candidate]:
    """These jobs, as far as they still wait for a batch, go by themselves from now on."""
    wanted = {"ids": orjson.dumps(list(ids)).decode(), "why": why}
    return [candidate_from(row) for row in raw.execute(SQL.route_to_messages, wanted)]


def lanes(raw: sqlite3.Connection) -> list[str]:
    """The lanes of jobs that are to go by batches."""
    return [lane for (lane,) in raw.execute(SQL.lanes_of_batches)]


def route_lane(
    raw: sqlite3.Connection, lane: str, *, batched: bool, limit: int, most_bytes: int
) -> list[tuple[Candidate, bool]]:
    """Waiting jobs of a lane go by batches from now on, or no more; each with whether it is due.

    Into batches go only those without a deadline that never came back from one, and that one can take:
    not in fast mode, with `most_bytes` at most.
    """
    wanted = {
        "lane": lane,
        "batched": batched,
        "limit": limit,
        "refused": int(Terms.FAST),
        "most_bytes": most_bytes,
    }
    return [(candidate_from(row), row[16] in (1, 3)) for row in raw.execute(SQL.route_lane, wanted)]

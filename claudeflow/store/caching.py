"""What the books and the queue tell of the cache."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from claudeflow.domain.job import Candidate, PromptRef
from claudeflow.policy.caching.prewarm import WaitingPrefix
from claudeflow.policy.caching.share import Reading, version_of
from claudeflow.store.rows import candidate_from
from claudeflow.store.statements import SQL


def recent_readings(raw: sqlite3.Connection, limit: int) -> list[Reading]:
    """What the last settled calls showed of the cache, the oldest first."""
    rows = raw.execute(SQL.recent_cache_readings, {"limit": limit}).fetchall()
    return [
        Reading(workflow, name, version_of(version, prefix), prefix, *tokens_and_time)
        for workflow, name, version, prefix, *tokens_and_time in reversed(rows)
    ]


def waiting_prefixes(raw: sqlite3.Connection, lane: str, least_jobs: int) -> list[WaitingPrefix]:
    """The tools and systems with which at least so many jobs of a lane are due."""
    wanted = {"lane": lane, "least_jobs": least_jobs}
    return [WaitingPrefix(*row) for row in raw.execute(SQL.waiting_prefixes, wanted)]


@dataclass(frozen=True, slots=True)
class Source:
    """A job that waits, and what its request is made of."""

    candidate: Candidate
    body: bytes
    prompt: PromptRef | None


def prewarm_source(raw: sqlite3.Connection, job_id: int) -> Source | None:
    """One due job; None when it is not due any more."""
    row = raw.execute(SQL.candidate, {"id": job_id}).fetchone()
    if row is None:
        return None
    body, name, version = raw.execute(SQL.prewarm_source, {"id": job_id}).fetchone()
    if body is None:
        [body] = raw.execute(SQL.blob, {"job_id": job_id, "part": "body"}).fetchone()
    return Source(candidate_from(row), body, PromptRef(name, version) if name is not None else None)


def open_canary(
    raw: sqlite3.Connection, *, job_id: int, pool: str, owner: str, now_ms: int, reserved_nanousd: int
) -> int | None:
    """Write the call that asks again what a pack has answered; None when there is no such job any more."""
    wanted = {
        "job_id": job_id,
        "pool": pool,
        "owner": owner,
        "now_ms": now_ms,
        "reserved_nanousd": reserved_nanousd,
    }
    row = raw.execute(SQL.open_canary, wanted).fetchone()
    return None if row is None else row[0]


def open_prewarm(
    raw: sqlite3.Connection,
    *,
    job_id: int,
    prefix: str | None,
    pool: str,
    owner: str,
    now_ms: int,
    reserved_nanousd: int,
) -> int | None:
    """Write the call that warms the prefix of a job; None when the job does not wait any more."""
    wanted = {
        "job_id": job_id,
        "prefix": prefix,
        "pool": pool,
        "owner": owner,
        "now_ms": now_ms,
        "reserved_nanousd": reserved_nanousd,
    }
    row = raw.execute(SQL.open_prewarm, wanted).fetchone()
    return None if row is None else row[0]

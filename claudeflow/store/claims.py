"""Claims: chosen jobs are leased, and their calls written, before anything leaves. One transaction's work."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claudeflow.domain.job import Candidate, Job, Lease, PromptRef
from claudeflow.store.jobs import blob
from claudeflow.store.rows import dialect_from_json
from claudeflow.store.statements import SQL


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish to run a job: the most its call can cost is reserved with it.

    `others` share its call, which has a `prefix` of its own.
    """

    candidate: Candidate
    pool: str
    reserved_nanousd: int
    others: tuple[Candidate, ...] = ()
    prefix: str | None = None


def claim(
    raw: sqlite3.Connection, claims: Sequence[Claim], owner: str, lease_until_ms: int, now_ms: int
) -> list[list[Job]]:
    """Write each call and lease its jobs; those that are not to be had any more are left out."""
    return [_claim_one(raw, wish, owner, lease_until_ms, now_ms) for wish in claims]


def _claim_one(
    raw: sqlite3.Connection, wish: Claim, owner: str, lease_until_ms: int, now_ms: int
) -> list[Job]:
    token = _open_call(raw, wish, owner, now_ms)
    if token is None:
        return []
    lease = {"token": token, "owner": owner, "lease_until_ms": lease_until_ms, "now_ms": now_ms}
    wanted = (wish.candidate, *wish.others)
    found = [_lease(raw, candidate, wish.pool, lease) for candidate in wanted]
    jobs = [job for job in found if job is not None]
    if not jobs:
        raw.execute(SQL.drop_call, {"id": token})
    return jobs


def _lease(raw: sqlite3.Connection, candidate: Candidate, pool: str, lease: Mapping[str, Any]) -> Job | None:
    place = {"id": candidate.id, "model": candidate.model, "lane": candidate.lane}
    row = raw.execute(SQL.lease_job, {**lease, **place}).fetchone()
    if row is None:
        return None
    body = row[1] if row[1] is not None else blob(raw, candidate.id, "body")
    return Job(
        id=candidate.id,
        lane=candidate.lane,
        workflow=candidate.workflow,
        model=candidate.model,
        pool=pool,
        max_tokens=row[0],
        body=body or b"",
        prompt=PromptRef(row[2], row[3]) if row[2] is not None else None,
        prefix=candidate.prefix,
        submitted_ms=candidate.submitted_ms,
        first_attempt_ms=row[4],
        deadline_ms=candidate.deadline_ms,
        attempts=row[5],
        tries=row[6],
        lease=Lease(lease["token"], lease["owner"]),
        call_id=lease["token"],
        traceparent=row[7],
        trying_ms=row[8],
        opened_ms=lease["now_ms"],
        dialect=dialect_from_json(row[9]),
        submitted_by=candidate.submitted_by,
    )


def _open_call(raw: sqlite3.Connection, wish: Claim, owner: str, now_ms: int) -> int | None:
    """The call's id; None when there is no such job any more."""
    values = {
        "pool": wish.pool,
        "job_id": wish.candidate.id,
        "owner": owner,
        "now_ms": now_ms,
        "reserved_nanousd": wish.reserved_nanousd,
    }
    if wish.others:
        row = raw.execute(SQL.open_pack_call, values | {"prefix": wish.prefix}).fetchone()
    else:
        row = raw.execute(SQL.open_call, values).fetchone()
    return None if row is None else row[0]

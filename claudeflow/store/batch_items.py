"""The jobs in batches: gathered, sent, booked, taken out again. Each function is one transaction's work.

A job in a batch is `running` under a lease of the owner `batch`: no daemon renews it, and it outlives
every one of them. The call under whose number it was given carries the batch and the job.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from claudeflow.domain.job import Candidate, Job, JobId, Lease, PromptRef
from claudeflow.store.claims import Claim
from claudeflow.store.jobs import blob
from claudeflow.store.rows import Row, candidate_from
from claudeflow.store.statements import SQL

BATCH_OWNER = "batch"
NO_DEADLINE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class BatchGroup:
    """Jobs that wait for a batch, by what they have in common. Times are epoch ms.

    `base` names their tools and system, where these can be cached; the first of them could go `oldest_ms`.
    """

    lane: str
    workflow: str
    model: str
    base: str | None
    requests: int
    bytes: int
    oldest_ms: int
    deadline_ms: int | None


def groups(raw: sqlite3.Connection) -> list[BatchGroup]:
    """What waits for a batch."""
    return [_group_from(row) for row in raw.execute(SQL.batch_groups)]


@dataclass(frozen=True, slots=True)
class WaitingKind:
    """The jobs of a lane, workflow and model that wait for a batch; the first could go `oldest_ms`."""

    lane: str
    workflow: str
    model: str
    requests: int
    bytes: int
    oldest_ms: int


def waiting(raw: sqlite3.Connection, limit: int) -> list[WaitingKind]:
    """What waits for a batch, whatever its tools and system are, the most first."""
    return [WaitingKind(*row) for row in raw.execute(SQL.waiting_for_batches, {"limit": limit})]


def _group_from(row: Row) -> BatchGroup:
    plain = (*row[:7], None if row[7] == NO_DEADLINE else row[7])
    return BatchGroup(*plain)


def head(raw: sqlite3.Connection, group: BatchGroup, limit: int, skip: int = 0) -> list[Candidate]:
    """The first jobs of a group, `skip` of them left out."""
    wanted = {
        "lane": group.lane,
        "workflow": group.workflow,
        "model": group.model,
        "base": group.base,
        "limit": limit,
        "skip": skip,
    }
    return [candidate_from(row) for row in raw.execute(SQL.batch_head, wanted)]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a job asks, for looking at it."""

    model: str
    max_tokens: int
    body: bytes
    prompt: PromptRef | None
    prefix: str | None


def sample(raw: sqlite3.Connection, group: BatchGroup) -> Asked | None:
    """What the first job of a group asks."""
    for candidate in head(raw, group, 1):
        row = raw.execute(SQL.prewarm_source, {"id": candidate.id}).fetchone()
        prompt = PromptRef(row[1], row[2]) if row[1] is not None else None
        body = _body(raw, candidate.id, row[0])
        return Asked(candidate.model, candidate.max_tokens, body, prompt, candidate.prefix)
    return None


def fill(raw: sqlite3.Connection, batch_id: int, claims: Sequence[Claim], now_ms: int) -> list[int | None]:
    """Put jobs into it, each with its open call; the call's id, None where the job is not to be had."""
    return [_fill_one(raw, batch_id, wish, now_ms) for wish in claims]


def _fill_one(raw: sqlite3.Connection, batch_id: int, wish: Claim, now_ms: int) -> int | None:
    job = wish.candidate
    opened = raw.execute(
        SQL.open_batch_call,
        {
            "pool": wish.pool,
            "now_ms": now_ms,
            "reserved_nanousd": wish.reserved_nanousd,
            "batch_id": batch_id,
            "job_id": job.id,
        },
    ).fetchone()
    if opened is None:
        return None
    wanted = {"token": opened[0], "now_ms": now_ms, "id": job.id, "model": job.model, "lane": job.lane}
    if not raw.execute(SQL.lease_to_batch, wanted).rowcount:
        raw.execute(SQL.drop_call, {"id": opened[0]})
        return None
    return int(opened[0])


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One request of a batch, with what it is made of. `waits`: its job still waits for it."""

    call_id: int
    job_id: JobId
    model: str
    max_tokens: int
    body: bytes
    prompt: PromptRef | None
    prefix: str | None
    waits: bool


def items(raw: sqlite3.Connection, batch_id: int, after: int, limit: int) -> list[BatchItem]:
    """Requests of a batch, in order, behind that of a call."""
    rows = raw.execute(SQL.batch_items, {"batch_id": batch_id, "after": after, "limit": limit}).fetchall()
    return [
        BatchItem(
            row[0],
            JobId(row[1]),
            row[2],
            row[3],
            _body(raw, row[1], row[4]),
            PromptRef(row[5], row[6]) if row[5] is not None else None,
            row[7],
            bool(row[8]),
        )
        for row in rows
    ]


def candidates(
    raw: sqlite3.Connection, batch_id: int, after: int = 0, limit: int = 1
) -> list[tuple[int, Candidate]]:
    """The first jobs that wait for a batch, each behind its call, in order behind that of a call."""
    wanted = {"batch_id": batch_id, "after": after, "limit": limit}
    return [(row[16], candidate_from(row)) for row in raw.execute(SQL.batch_candidates, wanted)]


def models_of(raw: sqlite3.Connection, batch_id: int) -> list[tuple[str, str]]:
    """The models and first parts of prefixes in a batch."""
    return raw.execute(SQL.batch_models, {"batch_id": batch_id}).fetchall()


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A request of a batch that is not booked, and its job. `waits`: the job still waits for it.

    `unknown`: it was given up before, so nothing is reserved for it any more.
    """

    job: Job
    returns: int
    reserved_nanousd: int
    waits: bool
    unknown: bool

    @property
    def candidate(self) -> Candidate:
        """The job as holds see it."""
        job = self.job
        return Candidate(
            id=job.id,
            lane=job.lane,
            workflow=job.workflow,
            model=job.model,
            priority=0,
            submitted_ms=job.submitted_ms,
            deadline_ms=job.deadline_ms,
            input_bytes=len(job.body),
            max_tokens=job.max_tokens,
            prefix=job.prefix,
            batched=True,
            submitted_by=job.submitted_by,
        )


def unbooked(raw: sqlite3.Connection, batch_id: int, calls: Iterable[int]) -> dict[int, BatchJob]:
    """Those of these calls that are not booked yet."""
    wanted = {"batch_id": batch_id, "calls": orjson.dumps(list(calls)).decode()}
    rows = raw.execute(SQL.batch_jobs, wanted).fetchall()
    return {row[0]: _batch_job(raw, row) for row in rows}


def _batch_job(raw: sqlite3.Connection, row: Row) -> BatchJob:
    job = Job(
        id=JobId(row[4]),
        lane=row[5],
        workflow=row[6],
        model=row[7],
        pool=row[2],
        max_tokens=row[8],
        body=_body(raw, row[4], row[9]),
        prompt=PromptRef(row[10], row[11]) if row[10] is not None else None,
        prefix=row[12],
        submitted_ms=row[13],
        first_attempt_ms=row[14],
        deadline_ms=row[15],
        attempts=row[16],
        tries=row[17],
        lease=Lease(row[0], BATCH_OWNER),
        call_id=row[0],
        traceparent=row[18],
        trying_ms=row[19],
        opened_ms=row[1],
        submitted_by=row[23],
    )
    return BatchJob(job, row[20], row[3], bool(row[21]), row[22] == "unknown")


def open_calls(
    raw: sqlite3.Connection, batch_id: int, after: int, limit: int, state: str = "open"
) -> list[int]:
    """Requests of a batch that are not booked (`open`, or given up: `unknown`), in order, behind a call."""
    wanted = {"batch_id": batch_id, "state": state, "after": after, "limit": limit}
    return [call_id for (call_id,) in raw.execute(SQL.unbooked_batch_calls, wanted)]


def late(raw: sqlite3.Connection, before_ms: int, limit: int) -> list[tuple[int, int]]:
    """Batch and call of jobs whose deadline comes no later than this, the earliest first."""
    return raw.execute(SQL.late_batch_jobs, {"before_ms": before_ms, "limit": limit}).fetchall()


def first_deadline_ms(raw: sqlite3.Connection) -> int | None:
    """The earliest deadline of a job in a batch."""
    found: int | None = raw.execute(SQL.first_batch_deadline).fetchone()[0]
    return found


def batch_of(raw: sqlite3.Connection, job_id: JobId) -> int | None:
    """The batch in which a job is, if it is in one."""
    row = raw.execute(SQL.batch_of_job, {"id": job_id}).fetchone()
    return None if row is None else row[0]


def _body(raw: sqlite3.Connection, job_id: int, inline: bytes | None) -> bytes:
    return inline if inline is not None else blob(raw, JobId(job_id), "body") or b""

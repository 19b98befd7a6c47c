"""Jobs in the store: submit, claim, finish, requeue, cancel. Each function is one transaction's work."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from claudeflow.domain.errors import Conflict, JobNotFound, QueueFull
from claudeflow.domain.job import (
    Candidate,
    JobError,
    JobId,
    JobRecord,
    JobState,
    NewJob,
)
from claudeflow.policy.lanes.flow import FlowKey
from claudeflow.store import submitters
from claudeflow.store.rows import (
    INLINE_BYTES,
    candidate_from,
    candidate_of,
    dialect_to_json,
    error_to_json,
    most_input_tokens,
    record_from,
)
from claudeflow.store.statements import SQL
from claudeflow.store.submitters import Sender

RETRY_FULL_LANE_S = 30


@dataclass(frozen=True, slots=True)
class Accepted:
    """A stored job. `candidate` is None when it is not due yet, or was there before."""

    id: JobId
    created: bool
    candidate: Candidate | None


def submit(
    raw: sqlite3.Connection,
    jobs: Sequence[NewJob],
    templates: Mapping[str, bytes],
    now_ms: int,
    queue_bounds: Mapping[str, int],
    *,
    sender: Sender | None = None,
) -> list[Accepted]:
    """Store all jobs, or none. Raises QueueFull, TooManyJobs, SpendCapped.

    `templates` holds the JSON of each prompt version that they name; `queue_bounds` says how many
    jobs may wait in a lane (0: no bound); `sender` is who sends them, with its caps; None: no caps.
    """
    for version, template in templates.items():
        name = orjson.loads(template)["name"]
        raw.execute(
            SQL.insert_prompt_version,
            {"version": version, "name": name, "template": template.decode(), "now_ms": now_ms},
        )
    accepted = [_submit_one(raw, job, now_ms) for job in jobs]
    for lane, bound in queue_bounds.items():
        check_room(raw, lane, bound)
    if sender is not None and any(job.created for job in accepted):
        submitters.check_room(raw, sender, now_ms)
    return accepted


def check_room(raw: sqlite3.Connection, lane: str, bound: int) -> None:
    """Raises QueueFull when a lane holds more jobs than it may (0: no bound)."""
    if bound <= 0:
        return
    waiting = raw.execute(SQL.count_queued_up_to, {"lane": lane, "limit": bound + 1}).fetchone()[0]
    if waiting > bound:
        raise QueueFull(
            f"lane {lane} holds as many jobs as it may ({bound:,}); come back later", RETRY_FULL_LANE_S
        )


def _submit_one(raw: sqlite3.Connection, job: NewJob, now_ms: int) -> Accepted:
    due = job.not_before_ms <= now_ms
    inline = len(job.body) <= INLINE_BYTES
    row = raw.execute(
        SQL.insert_job,
        {
            "due": _due(due=due, batched=job.batched),
            "lane": job.lane,
            "workflow": job.workflow,
            "model": job.model,
            "priority": job.priority,
            "submitted_ms": now_ms,
            "not_before_ms": job.not_before_ms,
            "deadline_ms": job.deadline_ms,
            "max_tokens": job.max_tokens,
            "input_bytes": job.input_bytes,
            "most_input_tokens": most_input_tokens(job),
            "most_web_searches": job.most_web_searches,
            "terms": job.terms,
            "prefix": job.prefix,
            "prompt_name": job.prompt.name if job.prompt else None,
            "prompt_version": job.prompt.version if job.prompt else None,
            "dedupe_key": job.dedupe_key,
            "metadata": orjson.dumps(dict(job.metadata)).decode() if job.metadata else "{}",
            "traceparent": job.traceparent,
            "submitted_by": job.submitted_by,
            "wait_reason": None if due else "not before its time",
            "body": job.body if inline else None,
            "fallback_model": job.fallback_model,
            "asked_model": job.asked_model,
            "fallback_reason": job.fallback_reason,
            "pack": job.pack,
            "batched": job.batched,
            "attended": job.attended,
            "dialect": dialect_to_json(job.dialect),
            "mailbox": job.mailbox,
        },
    ).fetchone()
    if row is None:
        return Accepted(_job_by_dedupe_key(raw, job), False, None)
    job_id = JobId(row[0])
    if not inline:
        raw.execute(SQL.insert_blob, {"job_id": job_id, "part": "body", "data": job.body})
    return Accepted(job_id, True, candidate_of(job_id, job, now_ms) if due else None)


def _job_by_dedupe_key(raw: sqlite3.Connection, job: NewJob) -> JobId:
    key = {
        "workflow": job.workflow,
        "dedupe_key": job.dedupe_key,
        "submitted_by": job.submitted_by,
        "mailbox": job.mailbox,
    }
    return JobId(raw.execute(SQL.job_by_dedupe_key, key).fetchone()[0])


def _due(*, due: bool, batched: bool) -> int:
    """What the column says: not yet, for a call, or for a batch."""
    return (3 if batched else 1) if due else 0


def flow_head(raw: sqlite3.Connection, key: FlowKey, limit: int) -> list[Candidate]:
    """The first due jobs of a flow."""
    wanted = {"lane": key.lane, "workflow": key.workflow, "model": key.model, "limit": limit}
    return [candidate_from(row) for row in raw.execute(SQL.flow_head, wanted)]


def due_flows(raw: sqlite3.Connection) -> list[FlowKey]:
    """The flows that have due jobs."""
    return [FlowKey(*row) for row in raw.execute(SQL.due_flows)]


def prompt_version(raw: sqlite3.Connection, version: str) -> bytes | None:
    """A template's JSON as it was when its jobs were submitted."""
    row = raw.execute(SQL.prompt_version, {"version": version}).fetchone()
    return None if row is None else row[0].encode()


def renew_leases(raw: sqlite3.Connection, owner: str, lease_until_ms: int) -> int:
    """Prolong every lease of this process; how many there are."""
    return raw.execute(SQL.renew_leases, {"owner": owner, "lease_until_ms": lease_until_ms}).rowcount


def wake_due(raw: sqlite3.Connection, now_ms: int, limit: int) -> tuple[list[Candidate], int | None]:
    """Waiting jobs whose time has come, and when the next one's does."""
    rows = raw.execute(SQL.wake_due_jobs, {"now_ms": now_ms, "limit": limit}).fetchall()
    next_ms = raw.execute(SQL.next_waking).fetchone()[0]
    return [candidate_from(row) for row in rows], next_ms


def job(raw: sqlite3.Connection, job_id: JobId) -> JobRecord:
    """One job. Raises JobNotFound."""
    row = raw.execute(SQL.job, {"id": job_id}).fetchone()
    if row is None:
        raise JobNotFound(f"no job has the id {job_id}")
    return record_from(row)


def list_jobs(
    raw: sqlite3.Connection,
    *,
    state: JobState | None,
    lane: str | None,
    workflow: str | None,
    submitted_by: str | None = None,
    before_id: int | None,
    limit: int,
) -> list[JobRecord]:
    """Jobs, newest first; None matches everything."""
    wanted = {
        "state": state,
        "lane": lane,
        "workflow": workflow,
        "submitted_by": submitted_by,
        "before_id": before_id if before_id is not None else 2**62,
        "limit": limit,
    }
    return [record_from(row) for row in raw.execute(SQL.list_jobs, wanted)]


def answer(raw: sqlite3.Connection, job_id: JobId) -> bytes | None:
    """A succeeded job's answer, else None. Raises JobNotFound."""
    row = raw.execute(SQL.answer, {"id": job_id}).fetchone()
    if row is None:
        raise JobNotFound(f"no job has the id {job_id}")
    if row[0] != JobState.SUCCEEDED:
        return None
    return row[1] if row[1] is not None else blob(raw, job_id, "answer")


def cancel(raw: sqlite3.Connection, job_id: JobId, now_ms: int) -> tuple[JobRecord, Candidate | None]:
    """Cancel a job that does not run. A running one is returned as it is: its worker must be stopped."""
    error = JobError("cancelled", "cancelled on request")
    wanted = {"id": job_id, "now_ms": now_ms, "error": error_to_json(error)}
    row = raw.execute(SQL.cancel_job, wanted).fetchone()
    record = job(raw, job_id)
    if row is None and record.state is not JobState.RUNNING and record.state is not JobState.CANCELLED:
        raise Conflict(f"job {job_id} has already {record.state}: it cannot be cancelled any more")
    return record, candidate_from(row) if row else None


def revive(raw: sqlite3.Connection, job_id: JobId) -> tuple[JobRecord, Candidate]:
    """Queue an unsuccessful or parked job again. Raises JobNotFound, Conflict."""
    row = raw.execute(SQL.revive_job, {"id": job_id}).fetchone()
    record = job(raw, job_id)
    if row is None:
        raise Conflict(
            f"job {job_id} is {record.state}: only a failed, cancelled, expired or held job can be retried"
        )
    return record, candidate_from(row)


def blob(raw: sqlite3.Connection, job_id: JobId, part: str) -> bytes | None:
    """A large body or answer."""
    row = raw.execute(SQL.blob, {"job_id": job_id, "part": part}).fetchone()
    return None if row is None else row[0]

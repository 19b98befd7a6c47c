"""Stores and jobs in every state, made by the store's own functions."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from claudeflow.domain.attempt import Reply, Succeeded, Transient
from claudeflow.domain.job import Candidate, Job, JobError, JobId, JobState, NewJob
from claudeflow.domain.usage import Bill, Usage
from claudeflow.policy.lanes.flow import FlowKey
from claudeflow.store.claims import Claim, claim
from claudeflow.store.jobs import Accepted, cancel, due_flows, flow_head, submit
from claudeflow.store.ledger import CallEnd, Finish, Requeue, record
from claudeflow.store.queue import Ending, end_queued, near_deadline
from claudeflow.store.recovery import CRASHES_TO_HOLD, recover
from claudeflow.store.schema import prepare_schema

NOW_MS = 1_795_338_000_000
LEASE_MS = 30_000
OWNER = "daemon-1"
ERROR = JobError("api_error", "it did not work", "oops", 500, "req_1")
KEY = FlowKey("bulk", "triage", "claude-haiku-5-5")


def a_connection(path: Path) -> sqlite3.Connection:
    """A store of the current version. It need not outlive a power cut: that is the Database's business."""
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA synchronous = OFF")
    prepare_schema(raw, path)
    raw.execute("PRAGMA foreign_keys = ON")
    return raw


def a_new_job(**changes: Any) -> NewJob:
    """A job of the lane `bulk`."""
    ordinary: dict[str, Any] = {
        "lane": KEY.lane,
        "workflow": KEY.workflow,
        "model": KEY.model,
        "pool": "haiku-5.5",
        "max_tokens": 100,
        "body": b'{"messages":[]}',
        "input_bytes": 200,
        "submitted_by": "alice",
    }
    return NewJob(**(ordinary | changes))


def submitted(raw: sqlite3.Connection, now_ms: int = NOW_MS, **changes: Any) -> Accepted:
    """One job, stored."""
    (accepted,) = submit(raw, [a_new_job(**changes)], {}, now_ms, {})
    return accepted


def queued(raw: sqlite3.Connection, now_ms: int = NOW_MS, **changes: Any) -> JobId:
    """The id of one job, stored."""
    return submitted(raw, now_ms, **changes).id


def due_jobs(raw: sqlite3.Connection) -> dict[JobId, Candidate]:
    """Every due job as the scheduler would see it."""
    found = [candidate for key in due_flows(raw) for candidate in flow_head(raw, key, 1_000_000)]
    return {candidate.id: candidate for candidate in found}


def claimed(raw: sqlite3.Connection, job_id: JobId, owner: str = OWNER, reserved_nanousd: int = 1_000) -> Job:
    """A due job, leased."""
    wish = Claim(due_jobs(raw)[job_id], "haiku-5.5", reserved_nanousd)
    [[job]] = claim(raw, [wish], owner, NOW_MS + LEASE_MS, NOW_MS)
    return job


def running(raw: sqlite3.Connection, **changes: Any) -> Job:
    """A new job, leased."""
    return claimed(raw, queued(raw, **changes))


def answered(answer: bytes = b'{"content":[]}', cost_nanousd: int = 70, **usage: Any) -> CallEnd:
    """A call that went well and was billed."""
    reply = Reply(
        Succeeded("end_turn"),
        Usage(**usage),
        raw_usage=b'{"input_tokens":1}',
        message=answer,
        request_id="req_2",
        http_status=200,
    )
    return CallEnd(
        "succeeded",
        reply,
        Bill(cost_nanousd, 2 * cost_nanousd, cost_nanousd, 2 * cost_nanousd),
        None,
        used_attempt=True,
    )


def failed(*, cost_nanousd: int | None = 0, used_attempt: bool = True) -> CallEnd:
    """A call that went wrong; without a cost only the other side knows what it billed."""
    bill = None if cost_nanousd is None else Bill(cost_nanousd, cost_nanousd, cost_nanousd, cost_nanousd)
    reply = Reply(Transient(ERROR), http_status=500, request_id="req_3", usage_known=bill is not None)
    return CallEnd("transient", reply, bill, ERROR, used_attempt)


def a_job_in(state: JobState, raw: sqlite3.Connection) -> JobId:
    """A job that was brought into this state as the daemon would."""
    match state:
        case JobState.QUEUED:
            return queued(raw)
        case JobState.CANCELLED:
            cancel(raw, job_id := queued(raw), NOW_MS)
            return job_id
        case JobState.EXPIRED:
            job_id = queued(raw, deadline_ms=NOW_MS)
            expire(raw, NOW_MS, 10)
            return job_id
        case JobState.HELD:
            return _crashed_too_often(raw)
    job = running(raw)
    if state is JobState.SUCCEEDED:
        record(raw, job, answered(), Finish(JobState.SUCCEEDED, "end_turn"), NOW_MS)
    if state is JobState.FAILED:
        record(raw, job, failed(), Finish(JobState.FAILED), NOW_MS)
    return job.id


def _crashed_too_often(raw: sqlite3.Connection) -> JobId:
    job_id = queued(raw)
    for _ in range(CRASHES_TO_HOLD):
        claimed(raw, job_id)
        recover(raw, NOW_MS)
    return job_id


def released(
    raw: sqlite3.Connection, job: Job, not_before_ms: int = 0, *, used_attempt: bool = False
) -> bool:
    """The job goes back to the queue."""
    return record(raw, job, failed(used_attempt=used_attempt), Requeue("a reason", not_before_ms), NOW_MS)


def value(raw: sqlite3.Connection, sql: str, *parameters: Any) -> Any:
    """The first column of the first row."""
    return raw.execute(sql, parameters).fetchone()[0]


def expire(raw: sqlite3.Connection, now_ms: int, limit: int) -> list[tuple[Candidate, bool]]:
    """End the jobs whose deadline has passed, as the daemon does; each with whether it was due."""
    error = JobError("deadline_passed", "its deadline passed while it waited")
    late = near_deadline(raw, now_ms, limit)
    endings = [Ending(candidate.id, JobState.EXPIRED, error) for candidate in late]
    return [ended for ended in end_queued(raw, endings, now_ms) if ended is not None]

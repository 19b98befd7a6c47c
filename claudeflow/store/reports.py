"""Read-only questions about many jobs at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields

from claudeflow.domain.errors import JobNotFound
from claudeflow.domain.job import Candidate
from claudeflow.domain.report import AttemptRow
from claudeflow.policy.lanes.flow import FlowKey
from claudeflow.store.rows import candidate_from
from claudeflow.store.statements import SQL


@dataclass(frozen=True, slots=True)
class LaneCount:
    """How many jobs of a lane wait and run, and when the oldest waiting one was submitted."""

    queued: int = 0
    running: int = 0
    oldest_submitted_ms: int | None = None


def lane_counts(raw: sqlite3.Connection) -> dict[str, LaneCount]:
    """Counts of every lane that has jobs waiting or running."""
    running = dict(raw.execute(SQL.running_by_lane).fetchall())
    queued = {lane: (count, oldest) for lane, count, oldest in raw.execute(SQL.queue_by_lane)}
    return {
        lane: LaneCount(queued.get(lane, (0, None))[0], running.get(lane, 0), queued.get(lane, (0, None))[1])
        for lane in running.keys() | queued.keys()
    }


@dataclass(frozen=True, slots=True)
class Queue:
    """How a due job stands in the queue: those of its workflow that go first, and all due jobs, by flow."""

    candidate: Candidate
    ahead: Mapping[str, int]
    due: Mapping[FlowKey, int]


def queue_around(raw: sqlite3.Connection, job_id: int) -> Queue | None:
    """The queue as it is for one job; None when it is not due."""
    row = raw.execute(SQL.candidate, {"id": job_id}).fetchone()
    if row is None:
        return None
    job = candidate_from(row)
    wanted = {
        "lane": job.lane,
        "workflow": job.workflow,
        "priority": job.priority,
        "deadline_ms": job.deadline_ms,
        "id": job.id,
    }
    ahead = dict(raw.execute(SQL.ahead_in_workflow, wanted).fetchall())
    due = {FlowKey(lane, workflow, model): n for lane, workflow, model, n in raw.execute(SQL.due_by_flow)}
    return Queue(job, ahead, due)


def attempts_of(raw: sqlite3.Connection, job_id: int) -> list[AttemptRow]:
    """A job's tries with their calls, the first one first. Raises JobNotFound."""
    if raw.execute(SQL.job, {"id": job_id}).fetchone() is None:
        raise JobNotFound(f"no job has the id {job_id}")
    rows = raw.execute(SQL.job_attempts, {"job_id": job_id})
    names = [field.name for field in fields(AttemptRow)]
    return [AttemptRow(**dict(zip(names, row, strict=True))) for row in rows]

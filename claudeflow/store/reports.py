"""Read-only questions about many jobs at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from claudeflow.domain.errors import JobNotFound
from claudeflow.domain.job import Candidate
from claudeflow.domain.report import AttemptRow
from claudeflow.policy.lanes.flow import FlowKey
from claudeflow.store.rows import candidate_from
from claudeflow.store.statements import SQL


@dataclass(frozen=True, slots=True)
class LaneCount:
    """How many jobs of a lane wait and run, and when the oldest waiting one was submitted.

    Of the running ones `in_batches` are with Message Batches.
    """

    queued: int = 0
    running: int = 0
    oldest_submitted_ms: int | None = None
    in_batches: int = 0


def lane_counts(raw: sqlite3.Connection) -> dict[str, LaneCount]:
    """Counts of every lane that has jobs waiting or running."""
    running = {lane: (count, batched) for lane, count, batched in raw.execute(SQL.running_by_lane)}
    queued = {lane: (count, oldest) for lane, count, oldest in raw.execute(SQL.queue_by_lane)}
    return {
        lane: _lane_count(queued.get(lane, (0, None)), running.get(lane, (0, 0)))
        for lane in running.keys() | queued.keys()
    }


def _lane_count(queued: tuple[int, int | None], running: tuple[int, int]) -> LaneCount:
    return LaneCount(queued[0], running[0], queued[1], running[1])


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
    names = [field.name for field in fields(AttemptRow) if field.name != "shared_with"]
    tries = [AttemptRow(**dict(zip(names, row, strict=True))) for row in rows]
    return [replace(row, shared_with=_others(raw, row, job_id)) if row.items > 1 else row for row in tries]


def _others(raw: sqlite3.Connection, row: AttemptRow, job_id: int) -> tuple[int, ...]:
    """The other jobs of a shared call."""
    found = raw.execute(SQL.packed_with, {"call_id": row.call_id})
    return tuple(other for (other,) in found if other != job_id)

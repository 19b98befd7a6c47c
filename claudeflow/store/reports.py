"""Read-only questions about many jobs at once."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields

from claudeflow.domain.errors import JobNotFound
from claudeflow.domain.report import AttemptRow
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


def attempts_of(raw: sqlite3.Connection, job_id: int) -> list[AttemptRow]:
    """A job's tries with their calls, the first one first. Raises JobNotFound."""
    if raw.execute(SQL.job, {"id": job_id}).fetchone() is None:
        raise JobNotFound(f"no job has the id {job_id}")
    rows = raw.execute(SQL.job_attempts, {"job_id": job_id})
    names = [field.name for field in fields(AttemptRow)]
    return [AttemptRow(**dict(zip(names, row, strict=True))) for row in rows]

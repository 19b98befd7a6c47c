"""The queue in the store: who is old, who is late, and moving and ending jobs that wait.

Each function is one transaction's work.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from claudeflow.domain.errors import Conflict
from claudeflow.domain.job import Candidate, JobError, JobId, JobRecord, JobState
from claudeflow.store.jobs import check_room, job
from claudeflow.store.rows import candidate_from, error_to_json
from claudeflow.store.statements import SQL


def lane_eldest(raw: sqlite3.Connection, lane: str, model: str, limit: int) -> list[Candidate]:
    """The due jobs of one model in a lane that were submitted first."""
    wanted = {"lane": lane, "model": model, "limit": limit}
    return [candidate_from(row) for row in raw.execute(SQL.lane_eldest, wanted)]


def near_deadline(raw: sqlite3.Connection, before_ms: int, limit: int) -> list[Candidate]:
    """The queued jobs with the earliest deadlines, up to this moment."""
    wanted = {"before_ms": before_ms, "limit": limit}
    return [candidate_from(row) for row in raw.execute(SQL.near_deadline, wanted)]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ends that waits: without a call."""

    job_id: JobId
    state: JobState
    error: JobError


def end_queued(
    raw: sqlite3.Connection, endings: Sequence[Ending], now_ms: int
) -> list[tuple[Candidate, bool] | None]:
    """End jobs that wait; each with whether it was due, or None where it does not wait any more."""
    return [_end_one(raw, ending, now_ms) for ending in endings]


def _end_one(raw: sqlite3.Connection, ending: Ending, now_ms: int) -> tuple[Candidate, bool] | None:
    error = error_to_json(ending.error)
    wanted = {"id": ending.job_id, "state": ending.state, "error": error, "now_ms": now_ms}
    row = raw.execute(SQL.end_queued, wanted).fetchone()
    return None if row is None else (candidate_from(row), row[16] in (1, 3))


@dataclass(frozen=True, slots=True)
class Moved:
    """A job that was moved: as the scheduler knew it, and as it is to know it; None when it is not due."""

    record: JobRecord
    before: Candidate
    after: Candidate | None


Route = Callable[[Candidate, int], bool]
"""Whether a job goes by a batch; the number says how often it came back from one unanswered."""


def move(
    raw: sqlite3.Connection,
    job_id: JobId,
    lane: str | None,
    priority: int | None,
    *,
    bound: int,
    route: Route,
) -> Moved:
    """Give a job that waits another lane or priority; None leaves it. `bound`: how many may wait there.

    In another lane `route` decides how it goes, unless its caller waits on the line.
    Raises JobNotFound, Conflict, QueueFull.
    """
    known = job(raw, job_id)
    wanted = {
        "id": job_id,
        "lane": known.lane if lane is None else lane,
        "priority": known.priority if priority is None else priority,
    }
    row = raw.execute(SQL.move_job, wanted).fetchone()
    if row is None:
        raise Conflict(f"job {job_id} is {known.state}: only a job that waits can be moved")
    if wanted["lane"] != known.lane:
        check_room(raw, str(wanted["lane"]), bound)
    found = candidate_from(row)
    before = replace(found, lane=known.lane, priority=known.priority)
    may_change = wanted["lane"] != known.lane and not row[18]
    after = _rerouted(raw, found, route(found, row[17])) if may_change else found
    return Moved(job(raw, job_id), before, after if row[16] == 1 else None)


def _rerouted(raw: sqlite3.Connection, candidate: Candidate, batched: bool) -> Candidate:
    if batched is not candidate.batched:
        raw.execute(SQL.route_job, {"id": candidate.id, "batched": batched})
    return replace(candidate, batched=batched)

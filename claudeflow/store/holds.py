"""Holds in the store: which there are, who set and released them, and jobs under a hold of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from claudeflow.domain.hold import Hold, HoldAction, HoldCause, HoldChange, Scope, ScopeKind, scope_from
from claudeflow.domain.job import Candidate
from claudeflow.policy.lanes.flow import FlowKey
from claudeflow.store.rows import Row, candidate_from
from claudeflow.store.statements import SQL


def keep(
    raw: sqlite3.Connection,
    put: Iterable[Hold] = (),
    drop: Iterable[Hold] = (),
    changes: Iterable[HoldChange] = (),
) -> None:
    """Write holds, forget others, and note who did it and why."""
    for hold in put:
        raw.execute(SQL.put_hold, _row_of(hold))
    for hold in drop:
        raw.execute(SQL.drop_hold, {"scope": str(hold.scope), "by_hand": hold.by_hand})
    for change in changes:
        raw.execute(
            SQL.insert_hold_change,
            {
                "at_ms": change.at_ms,
                "action": change.action,
                "scope": str(change.scope),
                "cause": change.cause,
                "reason": change.reason,
                "who": change.who,
                "until_ms": change.until_ms,
            },
        )


def holds(raw: sqlite3.Connection) -> list[Hold]:
    """Every hold, the oldest first."""
    return [_hold_from(row) for row in raw.execute(SQL.holds)]


def history(raw: sqlite3.Connection, limit: int) -> list[HoldChange]:
    """Who held and released what, the newest first."""
    return [
        HoldChange(at_ms, HoldAction(action), scope_from(scope), HoldCause(cause), reason, who, until_ms)
        for at_ms, action, scope, cause, reason, who, until_ms in raw.execute(
            SQL.hold_changes, {"limit": limit}
        )
    ]


def due_by_flow(raw: sqlite3.Connection) -> dict[FlowKey, int]:
    """How many jobs of each flow are due."""
    return {FlowKey(lane, workflow, model): n for lane, workflow, model, n in raw.execute(SQL.due_by_flow)}


def hold(raw: sqlite3.Connection, hold: Hold, change: HoldChange) -> Candidate | None:
    """Keep a hold that a person set. A queued job that it is for is shown to nobody: it is returned."""
    keep(raw, put=[hold], changes=[change])
    if hold.scope.kind is not ScopeKind.JOB:
        return None
    row = raw.execute(SQL.park_job, {"id": int(hold.scope.name)}).fetchone()
    return None if row is None else candidate_from(row)


@dataclass(frozen=True, slots=True)
class Unparked:
    """A job whose own hold is over: it may go now, or (`due_ms`) then."""

    candidate: Candidate
    due_ms: int | None


def release(
    raw: sqlite3.Connection, holds: Iterable[Hold], changes: Iterable[HoldChange], now_ms: int
) -> list[Unparked]:
    """Forget holds; the jobs that are shown again, for theirs is over."""
    keep(raw, drop=holds, changes=changes)
    job_ids = [int(hold.scope.name) for hold in holds if hold.scope.kind is ScopeKind.JOB]
    rows = [raw.execute(SQL.unpark_job, {"id": job_id, "now_ms": now_ms}).fetchone() for job_id in job_ids]
    return [Unparked(candidate_from(row), None if row[16] else row[17]) for row in rows if row is not None]


def held_jobs_at_rest(raw: sqlite3.Connection) -> list[Scope]:
    """Jobs under a hold of their own that have ended all the same, or were parked."""
    return [scope_from(scope) for (scope,) in raw.execute(SQL.held_jobs_at_rest)]


def _row_of(hold: Hold) -> dict[str, object]:
    return {
        "scope": str(hold.scope),
        "by_hand": hold.by_hand,
        "cause": hold.cause,
        "reason": hold.reason,
        "since_ms": hold.since_ms,
        "probe_at_ms": hold.probe_at_ms,
        "until_ms": hold.until_ms,
        "set_by": hold.set_by,
        "probed_ms": orjson.dumps(hold.probed_ms).decode(),
    }


def _hold_from(row: Row) -> Hold:
    scope, cause, reason, since_ms, probe_at_ms, until_ms, set_by, probed_ms = row
    return Hold(
        scope=scope_from(scope),
        cause=HoldCause(cause),
        reason=reason,
        since_ms=since_ms,
        probe_at_ms=probe_at_ms,
        until_ms=until_ms,
        set_by=set_by,
        probed_ms=tuple(orjson.loads(probed_ms)),
    )

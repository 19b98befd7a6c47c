"""Domain values → the public JSON of jobs and status. docs/http.md lists every field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from claudeflow.domain.hold import Hold, HoldChange
from claudeflow.domain.job import JobRecord
from claudeflow.domain.report import AttemptRow, Explanation, LaneWait, PoolLimitsStatus, Status
from claudeflow.intake.desks.holds import HoldInForce
from claudeflow.intake.times import write_time


def record_to_json(record: JobRecord) -> dict[str, Any]:
    """A job as producers see it. Times are RFC 3339 in UTC, money is nano-dollars."""
    return {
        "id": record.id,
        "state": record.state.value,
        "lane": record.lane,
        "workflow": record.workflow,
        "model": record.model,
        "asked_model": record.asked_model,
        "fallback_reason": record.fallback_reason,
        "priority": record.priority,
        "submitted_at": write_time(record.submitted_ms),
        "not_before": write_time(record.not_before_ms or None),
        "deadline": write_time(record.deadline_ms),
        "started_at": write_time(record.started_ms),
        "finished_at": write_time(record.finished_ms),
        "attempts": record.attempts,
        "tries": record.tries,
        "crash_count": record.crash_count,
        "wait_reason": record.wait_reason,
        "stop_reason": record.stop_reason,
        "error": asdict(record.error) if record.error else None,
        "cost_nanousd": record.cost_nanousd,
        "prompt": asdict(record.prompt) if record.prompt else None,
        "batched": record.batched,
        "pack": record.pack,
        "dedupe_key": record.dedupe_key,
        "metadata": dict(record.metadata),
        "submitted_by": record.submitted_by,
    }


def explanation_to_json(found: Explanation) -> dict[str, Any]:
    """Why a job is where it is."""
    return {
        "id": found.job_id,
        "state": found.state,
        "rule": found.rule,
        "why": found.why,
        "until": write_time(found.until_ms),
        "ahead": asdict(found.ahead) if found.ahead else None,
        "goes_at": write_time(found.goes_at_ms),
    }


def limits_to_json(pools: Iterable[PoolLimitsStatus]) -> dict[str, Any]:
    """Every pool's limits, and who waits for what. Durations are seconds."""
    return {
        "pools": [
            {**asdict(found.pool), "waits": [_lane_wait_to_json(wait) for wait in found.waits]}
            for found in pools
        ]
    }


def _lane_wait_to_json(wait: LaneWait) -> dict[str, Any]:
    plain = asdict(wait)
    until = write_time(plain.pop("until_ms"))
    return {**plain, "until": until}


def attempt_to_json(row: AttemptRow) -> dict[str, Any]:
    """One try at a job. Its cost is not known while `call_state` is `unknown`: at most `reserved_nanousd`."""
    plain = asdict(row)
    ended_at = write_time(plain.pop("ended_ms"))
    return {**plain, "used_attempt": bool(row.used_attempt), "ended_at": ended_at}


def status_to_json(status: Status) -> dict[str, Any]:
    """The daemon's state as `status` shows it. Durations are seconds, money is nano-dollars."""
    return {
        "version": status.version,
        "instance": status.instance,
        "phase": status.phase,
        "started_at": write_time(status.started_ms),
        "now": write_time(status.now_ms),
        "lanes": [asdict(lane) for lane in status.lanes],
        "pools": [asdict(pool) for pool in status.pools],
        "holds": [hold_to_json(hold) for hold in status.holds],
        "spend": asdict(status.spend),
        "mailboxes": asdict(status.mailboxes),
    }


def hold_to_json(hold: Hold) -> dict[str, Any]:
    """A hold: what may not go out, and how that ends."""
    return {
        "scope": str(hold.scope),
        "cause": hold.cause.value,
        "reason": hold.reason,
        "since": write_time(hold.since_ms),
        "until": write_time(hold.until_ms),
        "probe_at": write_time(hold.probe_at_ms),
        "set_by": hold.set_by,
        "way_out": hold.way_out,
    }


def hold_in_force_to_json(row: HoldInForce) -> dict[str, Any]:
    """A hold, with how many jobs it keeps waiting."""
    return {**hold_to_json(row.hold), "waiting_jobs": row.waiting_jobs}


def change_to_json(change: HoldChange) -> dict[str, Any]:
    """One entry of the record of who held and released what."""
    return {
        "at": write_time(change.at_ms),
        "action": change.action.value,
        "scope": str(change.scope),
        "cause": change.cause.value,
        "reason": change.reason,
        "who": change.who,
        "until": write_time(change.until_ms),
    }

"""Waiting: asking the daemon about one job until it will not move by itself."""

from __future__ import annotations

import time
from typing import Any

from claudeflow.cli.exits import Exit
from claudeflow.cli.offline import EitherDoor, checked, no_daemon_to_finish
from claudeflow.cli.problems import Failure
from claudeflow.cli.record import reason
from claudeflow.domain.errors import DaemonUnreachable
from claudeflow.domain.job import JobState

POLL_S = 30.0
"""How long one question may hang; the daemon answers as soon as the job is settled."""

RECONNECT_S = 20.0
RECONNECT_PAUSE_S = 0.5


def get_job(door: EitherDoor, job_id: int, *, wait_s: float = 0.0, result: bool = False) -> dict[str, Any]:
    """One job as JSON, after at most `wait_s` seconds. Raises Failure."""
    query = {"result": "true" if result else "false"}
    if wait_s:
        query["wait"] = f"{wait_s:.3f}"
    record = checked(door.call("GET", f"/v1/jobs/{job_id}", query=query)).json()
    assert isinstance(record, dict)
    return record


def is_settled(record: dict[str, Any]) -> bool:
    """Whether the job will not move by itself: final, or held."""
    state = JobState(record["state"])
    return state.is_final or state is JobState.HELD


def wait_for(door: EitherDoor, job_id: int, timeout_s: float | None) -> dict[str, Any]:
    """The job as soon as it is settled, or as it is after `timeout_s`; None waits for ever.

    A daemon that restarts meanwhile is given 20 s to come back. Raises Failure when there is no
    daemon that could finish the job.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    record = get_job(door, job_id)
    if not is_settled(record) and door.is_offline:
        raise no_daemon_to_finish(job_id, record["state"])
    door.stay_online()
    while not is_settled(record):
        left_s = POLL_S if until is None else min(POLL_S, until - time.monotonic())
        if left_s <= 0:
            return record
        record = _ask_patiently(door, job_id, left_s)
    return record


def _ask_patiently(door: EitherDoor, job_id: int, wait_s: float) -> dict[str, Any]:
    """Ask while the daemon may be restarting."""
    give_up = time.monotonic() + RECONNECT_S
    while True:
        try:
            return get_job(door, job_id, wait_s=wait_s)
        except DaemonUnreachable:
            if time.monotonic() >= give_up:
                raise
        except Failure as failure:
            if failure.exit_code is not Exit.UNREACHABLE or time.monotonic() >= give_up:
                raise
        time.sleep(RECONNECT_PAUSE_S)


def timed_out(record: dict[str, Any]) -> Failure:
    """What to say of a job that was not settled in time."""
    why = f": {reason(record)}" if reason(record) else ""
    return Failure(Exit.WAIT_TIMED_OUT, f"job {record['id']} is still {record['state']}{why}")

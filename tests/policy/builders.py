"""Candidates, replies and readings that are ordinary, with changes."""

from __future__ import annotations

from typing import Any

from claudeflow.domain.attempt import Overloaded, Reply, Succeeded, Throttled, ThrottleKind, Transient
from claudeflow.domain.job import Candidate, JobError, JobId
from claudeflow.domain.quota import Demand, Reading
from claudeflow.domain.usage import Usage

ERROR = JobError("some_error", "it did not work")


def a_candidate(job_id: int, **changes: Any) -> Candidate:
    """A queued job of the lane `bulk`."""
    ordinary: dict[str, Any] = {
        "lane": "bulk",
        "workflow": "triage",
        "model": "claude-haiku-5-5",
        "priority": 0,
        "submitted_ms": 0,
        "deadline_ms": None,
        "input_bytes": 3_200,
        "max_tokens": 1_000,
        "prefix": None,
    }
    return Candidate(JobId(job_id), **(ordinary | changes))


def well(input_tokens: int = 100, output_tokens: int = 10, reading: Reading | None = None) -> Reply:
    """A call that was answered."""
    return Reply(
        Succeeded("end_turn"), Usage(input_tokens=input_tokens, output_tokens=output_tokens), reading=reading
    )


def throttled(retry_after_s: float | None = None, kind: ThrottleKind = ThrottleKind.RATE) -> Reply:
    """A call that got a 429."""
    return Reply(Throttled(ERROR, retry_after_s, kind))


def overloaded() -> Reply:
    """A call that got a 529."""
    return Reply(Overloaded(ERROR))


def lost() -> Reply:
    """A call whose answer never came: it may have drawn anything."""
    return Reply(Transient(ERROR), usage_known=False)


def a_demand(input_tokens: float = 100.0, output_tokens: float = 10.0) -> Demand:
    """What an ordinary call draws."""
    return Demand(input_tokens, output_tokens)

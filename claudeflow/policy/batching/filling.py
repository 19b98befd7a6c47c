"""Filling: when the jobs that wait for a batch leave in one."""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.domain.words import plural, span
from claudeflow.policy.batching.lateness import leave_by_ms
from claudeflow.policy.batching.settings import BatchSettings


@dataclass(frozen=True, slots=True)
class Waiting:
    """The jobs that wait for a batch: how many, their size, and the two that are in the greatest hurry.

    `due_since_ms` is since when the first of them could go, `deadline_ms` the earliest deadline.
    """

    count: int
    size_bytes: int
    due_since_ms: int
    deadline_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """A batch of `requests` leaves; of fewer when so many do not fit into `max_bytes`."""

    requests: int
    why: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """None leaves now. `until_ms` is when one will if nothing changes; None: not before something does."""

    until_ms: int | None
    why: str


def decide_fill(
    waiting: Waiting, settings: BatchSettings, now_ms: int, *, room: int, completion_s: float
) -> Leave | NotYet:
    """Whether a batch leaves now. `room`: so many more requests may be in unfinished batches."""
    if waiting.count == 0:
        return NotYet(None, "no job waits for a batch")
    why = _full(waiting, settings)
    until_ms, because = _time_is_up(waiting, settings, completion_s)
    if why is None and now_ms < until_ms:
        most = _most_requests(settings)
        has = f"its batch has {waiting.count:,} of {plural(most, 'request')}"
        return NotYet(until_ms, f"{has}, and leaves when {because}")
    if room <= 0:
        limit = plural(settings.max_queued, "request")
        return NotYet(None, f"unfinished batches hold {limit}, the most that they may: one has to end first")
    return Leave(min(waiting.count, _most_requests(settings), room), why or because)


def _most_requests(settings: BatchSettings) -> int:
    return min(settings.max_requests, settings.max_queued)


def _full(waiting: Waiting, settings: BatchSettings) -> str | None:
    """Why there is no more to wait for."""
    if waiting.count >= _most_requests(settings):
        return f"it has {plural(_most_requests(settings), 'request')}"
    if waiting.size_bytes >= settings.max_bytes:
        return f"it has {settings.max_bytes:,} bytes"
    return None


def _time_is_up(waiting: Waiting, settings: BatchSettings, completion_s: float) -> tuple[int, str]:
    """When what waits leaves in any case, and why then."""
    aged_ms = waiting.due_since_ms + round(1000 * settings.max_age_s)
    if waiting.deadline_ms is not None:
        leave_ms = leave_by_ms(waiting.deadline_ms, completion_s, settings)
        if leave_ms < aged_ms:
            return leave_ms, "the deadline of a job leaves no more time"
    return aged_ms, f"its first job has waited for {span(settings.max_age_s)}"

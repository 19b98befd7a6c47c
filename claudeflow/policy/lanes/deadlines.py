"""Deadlines: which waiting jobs cannot meet theirs any more."""

from __future__ import annotations

from typing import Protocol

from claudeflow.domain.job import Candidate, JobError


class Durations(Protocol):
    """What is known of how long calls take."""

    def duration_s(self, candidate: Candidate) -> float | None:
        """How long a call like this one typically takes; None when there was none yet."""
        ...


def too_late(candidate: Candidate, durations: Durations, now_ms: int) -> JobError | None:
    """Why the job can only expire: its deadline has passed, or passes before an answer can be there."""
    if candidate.deadline_ms is None:
        return None
    left_s = (candidate.deadline_ms - now_ms) / 1000
    if left_s <= 0:
        return JobError("deadline_passed", "its deadline passed while it waited")
    typical_s = durations.duration_s(candidate)
    if typical_s is None or left_s >= typical_s:
        return None
    return JobError(
        "deadline_out_of_reach",
        f"{left_s:.1f} s before its deadline it had not gone out, and calls like it take {typical_s:.1f} s",
    )

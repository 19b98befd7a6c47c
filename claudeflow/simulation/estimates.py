"""Estimates: how well `explain` foretells when a waiting job will go."""

from __future__ import annotations

from claudeflow.domain.events import CallEnded
from claudeflow.domain.job import JobId
from claudeflow.simulation.result import Estimates

LEAST_WAIT_S = 10.0
"""Of a job that goes sooner nobody asks."""
DIGITS = 4


class EstimateBook:
    """What `explain` said of jobs that waited, and what came of it. Times are virtual seconds."""

    def __init__(self) -> None:
        self._open: dict[JobId, tuple[float, float]] = {}
        self._errors: list[float] = []

    def expected(self, job_id: JobId, asked_at_s: float, goes_at_s: float) -> None:
        """Keep the first answer about a job."""
        self._open.setdefault(job_id, (asked_at_s, goes_at_s))

    def called(self, call: CallEnded, at_s: float) -> None:
        """A call has ended: when it began is when its job went."""
        if call.job_id is None:
            return
        asked_at_s, goes_at_s = self._open.pop(call.job_id, (at_s, at_s))
        waited_s = at_s - call.duration_s - asked_at_s
        if waited_s >= LEAST_WAIT_S:
            self._errors.append((goes_at_s - asked_at_s) / waited_s - 1.0)

    def result(self) -> Estimates:
        """How far off they were."""
        sizes = sorted(abs(error) for error in self._errors)
        if not sizes:
            return Estimates()
        return Estimates(
            len(sizes),
            round(sizes[len(sizes) // 2], DIGITS),
            round(sizes[int(len(sizes) * 0.9)], DIGITS),
        )

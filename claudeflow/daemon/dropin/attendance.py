"""Attendance: who waits on the line for which job. A listener: it tells the lines of their jobs."""

from __future__ import annotations

from typing import Protocol

from claudeflow.domain.attempt import Onlooker, Reply
from claudeflow.domain.events import DaemonDraining, DaemonStopped, Event, JobFinished, JobRequeued
from claudeflow.domain.job import JobId


class Attended(Protocol):
    """One line, as those see it who work on its job."""

    @property
    def onlooker(self) -> Onlooker | None:
        """Who reads the answer while it comes; None when the caller wants it whole."""
        ...

    @property
    def has_begun(self) -> bool:
        """Whether the caller has seen the beginning of an answer, and still reads: there is no second one."""
        ...

    @property
    def request_id(self) -> str | None:
        """The API's name for the call whose answer has begun, if one has."""
        ...

    def call_begins(self) -> None:
        """A call for the job leaves."""
        ...

    def call_ended(self, reply: Reply) -> None:
        """A call for the job came back."""
        ...

    def finished(self, event: JobFinished) -> None:
        """The job has ended."""
        ...

    def look(self) -> None:
        """Something happened to the job."""
        ...

    def drain(self) -> None:
        """No call leaves any more."""
        ...


class Attendance:
    """One per daemon."""

    def __init__(self) -> None:
        self._lines: dict[JobId, Attended] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, job_id: JobId, line: Attended) -> None:
        """Somebody waits for this job from now on."""
        self._lines[job_id] = line

    def remove(self, job_id: JobId) -> None:
        """Nobody waits for it any more."""
        self._lines.pop(job_id, None)

    def of(self, job_id: JobId) -> Attended | None:
        """Who waits for a job, if anybody does."""
        return self._lines.get(job_id)

    def apply(self, event: Event) -> None:
        """Tell those whom it concerns."""
        if isinstance(event, JobFinished):
            line = self._lines.get(event.job_id)
            if line is not None:
                line.finished(event)
        elif isinstance(event, JobRequeued):
            line = self._lines.get(event.job_id)
            if line is not None:
                line.look()
        elif isinstance(event, DaemonDraining | DaemonStopped):
            for line in list(self._lines.values()):
                line.drain()

"""Waiters: who waits at the desk for a job to end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from claudeflow.domain.events import DaemonStopped, Event, JobFinished
from claudeflow.domain.job import JobId

CANCEL_PATIENCE_S = 5.0
"""How long a cancellation waits to see a running call stop."""

CANCEL_AGAIN_S = 0.05
"""How soon it looks again at a job that could not be stopped."""


class Waiters:
    """A listener: it tells those who wait that their job has ended, and everybody when nothing more will."""

    def __init__(self) -> None:
        self._waiting: defaultdict[JobId, list[asyncio.Future[None]]] = defaultdict(list)

    def apply(self, event: Event) -> None:
        """Wake those whom it concerns."""
        if isinstance(event, JobFinished):
            self._wake(event.job_id)
        elif isinstance(event, DaemonStopped):
            for job_id in list(self._waiting):
                self._wake(job_id)

    @contextmanager
    def waiting(self, job_id: JobId) -> Iterator[asyncio.Future[None]]:
        """What is done once the job has ended."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[job_id].append(ended)
        try:
            yield ended
        finally:
            self._stop_waiting(job_id, ended)

    def _wake(self, job_id: JobId) -> None:
        for waiter in self._waiting.pop(job_id, ()):
            if not waiter.done():
                waiter.set_result(None)

    def _stop_waiting(self, job_id: JobId, ended: asyncio.Future[None]) -> None:
        waiters = self._waiting.get(job_id)
        if waiters is not None and ended in waiters:
            waiters.remove(ended)
            if not waiters:
                del self._waiting[job_id]

"""Who is owed the answer of which job, so that the end of a job finds its mailboxes at once."""

from __future__ import annotations

from collections.abc import Callable

from claudeflow.domain.events import Event, JobFinished
from claudeflow.domain.job import JobId

Tell = Callable[[JobId], None]


class Owed:
    """A listener on events. Rows with the same dedupe key may wait for one job, in several mailboxes."""

    def __init__(self) -> None:
        self._waiting: dict[JobId, dict[str, Tell]] = {}

    def add(self, job_id: JobId, mailbox: str, tell: Tell) -> None:
        """`tell` is called when the job ends."""
        self._waiting.setdefault(job_id, {})[mailbox] = tell

    def done(self, job_id: JobId, mailbox: str) -> None:
        """The mailbox has its answer."""
        tells = self._waiting.get(job_id, {})
        tells.pop(mailbox, None)
        if not tells:
            self._waiting.pop(job_id, None)

    def forget(self, mailbox: str) -> None:
        """The mailbox is served no more."""
        for job_id in [job_id for job_id, tells in self._waiting.items() if mailbox in tells]:
            self.done(job_id, mailbox)

    def count(self, mailbox: str) -> int:
        """How many jobs' answers a mailbox is owed."""
        return sum(mailbox in tells for tells in self._waiting.values())

    def apply(self, event: Event) -> None:
        """A job has ended, or is parked: whoever waits for it looks."""
        if isinstance(event, JobFinished):
            for tell in list(self._waiting.get(event.job_id, {}).values()):
                tell(event.job_id)

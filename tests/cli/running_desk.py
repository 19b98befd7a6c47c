"""A desk on another thread's loop, as the tests of the command line reach it."""

from __future__ import annotations

from dataclasses import dataclass

from anyio.from_thread import BlockingPortal

from claudeflow.domain.job import JobId, NewJob
from tests.support.fake_desk import FakeDesk


@dataclass(frozen=True)
class RunningDesk:
    """What was submitted, and the daemon's part of a job."""

    desk: FakeDesk
    portal: BlockingPortal

    @property
    def jobs(self) -> list[NewJob]:
        return list(self.desk.jobs.values())

    def finish(self, job_id: int, answer: bytes) -> None:
        self.portal.call(self.desk.finish, JobId(job_id), answer)

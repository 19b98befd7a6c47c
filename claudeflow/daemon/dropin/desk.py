"""The desk of the drop-in endpoint, over the store's desk and the running engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from claudeflow.daemon.dropin.enquiries import Enquiries, EnquirySender
from claudeflow.daemon.dropin.line import JobLine, Jobs, Queue, Terms
from claudeflow.daemon.shared import Shared
from claudeflow.domain.enquiry import Answer, Enquiry
from claudeflow.domain.job import NewJob
from claudeflow.intake.desks.desk import READY_PHASE, Submitted
from claudeflow.intake.desks.messages import Ask, Line
from claudeflow.intake.http.errors import NotReady
from claudeflow.policy.access.grants import Standing
from claudeflow.policy.lanes.settings import LaneSettings

NOT_READY_RETRY_S = 2


class Floor(Protocol):
    """What this desk needs of whoever works on jobs."""

    @property
    def phase(self) -> str:
        """`starting`, `running`, `draining` or `offline`."""
        ...


class Counter(Jobs, Protocol):
    """What this desk needs of the store's desk."""

    async def submit(self, jobs: Sequence[NewJob], *, by: Standing) -> list[Submitted]:
        """Store all jobs, or none. Raises QueueFull, Forbidden."""
        ...


class StoreMessagesDesk:
    """A `MessagesDesk` whose callers wait for jobs like any other."""

    def __init__(self, shared: Shared, floor: Floor, counter: Counter, queue: Queue) -> None:
        self._shared = shared
        self._floor = floor
        self._counter = counter
        self._queue = queue
        self._enquiries: Enquiries | None = None

    def use(self, sender: EnquirySender) -> None:
        """Enquiries are handed on by this one."""
        self._enquiries = Enquiries(sender, self._shared)

    async def open(self, ask: Ask) -> Line:
        """Store the job and let its caller wait for it. Raises QueueFull, NotReady."""
        if self._floor.phase != READY_PHASE:
            raise NotReady(f"claudeflow is {self._floor.phase}; ask again", NOT_READY_RETRY_S)
        lane = self._shared.config.lanes.get(ask.job.lane, LaneSettings())
        patience_s = lane.patience_s if ask.patience_s is None else ask.patience_s
        [stored] = await self._counter.submit([replace(ask.job, attended=lane.on_disconnect)], by=ask.by)
        terms = Terms(ask.job.model, ask.stream, patience_s, lane.on_disconnect)
        line = JobLine(stored.id, terms, self._counter, self._queue, self._shared)
        # No await since the commit: nobody can have claimed the job yet.
        self._shared.attendance.add(stored.id, line)
        return line

    async def enquire(self, enquiry: Enquiry, sender: str) -> Answer:
        """What the API says to `sender`, who is named as in `submitted_by`. Raises NotReady."""
        if self._enquiries is None:
            raise NotReady(f"claudeflow is {self._floor.phase}; ask again", NOT_READY_RETRY_S)
        return await self._enquiries.ask(enquiry, sender)

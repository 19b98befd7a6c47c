"""Recording: what a call cost, told to everybody, and written until it is on the disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeVar

from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Reply
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import CallEnded, OwnTrouble
from claudeflow.domain.job import Job
from claudeflow.domain.usage import NOTHING_BILLED, Bill
from claudeflow.policy.money.pricing import UnknownModel
from claudeflow.store.database import Work
from claudeflow.store.ledger import CallEnd

RECORD_RETRY_S = 0.5

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told:
    """What an event says of a call beside how it ended; `jobs`: how many it served."""

    duration_s: float
    streamed: bool
    prefix: str | None
    kind: str = "message"
    jobs: int = 1


class Recording:
    """One per daemon, for everybody who makes calls."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._out_of_time = False

    def give_up(self) -> None:
        """The grace period is over: a store that takes no results is not waited for."""
        self._out_of_time = True

    def bill(self, job: Job, reply: Reply) -> Bill | None:
        """What the call cost; None when only the other side knows."""
        if not reply.sent or reply.free:
            return NOTHING_BILLED
        if not reply.usage_known:
            return None
        try:
            return self._shared.prices.bill(job.model, reply.usage, job.opened_ms)
        except UnknownModel as problem:
            self._shared.emit(OwnTrouble("pricing a call", str(problem)))
            return None

    async def write(self, work: Work[T], where: str) -> T:
        """Write until it is on the disk: an answer that was paid for is not given up for a full disk.

        Raises StoreError once the daemon must stop: the next one requeues the job, its call stays unknown.
        """
        told = False
        while True:
            try:
                return await self._shared.store.write(work)
            except StoreError as problem:
                if not told:
                    self._shared.emit(OwnTrouble(where, str(problem)))
                if self._out_of_time:
                    raise
                told = True
                await asyncio.sleep(RECORD_RETRY_S)

    def tell(self, job: Job, end: CallEnd, told: Told) -> None:
        """A call has ended."""
        reply, bill = end.reply, end.bill or NOTHING_BILLED
        age_s = (self._shared.clock.epoch_ms() - job.submitted_ms) / 1000
        is_of_a_job = told.kind in ("message", "pack")
        self._shared.emit(
            CallEnded(
                job_id=job.id if is_of_a_job else None,
                lane=job.lane,
                workflow=job.workflow,
                model=job.model,
                call_id=job.call_id,
                attempt=job.tries if is_of_a_job else 0,
                outcome=end.outcome,
                http_status=reply.http_status,
                request_id=reply.request_id,
                error=end.error,
                usage=reply.usage,
                cost_nanousd=bill.cost_nanousd,
                uncached_nanousd=bill.uncached_nanousd,
                unbatched_nanousd=bill.unbatched_nanousd,
                plain_nanousd=bill.plain_nanousd,
                queue_age_s=max(0.0, age_s - told.duration_s) if is_of_a_job else 0.0,
                duration_s=told.duration_s,
                streamed=told.streamed,
                settled=end.bill is not None,
                kind=told.kind,
                prompt_name=job.prompt.name if job.prompt else None,
                prompt_version=job.prompt.version if job.prompt else None,
                prefix=told.prefix,
                jobs=told.jobs,
                submitted_by=job.submitted_by if told.kind == "message" else None,
            )
        )

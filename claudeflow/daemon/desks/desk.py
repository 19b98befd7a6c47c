"""The desk: what the front doors may ask for, answered from the store and the running engine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from claudeflow.daemon.catalog import CatalogShelf
from claudeflow.daemon.desks.access import StoreAccessDesk
from claudeflow.daemon.desks.batches import StoreBatchDesk
from claudeflow.daemon.desks.books import StoreBooksDesk
from claudeflow.daemon.desks.budgets import StoreBudgetDesk
from claudeflow.daemon.desks.cache import StoreCacheDesk
from claudeflow.daemon.desks.filters import StoreFilterDesk
from claudeflow.daemon.desks.holds import StoreHoldDesk
from claudeflow.daemon.desks.mailboxes import StoreMailboxDesk
from claudeflow.daemon.desks.packs import StorePacksDesk
from claudeflow.daemon.desks.queue import Floor as QueueFloor
from claudeflow.daemon.desks.queue import StoreQueueDesk
from claudeflow.daemon.desks.receipts import StoreReceiptDesk
from claudeflow.daemon.desks.status import StatusBoard
from claudeflow.daemon.desks.submitting import Submitter
from claudeflow.daemon.desks.waiters import CANCEL_AGAIN_S, CANCEL_PATIENCE_S, Waiters
from claudeflow.daemon.dropin.desk import StoreMessagesDesk
from claudeflow.daemon.reconcile import Reconciler
from claudeflow.daemon.shared import Shared
from claudeflow.domain.events import Event, JobFinished
from claudeflow.domain.job import Candidate, JobError, JobId, JobRecord, JobState, NewJob
from claudeflow.domain.report import AttemptRow, PoolStatus, Spend, Status
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.desks.batches import BatchDesk
from claudeflow.intake.desks.books import BooksDesk
from claudeflow.intake.desks.budgets import BudgetDesk
from claudeflow.intake.desks.cache import CacheDesk
from claudeflow.intake.desks.desk import JobFilter, Submitted
from claudeflow.intake.desks.events import EventDesk
from claudeflow.intake.desks.filters import FilterDesk
from claudeflow.intake.desks.holds import HoldDesk
from claudeflow.intake.desks.packs import PacksDesk
from claudeflow.intake.desks.queue import QueueDesk
from claudeflow.intake.desks.receipts import ReceiptDesk, ReceiptOf
from claudeflow.observe.event_log import EventLog
from claudeflow.observe.tally import Tally
from claudeflow.policy.access.grants import Standing
from claudeflow.store import batch_ends, reports
from claudeflow.store import jobs as store_jobs
from claudeflow.store.database import as_it_is


class Floor(QueueFloor, Protocol):
    """What the desk needs of whoever works on jobs. Offline, nobody does."""

    @property
    def phase(self) -> str:
        """`starting`, `running`, `draining` or `offline`."""
        ...

    def arrive(self, candidates: Iterable[Candidate]) -> None:
        """Jobs became due."""
        ...

    def remind(self, at_ms: int) -> None:
        """A waiting job becomes due then."""
        ...

    def gone(self, candidate: Candidate) -> None:
        """A waiting job is no longer queued."""
        ...

    def interrupt(self, job_id: JobId) -> bool:
        """Stop a running job's call."""
        ...

    def pools(self) -> tuple[PoolStatus, ...]:
        """How the pools stand."""
        ...


@dataclass(frozen=True, slots=True)
class SideDesks:
    """The desks that need more than the store."""

    holds: StoreHoldDesk
    budgets: StoreBudgetDesk
    batches: StoreBatchDesk
    events: EventLog
    access: StoreAccessDesk


class StoreDesk:
    """A `Desk` over the store. Also a listener: it tells those who wait that their job has ended."""

    def __init__(
        self,
        shared: Shared,
        shelf: CatalogShelf,
        floor: Floor,
        aside: SideDesks,
        *,
        tally: Tally,
        spent: Spend,
    ) -> None:
        """`spent` is what the books said when the daemon started; `tally` counts from there on."""
        self._shared = shared
        self._shelf = shelf
        self._floor = floor
        self._queue = StoreQueueDesk(shared, floor, aside.batches)
        self._aside = aside
        self._books = StoreBooksDesk(shared, shelf)
        self._cache = StoreCacheDesk(shared)
        self._packs = StorePacksDesk(shared)
        self.mailboxes = StoreMailboxDesk(shared)
        self.submitter = Submitter(shared, shelf, floor, aside.access)
        self._receipts = StoreReceiptDesk(shared)
        self._filters = StoreFilterDesk(shared)
        self.reconciliation = Reconciler(shared)
        self._status = StatusBoard(shared, tally, spent)
        self._waiters = Waiters()
        self._messages = StoreMessagesDesk(shared, floor, self, self._queue)

    @property
    def catalog(self) -> Catalog:
        """What can be asked for now."""
        return self._shelf.catalog

    @property
    def access(self) -> StoreAccessDesk:
        """Where one asks who may do what."""
        return self._aside.access

    @property
    def queue(self) -> QueueDesk:
        """Where one asks who goes when, and moves jobs."""
        return self._queue

    @property
    def holds(self) -> HoldDesk:
        """Where holds are asked about, set and released."""
        return self._aside.holds

    @property
    def events(self) -> EventDesk:
        """Where one reads along with what happens."""
        return self._aside.events

    @property
    def budgets(self) -> BudgetDesk:
        """Where budgets are asked about, set and released."""
        return self._aside.budgets

    @property
    def batches(self) -> BatchDesk:
        """Where Message Batches are asked about and stopped."""
        return self._aside.batches

    @property
    def packs(self) -> PacksDesk:
        """Where packs are asked about and reset."""
        return self._packs

    @property
    def books(self) -> BooksDesk:
        """Where usage and prices are asked about."""
        return self._books

    @property
    def messages(self) -> StoreMessagesDesk:
        """Where callers wait for the answer of the API."""
        return self._messages

    @property
    def cache(self) -> CacheDesk:
        """Where cached prefixes are asked about."""
        return self._cache

    @property
    def filters(self) -> FilterDesk:
        """Where jobs are found by conditions."""
        return self._filters

    @property
    def receipts(self) -> ReceiptDesk:
        """Where it is known what keyed requests were answered."""
        return self._receipts

    def apply(self, event: Event) -> None:
        """Wake those who wait for a job, and everybody when nothing more will happen."""
        self._waiters.apply(event)
        self._shared.attendance.apply(event)

    async def submit(
        self, jobs: Sequence[NewJob], receipt_of: ReceiptOf | None = None, *, by: Standing | None = None
    ) -> list[Submitted]:
        """Store all jobs in one transaction, or none, with their receipt.

        Raises QueueFull, and what keeps `by` from sending them.
        """
        within = partial(self._receipts.with_receipt, receipt_of=receipt_of) if receipt_of else as_it_is
        return await self.submitter.submit(jobs, by, within)

    async def job(self, job_id: JobId) -> JobRecord:
        """One job. Raises JobNotFound."""
        return await self._shared.store.read(partial(store_jobs.job, job_id=job_id))

    async def answer(self, job_id: JobId) -> bytes | None:
        """A succeeded job's answer. Raises JobNotFound."""
        return await self._shared.store.read(partial(store_jobs.answer, job_id=job_id))

    async def attempts(self, job_id: JobId) -> list[AttemptRow]:
        """Every try at a job. Raises JobNotFound."""
        return await self._shared.store.read(partial(reports.attempts_of, job_id=job_id))

    async def wait(self, job_id: JobId, timeout_s: float) -> JobRecord:
        """The job once it will not move by itself, or as it is after `timeout_s`."""
        with self._waiters.waiting(job_id) as ended:
            record = await self.job(job_id)
            if record.state.is_final or record.state is JobState.HELD:
                return record
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await ended
        return await self.job(job_id)

    async def list_jobs(self, which: JobFilter) -> list[JobRecord]:
        """Jobs, newest first."""
        return await self._shared.store.read(
            partial(
                store_jobs.list_jobs,
                state=which.state,
                lane=which.lane,
                workflow=which.workflow,
                submitted_by=which.submitted_by,
                before_id=which.before_id,
                limit=which.limit,
            )
        )

    async def cancel(self, job_id: JobId) -> JobRecord:
        """Cancel a job; a running one as soon as its call has stopped."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + CANCEL_PATIENCE_S
        while True:
            record = await self.withdraw(job_id)
            left_s = give_up - loop.time()
            if record.state is not JobState.RUNNING or left_s <= 0:
                return record
            # Before its call begins and while its end is written a job cannot be stopped: look again.
            is_stopping = self._floor.interrupt(job_id)
            record = await self.wait(job_id, left_s if is_stopping else CANCEL_AGAIN_S)
            if record.state.is_final or record.state is JobState.HELD:
                return record

    async def withdraw(self, job_id: JobId) -> JobRecord:
        """Cancel a job unless its call is out; the job as it is then. Raises Conflict when it has ended."""
        now_ms = self._shared.clock.epoch_ms()
        work = partial(batch_ends.cancel_job, job_id=job_id, now_ms=now_ms)
        found = await self._shared.store.write(work)
        record = found.record
        if found.candidate is not None:
            self._floor.gone(found.candidate)
        if found.candidate is not None or found.batch_id is not None:
            wait_s = (now_ms - record.submitted_ms) / 1000
            error = record.error or JobError("cancelled", "cancelled on request")
            self._shared.emit(
                JobFinished(
                    job_id,
                    record.lane,
                    record.workflow,
                    record.state,
                    error,
                    wait_s,
                    wait_s,
                    record.submitted_by,
                )
            )
        return record

    async def retry(self, job_id: JobId) -> JobRecord:
        """Queue an unsuccessful or parked job again."""
        record, candidate = await self._shared.store.write(partial(store_jobs.revive, job_id=job_id))
        self._floor.arrive([candidate])
        return record

    async def status(self) -> Status:
        """Lanes, pools, holds, spend and mailboxes."""
        floor = self._floor
        return await self._status.status(floor.phase, floor.pools(), self.mailboxes.standing())

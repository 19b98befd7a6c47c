"""The desk: what the front doors may ask for, answered from the store and the running engine."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from claudeflow import __version__
from claudeflow.daemon.budgets.fallbacks import as_answered
from claudeflow.daemon.catalog import CatalogShelf
from claudeflow.daemon.desks.books import StoreBooksDesk
from claudeflow.daemon.desks.budgets import StoreBudgetDesk
from claudeflow.daemon.desks.cache import StoreCacheDesk
from claudeflow.daemon.desks.holds import StoreHoldDesk
from claudeflow.daemon.desks.queue import Floor as QueueFloor
from claudeflow.daemon.desks.queue import StoreQueueDesk
from claudeflow.daemon.reconcile import Reconciler
from claudeflow.daemon.shared import Shared
from claudeflow.domain.events import DaemonStopped, Event, JobFinished, JobsSubmitted
from claudeflow.domain.job import Candidate, JobError, JobId, JobRecord, JobState, NewJob
from claudeflow.domain.report import AttemptRow, LaneStatus, PoolStatus, Spend, Status
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.desks.books import BooksDesk
from claudeflow.intake.desks.budgets import BudgetDesk
from claudeflow.intake.desks.cache import CacheDesk
from claudeflow.intake.desks.desk import JobFilter, Submitted
from claudeflow.intake.desks.holds import HoldDesk
from claudeflow.intake.desks.queue import QueueDesk
from claudeflow.observe.tally import LaneTally, Tally
from claudeflow.store import jobs as store_jobs
from claudeflow.store import ledger, reports


class Floor(QueueFloor, Protocol):
    """What the desk needs of whoever works on jobs. Offline, nobody does."""

    @property
    def phase(self) -> str:
        """`starting`, `running`, `draining` or `offline`."""
        ...

    def arrive(self, candidates: Sequence[Candidate]) -> None:
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


class StoreDesk:
    """A `Desk` over the store. Also a listener: it tells those who wait that their job has ended."""

    def __init__(
        self,
        shared: Shared,
        shelf: CatalogShelf,
        floor: Floor,
        holds: StoreHoldDesk,
        budgets: StoreBudgetDesk,
        *,
        tally: Tally,
        spent: Spend,
    ) -> None:
        """`spent` is what the books said when the daemon started; `tally` counts from there on."""
        self._spent = spent
        self._shared = shared
        self._shelf = shelf
        self._floor = floor
        self._queue = StoreQueueDesk(shared, floor)
        self._holds = holds
        self._budgets = budgets
        self._books = StoreBooksDesk(shared, shelf)
        self._cache = StoreCacheDesk(shared)
        self.reconciliation = Reconciler(shared)
        self._tally = tally
        self._started_ms = shared.clock.epoch_ms()
        self._waiting: defaultdict[JobId, list[asyncio.Future[None]]] = defaultdict(list)

    @property
    def catalog(self) -> Catalog:
        """What can be asked for now."""
        return self._shelf.catalog

    @property
    def queue(self) -> QueueDesk:
        """Where one asks who goes when, and moves jobs."""
        return self._queue

    @property
    def holds(self) -> HoldDesk:
        """Where holds are asked about, set and released."""
        return self._holds

    @property
    def budgets(self) -> BudgetDesk:
        """Where budgets are asked about, set and released."""
        return self._budgets

    @property
    def books(self) -> BooksDesk:
        """Where usage and prices are asked about."""
        return self._books

    @property
    def cache(self) -> CacheDesk:
        """Where cached prefixes are asked about."""
        return self._cache

    def apply(self, event: Event) -> None:
        """Wake those who wait for a job, and everybody when nothing more will happen."""
        if isinstance(event, JobFinished):
            self._wake(event.job_id)
        elif isinstance(event, DaemonStopped):
            for job_id in list(self._waiting):
                self._wake(job_id)

    async def submit(self, jobs: Sequence[NewJob]) -> list[Submitted]:
        """Store all jobs in one transaction, or none. Raises QueueFull."""
        lanes = self._shared.config.lanes
        jobs = as_answered(self._shared, jobs)
        work = partial(
            store_jobs.submit,
            jobs=jobs,
            templates=self._shelf.templates_of(jobs),
            now_ms=self._shared.clock.epoch_ms(),
            queue_bounds={job.lane: lanes[job.lane].max_queued for job in jobs if job.lane in lanes},
        )
        accepted = await self._shared.store.write(work)
        self._floor.arrive([found.candidate for found in accepted if found.candidate is not None])
        self._tell_submitted(jobs, accepted)
        return [Submitted(found.id, found.created) for found in accepted]

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
        ended = asyncio.get_running_loop().create_future()
        self._waiting[job_id].append(ended)
        try:
            record = await self.job(job_id)
            if record.state.is_final or record.state is JobState.HELD:
                return record
            async with asyncio.timeout(timeout_s):
                await ended
        except TimeoutError:
            pass
        finally:
            self._stop_waiting(job_id, ended)
        return await self.job(job_id)

    async def list_jobs(self, which: JobFilter) -> list[JobRecord]:
        """Jobs, newest first."""
        return await self._shared.store.read(
            partial(
                store_jobs.list_jobs,
                state=which.state,
                lane=which.lane,
                workflow=which.workflow,
                before_id=which.before_id,
                limit=which.limit,
            )
        )

    async def cancel(self, job_id: JobId) -> JobRecord:
        """Cancel a job; a running one as soon as its call has stopped."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + CANCEL_PATIENCE_S
        while True:
            record = await self._cancel_unless_running(job_id)
            left_s = give_up - loop.time()
            if record.state is not JobState.RUNNING or left_s <= 0:
                return record
            # Before its call begins and while its end is written a job cannot be stopped: look again.
            is_stopping = self._floor.interrupt(job_id)
            record = await self.wait(job_id, left_s if is_stopping else CANCEL_AGAIN_S)
            if record.state.is_final or record.state is JobState.HELD:
                return record

    async def _cancel_unless_running(self, job_id: JobId) -> JobRecord:
        now_ms = self._shared.clock.epoch_ms()
        work = partial(store_jobs.cancel, job_id=job_id, now_ms=now_ms)
        record, candidate = await self._shared.store.write(work)
        if candidate is not None:
            self._floor.gone(candidate)
            wait_s = (now_ms - record.submitted_ms) / 1000
            error = record.error or JobError("cancelled", "cancelled on request")
            self._shared.emit(
                JobFinished(job_id, record.lane, record.workflow, record.state, error, wait_s, wait_s)
            )
        return record

    async def retry(self, job_id: JobId) -> JobRecord:
        """Queue an unsuccessful or parked job again."""
        record, candidate = await self._shared.store.write(partial(store_jobs.revive, job_id=job_id))
        self._floor.arrive([candidate])
        return record

    async def status(self) -> Status:
        """Lanes, pools, holds and spend."""
        store, now_ms = self._shared.store, self._shared.clock.epoch_ms()
        counts = await store.read(reports.lane_counts)
        names = [*self._shared.config.lanes, *sorted(counts.keys() - self._shared.config.lanes.keys())]
        return Status(
            version=__version__,
            instance=self._shared.instance,
            phase=self._floor.phase,
            started_ms=self._started_ms,
            now_ms=now_ms,
            lanes=tuple(self._lane(name, counts.get(name), now_ms) for name in names),
            pools=self._floor.pools(),
            holds=(*self._shared.holds.in_force(now_ms), *self._shared.budgets.holds()),
            spend=self._spend(*await store.read(ledger.unknown_spend)),
        )

    def _spend(self, unknown_calls: int, unknown_bound_nanousd: int) -> Spend:
        tally, before = self._tally, self._spent
        return Spend(
            before.settled_nanousd + tally.cost_nanousd,
            before.uncached_nanousd + tally.uncached_nanousd,
            before.calls + tally.settled_calls,
            unknown_calls,
            unknown_bound_nanousd,
        )

    def _lane(self, name: str, count: reports.LaneCount | None, now_ms: int) -> LaneStatus:
        count = count or reports.LaneCount()
        done = self._tally.lanes.get(name) or LaneTally()
        oldest = count.oldest_submitted_ms
        return LaneStatus(
            lane=name,
            queued=count.queued,
            running=count.running,
            succeeded=done.succeeded,
            failed=done.failed,
            oldest_age_s=None if oldest is None else max(0.0, (now_ms - oldest) / 1000),
            wait_p50_s=done.wait_percentile_s(0.5),
            wait_p95_s=done.wait_percentile_s(0.95),
            input_tokens=done.input_tokens,
            cache_read_tokens=done.cache_read_tokens,
            output_tokens=done.output_tokens,
            cost_nanousd=done.cost_nanousd,
            uncached_nanousd=done.uncached_nanousd,
        )

    def _tell_submitted(self, jobs: Sequence[NewJob], accepted: Sequence[store_jobs.Accepted]) -> None:
        created: defaultdict[tuple[str, str], int] = defaultdict(int)
        for job, found in zip(jobs, accepted, strict=True):
            created[job.lane, job.workflow] += found.created
            if found.created and found.candidate is None:
                self._floor.remind(job.not_before_ms)
        for (lane, workflow), count in created.items():
            if count:
                self._shared.emit(JobsSubmitted(lane, workflow, count))

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


CANCEL_PATIENCE_S = 5.0
"""How long `cancel` waits to see a running call stop."""

CANCEL_AGAIN_S = 0.05
"""How soon `cancel` looks again at a job that could not be stopped."""

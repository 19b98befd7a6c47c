"""The desk for the queue, over the store and the running engine."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Protocol

from claudeflow.daemon.batches.routing import facts_of, goes_by_batch
from claudeflow.daemon.calls.pool_view import PoolView
from claudeflow.daemon.desks.batches import StoreBatchDesk
from claudeflow.daemon.shared import Shared
from claudeflow.domain.events import JobMoved
from claudeflow.domain.hold import Scope, ScopeKind
from claudeflow.domain.job import Candidate, JobId, JobRecord, JobState
from claudeflow.domain.report import Explanation, PoolLimitsStatus
from claudeflow.policy.lanes.explain import NO_DAEMON, explain_at_rest, explain_waiting
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.store import jobs as store_jobs
from claudeflow.store import queue as store_queue
from claudeflow.store import reports


class Floor(Protocol):
    """What this desk needs of whoever works on jobs."""

    def arrive(self, candidates: Iterable[Candidate]) -> None:
        """Jobs became due."""
        ...

    def gone(self, candidate: Candidate) -> None:
        """A waiting job is no longer queued where it was."""
        ...

    def view(self, model: str) -> PoolView | None:
        """A look at the pool of a model; None when nobody works on jobs."""
        ...

    def views(self) -> list[PoolView]:
        """A look at every pool that is in use."""
        ...


class StoreQueueDesk:
    """A `QueueDesk` that people and their scripts work at."""

    def __init__(self, shared: Shared, floor: Floor, batches: StoreBatchDesk) -> None:
        self._shared = shared
        self._floor = floor
        self._batches = batches

    async def move(self, job_id: JobId, lane: str | None, priority: int | None) -> JobRecord:
        """Give a waiting job another lane or priority. Raises JobNotFound, Conflict, QueueFull."""
        bound = self._shared.config.lanes.get(lane or "", LaneSettings()).max_queued
        work = partial(
            store_queue.move, job_id=job_id, lane=lane, priority=priority, bound=bound, route=self._route
        )
        moved = await self._shared.store.write(work)
        self._floor.gone(moved.before)
        if moved.after is not None:
            self._floor.arrive([moved.after])
        record = moved.record
        self._shared.emit(
            JobMoved(job_id, moved.before.lane, record.lane, record.priority, record.submitted_by)
        )
        return record

    async def explain(self, job_id: JobId) -> Explanation:
        """Why a job is where it is, and when it goes. Raises JobNotFound."""
        now_ms = self._shared.clock.epoch_ms()
        record = await self._shared.store.read(partial(store_jobs.job, job_id=job_id))
        in_batch = await self._batches.explain(record) if record.state is JobState.RUNNING else None
        if in_batch is not None:
            return in_batch
        at_rest = explain_at_rest(record, now_ms, held_by=self._own_hold(job_id))
        if at_rest is not None:
            return at_rest
        waits_for_batch = await self._batches.explain(record)
        if waits_for_batch is not None:
            return waits_for_batch
        queue = await self._shared.store.read(partial(reports.queue_around, job_id=job_id))
        view = self._floor.view(record.model)
        if view is None:
            return Explanation(record.id, record.state.value, "no_daemon", NO_DAEMON)
        if queue is None:
            return Explanation(record.id, record.state.value, "next", "it becomes due at this moment")
        return explain_waiting(record, view.standing(queue), view.moments)

    async def limits(self) -> list[PoolLimitsStatus]:
        """Every pool's limits, and who waits for what."""
        return [view.limits() for view in self._floor.views()]

    def _route(self, candidate: Candidate, returned: int) -> bool:
        return goes_by_batch(self._shared, candidate.lane, facts_of(candidate, returned))

    def _own_hold(self, job_id: JobId) -> str | None:
        holds = self._shared.holds.on(Scope(ScopeKind.JOB, str(job_id)))
        return next((f"it is held: {hold.reason}; {hold.way_out}" for hold in holds), None)

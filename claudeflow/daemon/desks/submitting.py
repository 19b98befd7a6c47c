"""New jobs into the store: what every front door does once its jobs are checked and allowed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

from claudeflow.daemon.batches.routing import routed
from claudeflow.daemon.budgets.fallbacks import as_answered
from claudeflow.daemon.catalog import CatalogShelf
from claudeflow.daemon.desks.access import StoreAccessDesk
from claudeflow.daemon.desks.receipts import submitted
from claudeflow.daemon.shared import Shared
from claudeflow.domain.events import JobsSubmitted
from claudeflow.domain.job import Candidate, NewJob
from claudeflow.intake.desks.receipts import Submitted
from claudeflow.policy.access.grants import Standing
from claudeflow.store import jobs as store_jobs
from claudeflow.store.database import Work, as_it_is

Within = Callable[[Work[list[store_jobs.Accepted]]], Work[list[store_jobs.Accepted]]]
"""Adds to the transaction that stores the jobs."""


class Floor(Protocol):
    """Who works on jobs."""

    def arrive(self, candidates: Iterable[Candidate]) -> None:
        """Jobs became due."""
        ...

    def remind(self, at_ms: int) -> None:
        """A waiting job becomes due then."""
        ...


class Submitter:
    """Stores jobs, hands the due ones to the floor, and tells of them."""

    def __init__(self, shared: Shared, shelf: CatalogShelf, floor: Floor, access: StoreAccessDesk) -> None:
        self._shared = shared
        self._access = access
        self._shelf = shelf
        self._floor = floor

    async def submit(
        self, jobs: Sequence[NewJob], by: Standing | None, within: Within = as_it_is
    ) -> list[Submitted]:
        """Store all jobs in one transaction, or none, and what `within` adds to it.

        Raises QueueFull, and what keeps `by` from sending them; None is claudeflow itself.
        """
        lanes = self._shared.config.lanes
        jobs = routed(self._shared, as_answered(self._shared, jobs))
        bounds = {job.lane: lanes[job.lane].max_queued for job in jobs if job.lane in lanes}
        templates, now_ms = self._shelf.templates_of(jobs), self._shared.clock.epoch_ms()
        with self._access.admitted(jobs, by) as sender:
            work = partial(
                store_jobs.submit,
                jobs=jobs,
                templates=templates,
                now_ms=now_ms,
                queue_bounds=bounds,
                sender=sender,
            )
            accepted = await self._shared.store.write(within(work))
        self._floor.arrive([found.candidate for found in accepted if found.candidate is not None])
        self._tell(jobs, accepted)
        return submitted(accepted)

    def _tell(self, jobs: Sequence[NewJob], accepted: Sequence[store_jobs.Accepted]) -> None:
        created: defaultdict[tuple[str, str], int] = defaultdict(int)
        for job, found in zip(jobs, accepted, strict=True):
            created[job.lane, job.workflow] += found.created
            if found.created and found.candidate is None:
                self._floor.remind(job.not_before_ms)
        for (lane, workflow), count in created.items():
            if count:
                self._shared.emit(JobsSubmitted(lane, workflow, count))

"""Fallbacks at work: waiting jobs change to their cheaper model, and back when the reason is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from claudeflow.daemon.shared import Shared
from claudeflow.domain.job import Candidate, NewJob
from claudeflow.store import budget_changes as store
from claudeflow.store.database import Work

AT_ONCE = 500
"""How many jobs change in one transaction."""


class Floor(Protocol):
    """What fallbacks need of whoever works on jobs."""

    def arrive(self, candidates: Iterable[Candidate]) -> None:
        """Jobs became due."""
        ...

    def gone(self, candidate: Candidate) -> None:
        """A job is no longer to be had."""
        ...


def as_answered(shared: Shared, jobs: Sequence[NewJob]) -> Sequence[NewJob]:
    """New jobs, each with the model that answers it now."""
    if not shared.fallbacks.in_force:
        return jobs
    return [
        job
        if job.fallback_model is None
        else shared.fallbacks.as_answered(job, shared.prices.pool_of(job.fallback_model))
        for job in jobs
    ]


class Switching:
    """Moves waiting jobs between models, in the store and in the pools."""

    def __init__(self, shared: Shared, floor: Floor) -> None:
        self._shared = shared
        self._floor = floor

    async def sweep(self) -> None:
        """Give every waiting job the model that answers it now. Raises StoreError."""
        book = self._shared.fallbacks
        for found in book.in_force:
            scope = found.scope
            await self._all(
                partial(store.fall_back, kind=scope.kind, name=scope.name, reason=found.reason, limit=AT_ONCE)
            )
        if not book.everything:
            lanes, workflows = book.names("lane"), book.names("workflow")
            await self._all(partial(store.fall_forward, lanes=lanes, workflows=workflows, limit=AT_ONCE))

    async def _all(self, work: Work[list[store.Switched]]) -> None:
        while True:
            switched = await self._shared.store.write(work)
            self._tell(switched)
            if len(switched) < AT_ONCE:
                return

    def _tell(self, switched: Iterable[store.Switched]) -> None:
        for found in switched:
            if found.is_due:
                self._floor.gone(replace(found.candidate, model=found.from_model))
                self._floor.arrive([found.candidate])

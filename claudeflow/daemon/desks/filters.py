"""The desk of filters, over the store."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from claudeflow.daemon.shared import Shared
from claudeflow.domain.job_filter import Match, Terms
from claudeflow.intake.desks.filters import FoundJobs
from claudeflow.store import filtering


class StoreFilterDesk:
    """A `FilterDesk` whose every question goes over a bounded number of ids."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def find(self, terms: Terms, before_id: int | None, limit: int) -> FoundJobs:
        """The next jobs that meet the terms."""
        now_ms = self._shared.clock.epoch_ms()
        work = partial(filtering.page, terms=terms, now_ms=now_ms, before_id=before_id, limit=limit)
        found = await self._shared.store.read(work)
        return FoundJobs(found.jobs, found.next_id)

    async def matches(self, terms: Terms, before_id: int | None) -> tuple[list[Match], int | None]:
        """All that meet the terms among the next ids, and where to go on."""
        now_ms = self._shared.clock.epoch_ms()
        work = partial(filtering.matches, terms=terms, now_ms=now_ms, before_id=before_id)
        return await self._shared.store.read(work)

    async def still_matching(self, terms: Terms, ids: Sequence[int]) -> set[int]:
        """Those of some jobs that meet the terms now."""
        now_ms = self._shared.clock.epoch_ms()
        return await self._shared.store.read(
            partial(filtering.still_matching, terms=terms, now_ms=now_ms, ids=ids)
        )

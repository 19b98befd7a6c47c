"""The desk of filters: finding jobs by conditions, a bounded number of ids at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from claudeflow.domain.job import JobRecord
from claudeflow.domain.job_filter import Match, Terms


@dataclass(frozen=True, slots=True)
class FoundJobs:
    """Jobs, newest first. `next_id`: where to go on, be there more or not; None: that was all."""

    jobs: list[JobRecord]
    next_id: int | None


class FilterDesk(Protocol):
    """Where jobs are found by conditions."""

    async def find(self, terms: Terms, before_id: int | None, limit: int) -> FoundJobs:
        """The next jobs that meet the terms."""
        ...

    async def matches(self, terms: Terms, before_id: int | None) -> tuple[list[Match], int | None]:
        """All that meet the terms among the next ids, and where to go on."""
        ...

    async def still_matching(self, terms: Terms, ids: Sequence[int]) -> set[int]:
        """Those of some jobs that meet the terms now."""
        ...

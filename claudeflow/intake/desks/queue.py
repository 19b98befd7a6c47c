"""The desk for the queue: what the front doors may ask about who goes when, and change."""

from __future__ import annotations

from typing import Protocol

from claudeflow.domain.job import JobId, JobRecord
from claudeflow.domain.report import Explanation, PoolLimitsStatus


class QueueDesk(Protocol):
    """What a front door may ask for. Raises only `IntakeError`s (and `StoreError` when broken)."""

    async def move(self, job_id: JobId, lane: str | None, priority: int | None) -> JobRecord:
        """Give a waiting job another lane or priority. Raises JobNotFound, Conflict, QueueFull."""
        ...

    async def explain(self, job_id: JobId) -> Explanation:
        """Why a job is where it is, and when it goes. Raises JobNotFound."""
        ...

    async def limits(self) -> list[PoolLimitsStatus]:
        """Every pool's limits, and who waits for what."""
        ...

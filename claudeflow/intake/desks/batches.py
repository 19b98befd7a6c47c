"""The desk for Message Batches: what the front doors may ask about them, and change."""

from __future__ import annotations

from typing import Protocol

from claudeflow.domain.batch_report import BatchesView, BatchRow, BatchSpendRow


class BatchDesk(Protocol):
    """What a front door may ask for. Raises only `IntakeError`s (and `StoreError` when broken)."""

    async def list_batches(self, before_id: int | None, limit: int) -> BatchesView:
        """Batches, the newest first, and what waits for the next one."""
        ...

    async def batch(self, batch_id: int) -> tuple[BatchRow, BatchSpendRow]:
        """One batch, and what it cost so far. Raises BatchNotFound."""
        ...

    async def cancel(self, batch_id: int, who: str, *, jobs: bool) -> BatchRow:
        """Have a batch stopped; with `jobs` its jobs are cancelled, else they go on in another way.

        Raises BatchNotFound, Conflict.
        """
        ...

"""The desk for the cache, over the prefix book and the cache watch."""

from __future__ import annotations

from claudeflow.daemon.shared import Shared
from claudeflow.intake.desks.cache import CacheReport, WorkflowShare


class StoreCacheDesk:
    """A `CacheDesk` over what the daemon knows, or what its store remembers."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def report(self, workflow: str | None) -> CacheReport:
        """Every known prefix and workflow, or one workflow's; the prefixes that were used last come first."""
        now_ms = self._shared.clock.epoch_ms()
        rows = [
            row
            for row in self._shared.prefixes.rows(now_ms / 1000)
            if row.last_used_ms and (workflow is None or row.workflow == workflow)
        ]
        rows.sort(key=lambda row: (-row.last_used_ms, row.workflow, row.prefix))
        shares = tuple(
            WorkflowShare(whole, versions)
            for whole, versions in self._shared.watch.shares()
            if workflow is None or whole.workflow == workflow
        )
        return CacheReport(now_ms, tuple(rows), shares)

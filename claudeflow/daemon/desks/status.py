"""The status: lanes, pools, holds and spend as they are now."""

from __future__ import annotations

from claudeflow import __version__
from claudeflow.daemon.shared import Shared
from claudeflow.domain.report import LaneStatus, MailboxesStatus, PoolStatus, Spend, Status
from claudeflow.observe.tally import LaneTally, Tally
from claudeflow.store import ledger, reports


class StatusBoard:
    """Puts it together from the store, the counters and what is in memory."""

    def __init__(self, shared: Shared, tally: Tally, spent: Spend) -> None:
        """`spent` is what the books said when the daemon started; `tally` counts from there on."""
        self._shared = shared
        self._tally = tally
        self._spent = spent
        self._started_ms = shared.clock.epoch_ms()

    async def status(self, phase: str, pools: tuple[PoolStatus, ...], mailboxes: MailboxesStatus) -> Status:
        """Everything at this moment. Raises StoreError."""
        store, now_ms = self._shared.store, self._shared.clock.epoch_ms()
        counts = await store.read(reports.lane_counts)
        names = [*self._shared.config.lanes, *sorted(counts.keys() - self._shared.config.lanes.keys())]
        return Status(
            version=__version__,
            instance=self._shared.instance,
            phase=phase,
            started_ms=self._started_ms,
            now_ms=now_ms,
            lanes=tuple(self._lane(name, counts.get(name), now_ms) for name in names),
            pools=pools,
            holds=(*self._shared.holds.in_force(now_ms), *self._shared.budgets.holds()),
            spend=self._spend(*await store.read(ledger.unknown_spend)),
            mailboxes=mailboxes,
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
            in_batches=count.in_batches,
        )

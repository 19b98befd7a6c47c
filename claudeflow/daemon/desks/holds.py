"""The desk for holds, over the book and the store."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from claudeflow.daemon.calls.holds import HoldKeeper
from claudeflow.daemon.catalog import CatalogShelf
from claudeflow.daemon.shared import Shared
from claudeflow.domain.errors import Conflict, JobNotFound
from claudeflow.domain.hold import Hold, HoldCause, HoldChange, Scope, ScopeKind
from claudeflow.domain.job import JobId, JobState
from claudeflow.intake.desks.budgets import NothingToRelease
from claudeflow.intake.desks.holds import HoldInForce, HoldNotFound, InvalidHold, NewHold, Released
from claudeflow.intake.scopes import check_known
from claudeflow.policy.lanes.flow import FlowKey
from claudeflow.store import holds as store_holds
from claudeflow.store import jobs as store_jobs


class StoreHoldDesk:
    """A `HoldDesk` that people and their scripts work at."""

    def __init__(self, shared: Shared, keeper: HoldKeeper, shelf: CatalogShelf) -> None:
        self._shared = shared
        self._keeper = keeper
        self._shelf = shelf

    async def in_force(self) -> list[HoldInForce]:
        """Every hold, the oldest first."""
        of_budgets = self._shared.budgets.holds()
        holds = [*self._shared.holds.in_force(self._shared.clock.epoch_ms()), *of_budgets]
        if not holds:
            return []
        due = await self._shared.store.read(store_holds.due_by_flow)
        return [HoldInForce(hold, await self._waiting(hold.scope, due)) for hold in holds]

    async def set(self, wanted: NewHold) -> tuple[Hold, bool]:
        """Hold a scope. Raises InvalidHold, JobNotFound, Conflict."""
        check_known(wanted.scope, self._shelf.catalog)
        if wanted.until_ms is not None and wanted.until_ms <= self._shared.clock.epoch_ms():
            raise InvalidHold("until must lie in the future")
        if wanted.scope.kind is ScopeKind.JOB:
            await self._check_job(JobId(int(wanted.scope.name)))
        return await self._keeper.hold(wanted.scope, wanted.reason, wanted.until_ms, wanted.who)

    async def release(self, scope: Scope, cause: HoldCause | None, reason: str, who: str) -> Released:
        """End a hold on a scope. Raises HoldNotFound, NothingToRelease."""
        now_ms = self._shared.clock.epoch_ms()
        there = self._shared.holds.on(scope)
        wanted = [hold for hold in there if cause in (None, hold.cause)][:1]
        if not wanted:
            self._check_limits(scope, cause)
            held = ", ".join(f"{hold.scope} ({hold.cause})" for hold in self._shared.holds.in_force(now_ms))
            what = f"{scope} for {cause}" if cause else str(scope)
            raise HoldNotFound(f"nothing holds {what}; held now: {held or 'nothing'}")
        await self._keeper.release(wanted, reason, who)
        return Released(tuple(wanted), (*self._shared.holds.on(scope), *self._limits_on(scope)))

    async def history(self, limit: int) -> list[HoldChange]:
        """Who held and released what, the newest first."""
        return await self._shared.store.read(partial(store_holds.history, limit=limit))

    def _limits_on(self, scope: Scope) -> list[Hold]:
        """The limits of budgets that hold exactly this scope."""
        return [hold for hold in self._shared.budgets.holds() if hold.scope == scope]

    def _check_limits(self, scope: Scope, cause: HoldCause | None) -> None:
        """Raises NothingToRelease where only a limit holds."""
        if cause not in (None, HoldCause.BUDGET):
            return
        for hold in self._limits_on(scope):
            raise NothingToRelease(
                f"the limit of {hold.set_by} holds {scope}, and a limit cannot be released: {hold.reason}"
            )

    async def _check_job(self, job_id: JobId) -> None:
        record = await self._shared.store.read(partial(store_jobs.job, job_id=job_id))
        if record.state not in (JobState.QUEUED, JobState.RUNNING):
            raise Conflict(
                f"job {job_id} is {record.state}: only a job that is queued or running can be held"
            )

    async def _waiting(self, scope: Scope, due: Mapping[FlowKey, int]) -> int:
        if scope.kind is ScopeKind.JOB:
            return await self._waiting_job(JobId(int(scope.name)))
        return sum(count for flow, count in due.items() if self._covers(scope, flow))

    async def _waiting_job(self, job_id: JobId) -> int:
        try:
            record = await self._shared.store.read(partial(store_jobs.job, job_id=job_id))
        except JobNotFound:
            return 0
        return int(record.state is JobState.QUEUED)

    def _covers(self, scope: Scope, flow: FlowKey) -> bool:
        match scope.kind:
            case ScopeKind.POOL:
                return self._shared.prices.pool_of(flow.model) == scope.name
            case ScopeKind.MODEL:
                return flow.model == scope.name
            case ScopeKind.LANE:
                return flow.lane == scope.name
            case ScopeKind.WORKFLOW:
                return flow.workflow == scope.name
            case _:
                return True

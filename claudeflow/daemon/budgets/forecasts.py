"""Forecasts at work: the calendar of each budget, learned from the books once an hour."""

from __future__ import annotations

from collections import Counter
from functools import partial

from claudeflow.daemon.shared import Shared
from claudeflow.policy.money.budget import BudgetStatus
from claudeflow.policy.money.forecast import (
    HOUR_MS,
    WEEK_MS,
    WEEKS,
    Calendar,
    Forecast,
    forecast,
    learn_calendar,
)
from claudeflow.policy.money.scopes import BudgetScope, CallScope
from claudeflow.store import budget_changes as store


class Forecasts:
    """What each budget's period is expected to come to."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._calendars: dict[BudgetScope, Calendar | None] = {}
        self._hour: int | None = None

    async def refresh(self) -> None:
        """Learn the calendars when an hour has passed, or budgets have changed. Raises StoreError."""
        now_ms = self._shared.clock.epoch_ms()
        scopes = {status.budget.scope for status in self._shared.budgets.status()}
        if not scopes or (now_ms // HOUR_MS == self._hour and scopes == self._calendars.keys()):
            return
        since_ms = now_ms - now_ms % HOUR_MS - WEEKS * WEEK_MS
        hours = await self._shared.store.read(partial(store.cost_by_hour, since_ms=since_ms))
        self._calendars = {scope: _calendar(scope, hours, now_ms) for scope in scopes}
        self._hour = now_ms // HOUR_MS

    def of(self, status: BudgetStatus) -> Forecast | None:
        """What a budget's period is expected to come to; None when nothing can be said."""
        now_ms = self._shared.clock.epoch_ms()
        calendar = self._calendars.get(status.budget.scope)
        spent = status.spent_nanousd + status.unknown_nanousd
        return forecast(spent, calendar, now_ms, status.resets_ms, status.expected_nanousd)


def _calendar(scope: BudgetScope, hours: list[store.HourCost], now_ms: int) -> Calendar | None:
    costs: Counter[int] = Counter()
    for hour in hours:
        if scope.covers(CallScope(hour.lane, hour.workflow)):
            costs[hour.hour_ms] += hour.nanousd
    return learn_calendar(costs, now_ms)

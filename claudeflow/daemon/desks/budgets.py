"""The desk for budgets, over the books and the actions."""

from __future__ import annotations

from functools import partial

from claudeflow.daemon.budgets.actions import BudgetActions
from claudeflow.daemon.shared import Shared
from claudeflow.domain.budget import BudgetAct, BudgetChange, BudgetReport, BudgetsReport, ThresholdReport
from claudeflow.domain.hold import Hold, HoldCause
from claudeflow.intake.desks.budgets import BudgetNotFound, NewLimit, NothingToRelease
from claudeflow.intake.mistakes import did_you_mean, listed, show
from claudeflow.policy.money.budget import BudgetStatus
from claudeflow.policy.money.settings import BudgetSettings, ThresholdSettings
from claudeflow.store import budget_changes as store

TOO_LITTLE_HISTORY = "no forecast: less than a day of history in the last four weeks"


class StoreBudgetDesk:
    """A `BudgetDesk` that people and their scripts work at."""

    def __init__(self, shared: Shared, actions: BudgetActions) -> None:
        self._shared = shared
        self._actions = actions

    async def show(self) -> BudgetsReport:
        """How every budget stands."""
        await self._actions.forecasts.refresh()
        reports = [self._report(status) for status in self._shared.budgets.status()]
        return BudgetsReport(tuple(reports), self._api_says())

    async def set(self, wanted: NewLimit) -> BudgetReport:
        """Set a limit. Raises BudgetNotFound."""
        status = self._status(wanted.budget)
        await self._actions.change(
            BudgetChange(
                self._shared.clock.epoch_ms(),
                wanted.budget,
                BudgetAct.SET,
                wanted.reason,
                wanted.who,
                wanted.limit_nanousd,
                status.resets_ms if wanted.until_reset else None,
                configured_nanousd=self._settings(status).limit_nanousd,
            )
        )
        return self._report(self._status(wanted.budget))

    async def release(self, name: str, reason: str, who: str) -> BudgetReport:
        """Let go what a budget's thresholds do. Raises BudgetNotFound, NothingToRelease."""
        status, now_ms = self._status(name), self._shared.clock.epoch_ms()
        acting = [one for one in self._actions.acting() if one.standing.budget == name]
        if all(one.threshold.action == "notify" for one in acting):
            raise NothingToRelease(_why_nothing(status))
        limit = status.budget.limit_nanousd
        await self._actions.change(
            BudgetChange(now_ms, name, BudgetAct.RELEASED, reason, who, limit, status.resets_ms)
        )
        return self._report(self._status(name))

    async def history(self, limit: int) -> list[BudgetChange]:
        """What happened to budgets, the newest first."""
        return await self._shared.store.read(partial(store.history, limit=limit))

    def _status(self, name: str) -> BudgetStatus:
        found = {status.budget.name: status for status in self._shared.budgets.status()}
        if name not in found:
            hint = did_you_mean(name, found)
            raise BudgetNotFound(f"there is no budget {show(name)}; budgets are {listed(found)}.{hint}")
        return found[name]

    def _settings(self, status: BudgetStatus) -> BudgetSettings:
        return self._shared.config.budgets[status.budget.name]

    def _api_says(self) -> Hold | None:
        """The hold that the API's own word on a spend cap set."""
        holds = self._shared.holds.in_force(self._shared.clock.epoch_ms())
        return next((hold for hold in holds if hold.cause is HoldCause.SPEND_CAP), None)

    def _report(self, status: BudgetStatus) -> BudgetReport:
        budget, settings, now_ms = status.budget, self._settings(status), self._shared.clock.epoch_ms()
        expected = self._actions.forecasts.of(status)
        change = self._shared.budgets.overrides.of(budget.name, settings.limit_nanousd, now_ms)
        return BudgetReport(
            name=budget.name,
            scope=str(budget.scope),
            period=budget.period,
            hard=budget.hard,
            limit_nanousd=budget.limit_nanousd,
            configured_nanousd=settings.limit_nanousd,
            limit_until_ms=None if change is None else change.until_ms,
            spent_nanousd=status.spent_nanousd,
            unknown_nanousd=status.unknown_nanousd,
            reserved_nanousd=status.reserved_nanousd,
            expected_nanousd=status.expected_nanousd,
            in_flight=status.in_flight,
            left_nanousd=status.left_nanousd,
            share=round((budget.limit_nanousd - status.left_nanousd) / budget.limit_nanousd, 6),
            forecast_nanousd=None if expected is None else expected.nanousd,
            forecast_basis=TOO_LITTLE_HISTORY if expected is None else expected.basis,
            thresholds=tuple(self._threshold(status, one) for one in settings.thresholds),
            released_until_ms=self._actions.thresholds.released_until(budget.name, now_ms),
            begins_ms=status.begins_ms,
            resets_ms=status.resets_ms,
            state=status.state,
            why=status.why,
        )

    def _threshold(self, status: BudgetStatus, threshold: ThresholdSettings) -> ThresholdReport:
        name, thresholds = status.budget.name, self._actions.thresholds
        standing = thresholds.standing(name, threshold)
        is_released = thresholds.released_until(name, self._shared.clock.epoch_ms()) is not None
        state = "below" if standing is None else "released" if is_released else "reached"
        since_ms = None if standing is None else standing.since_ms
        return ThresholdReport(threshold.at, threshold.action, threshold.forecast, state, since_ms)


def _why_nothing(status: BudgetStatus) -> str:
    name = status.budget.name
    if status.state == "open":
        return f"no threshold of budget {name} holds, slows or falls back: there is nothing to release"
    return (
        f"the limit of budget {name} itself stops calls, and a limit cannot be released: "
        f"raise it with `claudeflow budget set {name} USD`"
    )

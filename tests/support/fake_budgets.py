"""A desk for budgets in memory: the second implementation of `BudgetDesk`, for tests of the front doors."""

from __future__ import annotations

from dataclasses import replace

from claudeflow.domain.budget import BudgetAct, BudgetChange, BudgetReport, BudgetsReport, ThresholdReport
from claudeflow.domain.hold import Hold
from claudeflow.intake.desks.budgets import BudgetNotFound, NewLimit, NothingToRelease

DAY_MS = 86_400_000

TEAM = BudgetReport(
    name="team",
    scope="all",
    period="month",
    hard=True,
    limit_nanousd=500_000_000_000,
    configured_nanousd=500_000_000_000,
    limit_until_ms=None,
    spent_nanousd=410_000_000_000,
    unknown_nanousd=2_000_000_000,
    reserved_nanousd=3_000_000_000,
    expected_nanousd=500_000_000,
    in_flight=4,
    left_nanousd=88_000_000_000,
    share=0.824,
    forecast_nanousd=650_000_000_000,
    forecast_basis="4 weeks of history, by hour of the week",
    thresholds=(ThresholdReport(0.8, "hold_lane", False, "reached", 5 * DAY_MS),),
    released_until_ms=None,
    begins_ms=0,
    resets_ms=31 * DAY_MS,
    state="open",
    why=None,
)


class FakeBudgetDesk:
    """Keeps budgets in a dict."""

    def __init__(self) -> None:
        self.budgets = {"team": TEAM}
        self.api_says: Hold | None = None
        self.changes: list[BudgetChange] = []

    async def show(self) -> BudgetsReport:
        return BudgetsReport(tuple(self.budgets.values()), self.api_says)

    async def set(self, wanted: NewLimit) -> BudgetReport:
        report = self._report(wanted.budget)
        until_ms = report.resets_ms if wanted.until_reset else None
        self._note(BudgetAct.SET, wanted.budget, wanted.reason, wanted.who, wanted.limit_nanousd)
        left = wanted.limit_nanousd - report.spent_nanousd - report.unknown_nanousd
        changed = replace(
            report, limit_nanousd=wanted.limit_nanousd, limit_until_ms=until_ms, left_nanousd=left
        )
        self.budgets[wanted.budget] = changed
        return changed

    async def release(self, name: str, reason: str, who: str) -> BudgetReport:
        report = self._report(name)
        if report.released_until_ms is not None:
            raise NothingToRelease("there is nothing to release")
        self._note(BudgetAct.RELEASED, name, reason, who, report.limit_nanousd)
        self.budgets[name] = replace(report, released_until_ms=report.resets_ms)
        return self.budgets[name]

    async def history(self, limit: int) -> list[BudgetChange]:
        return self.changes[::-1][:limit]

    def _report(self, name: str) -> BudgetReport:
        if name not in self.budgets:
            raise BudgetNotFound(f"there is no budget {name}; budgets are {', '.join(self.budgets)}")
        return self.budgets[name]

    def _note(self, act: BudgetAct, name: str, reason: str, who: str, limit_nanousd: int) -> None:
        configured = TEAM.configured_nanousd if act is BudgetAct.SET else None
        self.changes.append(
            BudgetChange(0, name, act, reason, who, limit_nanousd, configured_nanousd=configured)
        )

"""The desk for budgets: what the front doors may ask about limits on spending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from claudeflow.domain.budget import BudgetChange, BudgetReport, BudgetsReport
from claudeflow.domain.errors import IntakeError


class InvalidBudget(IntakeError):
    """A limit that a budget cannot have, or a change without its reason."""

    code = "invalid_budget"
    http_status = 422


class BudgetNotFound(IntakeError):
    """No budget has this name."""

    code = "budget_not_found"
    http_status = 404


class NothingToRelease(IntakeError):
    """No threshold of the budget does anything."""

    code = "nothing_to_release"
    http_status = 409


@dataclass(frozen=True, slots=True)
class NewLimit:
    """A limit as a person wants it, in nano-dollars. `until_reset`: for the present period alone."""

    budget: str
    limit_nanousd: int
    reason: str
    who: str
    until_reset: bool = False


class BudgetDesk(Protocol):
    """What a front door may ask for. Raises only `IntakeError`s (and `StoreError` when broken)."""

    async def show(self) -> BudgetsReport:
        """How every budget stands."""
        ...

    async def set(self, wanted: NewLimit) -> BudgetReport:
        """Set a limit; it holds at once, and over restarts. Raises BudgetNotFound."""
        ...

    async def release(self, name: str, reason: str, who: str) -> BudgetReport:
        """Let go what a budget's thresholds do until its period ends.

        Raises BudgetNotFound, NothingToRelease.
        """
        ...

    async def history(self, limit: int) -> list[BudgetChange]:
        """What happened to budgets, the newest first."""
        ...

"""What happens to budgets, as events."""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.domain.budget import BudgetChange


@dataclass(frozen=True, slots=True)
class BudgetThreshold:
    """A budget's threshold was reached: told once per period. Money in nano-dollars.

    `at_share` is the threshold; `share` of the limit is of `spent_nanousd` (with what calls under way
    are expected to cost), or with `forecast` of what the period is expected to come to. What it does
    lasts until `until_ms` at most.
    """

    budget: str
    scope: str
    action: str
    at_share: float
    forecast: bool
    share: float
    spent_nanousd: int
    forecast_nanousd: int | None
    limit_nanousd: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class BudgetEased:
    """What a threshold did is over."""

    budget: str
    threshold: str
    reason: str


@dataclass(frozen=True, slots=True)
class BudgetChanged:
    """Somebody set a budget's limit, or released what its thresholds do."""

    change: BudgetChange

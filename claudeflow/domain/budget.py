"""Budgets as people see them: how they stand, and who changed what. Money is whole nano-dollars."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from claudeflow.domain.hold import Hold


class BudgetAct(StrEnum):
    """What happened to a budget."""

    SET = "set"
    """Its limit was set at run time."""
    RELEASED = "released"
    """What its thresholds do was let go until the end of the period."""
    REACHED = "reached"
    """One of its thresholds was reached."""
    ENDED = "ended"
    """What a threshold did is over."""


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """One entry of the record of what happened to budgets, when, why, and by whom.

    `limit_nanousd` is the limit then in force, for `set` the new one. `until_ms`: when it ends by
    itself, None: never. `threshold` names one for `reached` and `ended`. `configured_nanousd` is what
    the configuration said when the limit was set.
    """

    at_ms: int
    budget: str
    act: BudgetAct
    reason: str
    who: str
    limit_nanousd: int
    until_ms: int | None = None
    threshold: str | None = None
    configured_nanousd: int | None = None


@dataclass(frozen=True, slots=True)
class ThresholdReport:
    """How a threshold stands: `below`, `reached` (what it does is in force), or `released`."""

    at: float
    action: str
    forecast: bool
    state: str
    since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class BudgetReport:
    """How a budget stands in its present period.

    `configured_nanousd` is the limit of the configuration; a limit that was set at run time ends at
    `limit_until_ms`. `unknown_nanousd` is the most that calls of unknown cost came to, `reserved_nanousd`
    the most that calls under way can cost, `expected_nanousd` what they are expected to.
    `forecast_nanousd` is None where nothing can be said; `forecast_basis` says why, or from what.
    """

    name: str
    scope: str
    period: str
    hard: bool
    limit_nanousd: int
    configured_nanousd: int
    limit_until_ms: int | None
    spent_nanousd: int
    unknown_nanousd: int
    reserved_nanousd: int
    expected_nanousd: int
    in_flight: int
    left_nanousd: int
    share: float
    forecast_nanousd: int | None
    forecast_basis: str
    thresholds: tuple[ThresholdReport, ...]
    released_until_ms: int | None
    begins_ms: int
    resets_ms: int
    state: str
    why: str | None


@dataclass(frozen=True, slots=True)
class BudgetsReport:
    """Every budget, and what the API itself said of money: the hold that this set, if one is in force."""

    budgets: tuple[BudgetReport, ...]
    api_says: Hold | None = None

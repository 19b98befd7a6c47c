"""What can be set about money."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from annotated_types import Gt, Predicate

from claudeflow.domain.money import NANO

MOST_USD = 1_000_000_000
"""More than any budget: sums of nano-dollars stay whole 64-bit numbers."""

Action = Literal["notify", "slow", "fallback", "hold_lane", "hold_all"]


def nanousd_of(limit_usd: float) -> int:
    """A limit in nano-dollars."""
    return round(Decimal(str(limit_usd)) * NANO)


def is_limit(limit_usd: float) -> bool:
    """Whether a budget may have this limit: a nano-dollar at least."""
    return 0 < limit_usd <= MOST_USD and nanousd_of(limit_usd) > 0


@dataclass(frozen=True, slots=True)
class ThresholdSettings:
    """What is done once the share `at` of a budget is spent, or will be by what is under way.

    With `forecast` the share is of what the period is expected to come to at its end.
    """

    at: Annotated[float, Gt(0)]
    action: Action = "notify"
    forecast: bool = False

    @property
    def name(self) -> str:
        """It in words: `slow at 80 %`, `notify at 100 % of the forecast`."""
        return f"{self.action} at {self.at * 100:g} %{' of the forecast' if self.forecast else ''}"


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """A budget in US dollars for `scope` (`all`, `lane:NAME` or `workflow:NAME`) in each `period`.

    Periods begin at 00:00 UTC, months on the 1st, as the API counts them. A `hard` one is never
    exceeded: a call goes only if the most that it can cost still fits. `thresholds` act before that.
    """

    limit_usd: Annotated[float, Predicate(is_limit)]
    scope: str = "all"
    period: Literal["month", "day"] = "month"
    hard: bool = True
    thresholds: tuple[ThresholdSettings, ...] = ()

    @property
    def limit_nanousd(self) -> int:
        """The limit in nano-dollars."""
        return nanousd_of(self.limit_usd)

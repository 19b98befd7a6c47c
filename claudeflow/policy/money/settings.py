"""What can be set about money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt

from claudeflow.domain.money import NANO

Action = Literal["notify", "slow", "fallback", "hold_lane", "hold_all"]


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

    limit_usd: Annotated[float, Gt(0)]
    scope: str = "all"
    period: Literal["month", "day"] = "month"
    hard: bool = True
    thresholds: tuple[ThresholdSettings, ...] = ()

    @property
    def limit_nanousd(self) -> int:
        """The limit in nano-dollars."""
        return round(self.limit_usd * NANO)

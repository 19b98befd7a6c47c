"""Scopes and periods: which calls a budget covers, and from when to when it counts them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from claudeflow.policy.money.settings import BudgetSettings

Period = Literal["month", "day"]


class CallScope(NamedTuple):
    """Whose call it is."""

    lane: str
    workflow: str


@dataclass(frozen=True, slots=True)
class BudgetScope:
    """The calls that a budget covers: `kind` is `all`, `lane` or `workflow`."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @classmethod
    def parse(cls, text: str) -> BudgetScope:
        """The scope that `all`, `lane:NAME` or `workflow:NAME` names. Raises ValueError."""
        kind, _, name = text.partition(":")
        if text == "all" or (kind in ("lane", "workflow") and name):
            return cls(kind, name)
        raise ValueError(f'must be "all", "lane:NAME" or "workflow:NAME"; found "{text}"')

    def covers(self, call: CallScope) -> bool:
        """Whether the call counts here."""
        match self.kind:
            case "lane":
                return call.lane == self.name
            case "workflow":
                return call.workflow == self.name
            case _:
                return True


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit as it is in force. One that is not `hard` only counts. `lapse` ends one set for a time."""

    name: str
    scope: BudgetScope
    period: Period
    limit_nanousd: int
    hard: bool = True
    lapse: Lapse | None = None

    @classmethod
    def of(cls, name: str, settings: BudgetSettings) -> Budget:
        """The budget that a table of the configuration describes. Raises ValueError."""
        scope = BudgetScope.parse(settings.scope)
        return cls(name, scope, settings.period, settings.limit_nanousd, settings.hard)

    def at(self, now_ms: int) -> Budget:
        """The budget that it is at a moment (epoch ms): its limit may have lapsed."""
        return self if self.lapse is None or now_ms < self.lapse.at_ms else self.lapse.then.at(now_ms)


class Lapse(NamedTuple):
    """From `at_ms` on (epoch ms) the budget is `then`."""

    at_ms: int
    then: Budget


def period_of(period: Period, at_ms: int) -> tuple[int, int]:
    """Begin and end of the period that a moment is in, UTC, as epoch ms. Months begin on the 1st."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        begin, end = moment, moment + timedelta(days=1)
    else:
        begin = moment.replace(day=1)
        end = (begin + timedelta(days=31)).replace(day=1)
    return round(begin.timestamp() * 1000), round(end.timestamp() * 1000)


def last_month_ms(now_ms: int) -> int:
    """When the month before the present one began: older days count nowhere, even if it is set back."""
    begins_ms, _ = period_of("month", now_ms)
    return period_of("month", begins_ms - 1)[0]

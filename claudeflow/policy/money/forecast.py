"""Forecast: what a period is expected to come to, from what was spent and from the calendar.

The calendar is learned: what each hour of the week cost in the last weeks, the newest week weighing
most. With less than a week of history the hours of a weekday are taken to be alike, and so are those
of a weekend; with less than a day nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEEK_HOURS = 168
WEEK_MS = WEEK_HOURS * HOUR_MS

WEEKS = 4
"""How far back history counts."""

OLDER_WEEK = 0.5
"""How much a week weighs beside the one after it."""

MONDAY_HOUR = 4 * 24
"""The epoch began on a Thursday: so many hours later is Monday, 00:00 UTC."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a period is expected to come to. `basis` says in words what that rests on."""

    nanousd: int
    basis: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """What each hour of the week (0: Monday, 00:00 UTC) is expected to cost, in nano-dollars."""

    hours: tuple[float, ...]
    basis: str
    _running: tuple[float, ...] = field(init=False)

    def __post_init__(self) -> None:
        running = [0.0]
        for cost in self.hours:
            running.append(running[-1] + cost)
        object.__setattr__(self, "_running", tuple(running))

    def between(self, from_ms: int, to_ms: int) -> float:
        """What a stretch of time is expected to cost; 0 when it is over before it begins."""
        monday_ms = from_ms - (from_ms - MONDAY_HOUR * HOUR_MS) % WEEK_MS
        return max(0.0, self._until(to_ms - monday_ms) - self._until(from_ms - monday_ms))

    def _until(self, length_ms: int) -> float:
        """What so much time costs from a Monday on: a near one, as great sums have no small digits."""
        hours, rest_ms = divmod(length_ms, HOUR_MS)
        weeks, hour = divmod(hours, WEEK_HOURS)
        return weeks * self._running[-1] + self._running[hour] + self.hours[hour] * rest_ms / HOUR_MS


def learn_calendar(cost_by_hour: Mapping[int, int], now_ms: int) -> Calendar | None:
    """The calendar that the last weeks show; None with less than a day of history.

    `cost_by_hour`: nano-dollars by beginning of the hour (epoch ms); hours without any may be left out.
    """
    end_ms = now_ms - now_ms % HOUR_MS
    known = {hour: cost for hour, cost in cost_by_hour.items() if end_ms - WEEKS * WEEK_MS <= hour < end_ms}
    begin_ms = min(known, default=end_ms)
    length_ms = end_ms - begin_ms
    if length_ms < DAY_MS:
        return None
    seen = [(hour, known.get(hour, 0)) for hour in range(begin_ms, end_ms, HOUR_MS)]
    if length_ms < WEEK_MS:
        return _by_kind_of_day(seen, length_ms // DAY_MS)
    return _by_hour_of_week(seen, end_ms, length_ms // WEEK_MS)


def forecast(
    spent_nanousd: int, calendar: Calendar | None, now_ms: int, ends_ms: int, under_way_nanousd: int = 0
) -> Forecast | None:
    """What a period that ends at `ends_ms` is expected to come to; None when nothing can be said.

    `under_way_nanousd` is what the calls under way are expected to cost.
    """
    if calendar is None:
        return None
    rest = round(calendar.between(now_ms, ends_ms))
    return Forecast(spent_nanousd + under_way_nanousd + rest, calendar.basis)


def hour_of_week(at_ms: int) -> int:
    """0 is Monday from 00:00 UTC, 167 Sunday from 23:00."""
    return (at_ms // HOUR_MS - MONDAY_HOUR) % WEEK_HOURS


def _by_hour_of_week(seen: list[tuple[int, int]], end_ms: int, weeks: int) -> Calendar:
    sums, weights = [0.0] * WEEK_HOURS, [0.0] * WEEK_HOURS
    for hour_ms, cost in seen:
        weight = OLDER_WEEK ** ((end_ms - 1 - hour_ms) // WEEK_MS)
        sums[hour_of_week(hour_ms)] += weight * cost
        weights[hour_of_week(hour_ms)] += weight
    means = tuple(total / weight for total, weight in zip(sums, weights, strict=True))
    return Calendar(means, f"{weeks} week{'s' if weeks > 1 else ''} of history, by hour of the week")


def _by_kind_of_day(seen: list[tuple[int, int]], days: int) -> Calendar:
    """Weekdays and weekends by their means; of a kind that was not seen, the other's."""
    kinds: dict[bool, list[int]] = {}
    for hour_ms, cost in seen:
        kinds.setdefault(_is_weekend(hour_ms), []).append(cost)
    means = {kind: sum(costs) / len(costs) for kind, costs in kinds.items()}
    only = next(iter(means.values()))
    hours = tuple(means.get(hour >= 5 * 24, only) for hour in range(WEEK_HOURS))
    alike = "weekdays alike, weekends alike" if len(means) == 2 else "every day alike"
    return Calendar(hours, f"only {days} day{'s' if days > 1 else ''} of history: {alike}")


def _is_weekend(at_ms: int) -> bool:
    return datetime.fromtimestamp(at_ms / 1000, UTC).weekday() >= 5

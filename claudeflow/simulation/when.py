"""When: days and times of day as a scenario writes them, in local time.

Days are `Mon`, `Mon-Fri`, `Sat,Sun`, `2026-12-24`, or nothing for every day. Hours are `08-18` or
`08:30-12:15`; `22-06` goes on into the next day. A moment is `10:17` or `10:17:30`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from claudeflow.config.checks import shown

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_MINUTES = 24 * 60
_HOURS = re.compile(r"(\d\d)(?::(\d\d))?-(\d\d)(?::(\d\d))?", re.ASCII)
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])", re.ASCII)
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Days:
    """Some weekdays (0 is Monday), or one date."""

    weekdays: frozenset[int] = frozenset(range(7))
    only: date | None = None

    def covers(self, day: date) -> bool:
        """Whether `day` is one of them."""
        return day == self.only if self.only else day.weekday() in self.weekdays


@dataclass(frozen=True, slots=True)
class Window:
    """Some hours of some days, in minutes since midnight; over midnight when it ends before it begins."""

    days: Days = Days()
    from_minute: int = 0
    until_minute: int = _DAY_MINUTES

    def covers(self, local: datetime) -> bool:
        """Whether a local time lies within."""
        minute = local.hour * 60 + local.minute
        if self.from_minute < self.until_minute:
            return self.from_minute <= minute < self.until_minute and self.days.covers(local.date())
        if minute >= self.from_minute:
            return self.days.covers(local.date())
        return minute < self.until_minute and self.days.covers(local.date() - _ONE_DAY)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of day on some days."""

    days: Days
    at: time

    def on(self, day: date, zone: ZoneInfo) -> float | None:
        """Seconds since the epoch, or None when `day` is not one of its days.

        A time that the clocks skip comes an hour later; of one that they show twice the first counts.
        """
        return datetime.combine(day, self.at, zone).timestamp() if self.days.covers(day) else None


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time: where it begins in local time, and how long it lasts."""

    starts: datetime
    zone: ZoneInfo
    duration_s: float

    def local(self, at_s: float) -> datetime:
        """Local time so many seconds after the start."""
        return datetime.fromtimestamp(self.starts.timestamp() + at_s, self.zone)

    def occurrences(self, moment: Moment) -> Iterator[float]:
        """Each time that a moment comes within the period, in seconds after the start."""
        day, last = self.starts.date(), self.local(self.duration_s).date()
        while day <= last:
            epoch_s = moment.on(day, self.zone)
            if epoch_s is not None and 0 <= (at_s := epoch_s - self.starts.timestamp()) < self.duration_s:
                yield at_s
            day += _ONE_DAY


def read_window(text: str) -> Window:
    """`Mon-Fri 08-18`, `Sat,Sun`, `08-18`. Raises ValueError."""
    days, _, clock = text.strip().rpartition(" ")
    found = _HOURS.fullmatch(clock)
    if found is None:
        return Window(_read_days(text))
    first, first_minute, last, last_minute = (int(part or 0) for part in found.groups())
    begin, end = first * 60 + first_minute, last * 60 + last_minute
    if max(begin, end) > _DAY_MINUTES or max(first_minute, last_minute) > 59 or begin == end:
        raise ValueError(f'no such hours; write "08-18" or "08:30-12:15"; found {shown(text)}')
    return Window(_read_days(days) if days else Days(), begin, end)


def read_moment(text: Any) -> Moment:
    """`10:17`, `Mon-Fri 02:00`, `2026-11-17 10:17`. Raises ValueError."""
    days, _, clock = text.strip().rpartition(" ") if isinstance(text, str) else ("", "", "")
    found = _TIME.fullmatch(clock)
    if found is None:
        raise ValueError(f'must be a time of day such as "10:17" or "Mon-Fri 02:00"; found {shown(text)}')
    hour, minute, second = (int(part or 0) for part in found.groups())
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"no such time of day; found {shown(text)}")
    return Moment(_read_days(days) if days else Days(), time(hour, minute, second))


def read_duration(text: Any) -> float:
    """Seconds of `30s`, `12m`, `3h`, `7d`. Raises ValueError."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f'must be a duration such as "90s", "12m", "3h" or "7d"; found {shown(text)}')
    return float(found[1]) * _UNIT_S[found[2]]


def read_start(text: Any) -> datetime:
    """A local date and time of whole minutes. Raises ValueError."""
    try:
        start = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f'must be a local time such as "2026-11-17T08:00"; found {shown(text)}') from error
    if start.tzinfo or start.second or start.microsecond:
        raise ValueError(f"must be whole minutes, without an offset (`zone` tells it); found {shown(text)}")
    return start


def read_zone(name: Any) -> ZoneInfo:
    """A time zone by its name. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise ValueError(f'must be a time zone such as "Europe/Berlin"; found {shown(name)}') from error


def _read_days(text: str) -> Days:
    with contextlib.suppress(ValueError):
        return Days(only=date.fromisoformat(text.strip()))
    weekdays: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
            example = '"Mon-Fri 08-18", "Sat,Sun", "2026-12-24" or "22-06"'
            raise ValueError(f"no such days or hours; write for example {example}; found {shown(text)}")
        begin = WEEKDAYS.index(first)
        count = (WEEKDAYS.index(last) - begin) % 7 + 1 if dash else 1
        weekdays.update((begin + step) % 7 for step in range(count))
    return Days(frozenset(weekdays))

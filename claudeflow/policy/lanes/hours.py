"""Hours: when a lane is open. Windows of the week in a time zone, and days that are exceptions.

A local time that the clock skips or shows twice is read as RFC 5545 says: by the offset before
the skip, and the first time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from annotated_types import Predicate

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HORIZON_DAYS = 400
"""How far ahead the next opening or closing is looked for."""

_DAY = "|".join(DAYS)
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d"
_SPAN = re.compile(rf"({_TIME})-({_TIME}|24:00)")
_WINDOW = re.compile(rf"(?:((?:{_DAY})(?:-(?:{_DAY}))?(?:,(?:{_DAY})(?:-(?:{_DAY}))?)*) )?({_SPAN.pattern})")


def is_window(text: str) -> bool:
    """Whether the text is a window such as `Mon-Fri 18:00-08:00` or `Sat,Sun 00:00-24:00`."""
    return _WINDOW.fullmatch(text) is not None


def is_span(text: str) -> bool:
    """Whether the text is a window without days, such as `18:00-08:00`."""
    return _SPAN.fullmatch(text) is not None


def is_zone(name: str) -> bool:
    """Whether the name is that of a time zone that this host knows."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True


def is_day(text: str) -> bool:
    """Whether the text is a date such as `2026-12-24`."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class HoursSettings:
    """When a lane is open. No windows: always.

    `days` are the exceptions: a date with its own windows, or with none, when it is closed. No window
    of the day before reaches into an exceptional day.
    """

    zone: Annotated[str, Predicate(is_zone)] = "UTC"
    windows: tuple[Annotated[str, Predicate(is_window)], ...] = ()
    days: dict[Annotated[str, Predicate(is_day)], tuple[Annotated[str, Predicate(is_span)], ...]] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True)
class _Span:
    """Local times of day; an `end` that is not after `start` lies on the next day."""

    start: time
    end: timedelta


class Hours:
    """Answers when a lane is open. Times are epoch milliseconds."""

    def __init__(self, settings: HoursSettings) -> None:
        self._always = not settings.windows and not settings.days
        self._zone = ZoneInfo(settings.zone)
        self._week = _week_of(settings.windows)
        self._exceptions = {
            date.fromisoformat(day): [_span_of(text) for text in spans]
            for day, spans in settings.days.items()
        }
        self._known_from, self._known_until, self._known_open = 0.0, 0.0, False

    def is_open(self, now_ms: int) -> bool:
        """Whether jobs may go now."""
        if self._always:
            return True
        if not self._known_from <= now_ms < self._known_until:
            self._look(now_ms)
        return self._known_open

    def changes_at(self, now_ms: int) -> int | None:
        """When the lane closes if it is open, or opens if it is closed; None: not within a year."""
        if self.is_open(now_ms) and self._always:
            return None
        return None if self._known_until >= self._horizon(now_ms) else round(self._known_until)

    def _look(self, now_ms: int) -> None:
        """Find the stretch of being open or closed that holds this moment."""
        opened, closed_before = None, float(now_ms)
        end = self._horizon(now_ms)
        for start_ms, end_ms in self._spans(now_ms):
            if opened is None and end_ms <= now_ms:
                continue
            if opened is None and start_ms > now_ms:
                self._known_from, self._known_until, self._known_open = closed_before, start_ms, False
                return
            if opened is not None and start_ms > opened:
                break
            opened = max(end_ms, opened or 0.0)
        self._known_from, self._known_open = float(now_ms), opened is not None
        self._known_until = end if opened is None else min(opened, end)

    def _spans(self, now_ms: int) -> Iterator[tuple[float, float]]:
        """Every opening from yesterday on, by its start."""
        today = datetime.fromtimestamp(now_ms / 1000, self._zone).date()
        for number in range(-1, HORIZON_DAYS + 2):
            day = today + timedelta(days=number)
            spans = self._exceptions.get(day, self._week[day.weekday()])
            bounds = [self._bounds(day, span) for span in spans]
            yield from sorted(bounds)

    def _bounds(self, day: date, span: _Span) -> tuple[float, float]:
        midnight = datetime.combine(day, time())
        next_midnight = midnight + timedelta(days=1)
        end = midnight + span.end
        if end > next_midnight and next_midnight.date() in self._exceptions:
            end = next_midnight
        return self._moment(datetime.combine(day, span.start)), self._moment(end)

    def _moment(self, local: datetime) -> float:
        return local.replace(tzinfo=self._zone).astimezone(UTC).timestamp() * 1000

    @staticmethod
    def _horizon(now_ms: int) -> float:
        return now_ms + HORIZON_DAYS * 86_400_000


def _week_of(windows: tuple[str, ...]) -> list[list[_Span]]:
    """The spans that begin on each day of the week. Without windows every day is open all day."""
    week: list[list[_Span]] = [[] for _ in DAYS]
    for window in windows or ("00:00-24:00",):
        match = _WINDOW.fullmatch(window)
        assert match is not None
        for number in _days_of(match[1]):
            week[number].append(_span_of(match[2]))
    return week


def _days_of(text: str | None) -> list[int]:
    """The numbers of the days that `Mon-Wed,Fri` names."""
    numbers: list[int] = []
    for part in (text or f"{DAYS[0]}-{DAYS[-1]}").split(","):
        first, _, last = part.partition("-")
        start, end = DAYS.index(first), DAYS.index(last or first)
        numbers += [(start + step) % 7 for step in range((end - start) % 7 + 1)]
    return list(dict.fromkeys(numbers))


def _span_of(text: str) -> _Span:
    start_text, _, end_text = text.partition("-")
    start = time.fromisoformat(start_text)
    hours, minutes = (int(part) for part in end_text.split(":"))
    end = timedelta(hours=hours, minutes=minutes)
    if end <= timedelta(hours=start.hour, minutes=start.minute):
        end += timedelta(days=1)
    return _Span(start, end)

"""Clock: virtual seconds as the local time of the scenario, and which moments get a label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_DAY_S = 86_400
_STEPS_S = (10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, _DAY_S)
_MOST_TICKS = 10


@dataclass(frozen=True, slots=True)
class LocalClock:
    """`start_ms` is the epoch moment of second 0."""

    start_ms: int
    zone: ZoneInfo

    def local(self, at_s: float) -> datetime:
        """The local time of a moment."""
        utc = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self.start_ms, seconds=at_s)
        return utc.astimezone(self.zone)

    def moment(self, at_s: float, *, day: bool = False) -> str:
        """`10:17:03`, or with the day `Tue 24 Nov 10:17:03`; without seconds when there are none."""
        local = self.local(at_s)
        clock = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
        return f"{local:%a} {local.day} {local:%b} {clock}" if day else clock

    def period(self, until_s: float) -> str:
        """From second 0 until `until_s`, for a headline."""
        begin, end = self.local(0), self.local(until_s)
        first = f"{begin:%A} {begin.day} {begin:%B %Y}, {self.moment(0)}"
        if begin.date() == end.date():
            return f"{first} to {self.moment(until_s)}"
        return f"{first} to {end:%A} {end.day} {end:%B}, {self.moment(until_s)}"

    def ticks(self, until_s: float) -> list[tuple[float, str]]:
        """At most 10 round local moments from second 0 until `until_s`, with labels."""
        step_s = next((step for step in _STEPS_S if until_s <= step * _MOST_TICKS), _DAY_S)
        every_days = max(1, -(-int(until_s) // (_DAY_S * _MOST_TICKS))) if step_s == _DAY_S else 1
        moments = self._round_moments(until_s, step_s, every_days)
        return [(at_s, self._label(local, step_s, until_s)) for at_s, local in moments]

    def _round_moments(
        self, until_s: float, step_s: int, every_days: int
    ) -> Iterator[tuple[float, datetime]]:
        midnight = self.local(0).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        last = self.local(until_s).replace(tzinfo=None)
        while midnight <= last:
            for second in range(0, _DAY_S, step_s):
                local = (midnight + timedelta(seconds=second)).replace(tzinfo=self.zone)
                at_s = local.timestamp() - self.start_ms / 1000
                if 0 <= at_s <= until_s:
                    yield at_s, local
            midnight += timedelta(days=every_days)

    def _label(self, local: datetime, step_s: int, until_s: float) -> str:
        if step_s < 60:
            return f"{local:%H:%M:%S}"
        is_midnight = local.hour == 0 and local.minute == 0
        if step_s == _DAY_S or (is_midnight and until_s > _DAY_S / 2):
            return f"{local:%a} {local.day}"
        return f"{local:%H:%M}"

"""What is due at known moments, done lazily: no timer wakes the twin; whoever asks for the time does it."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from claudeflow.twin.clock import Clock

Action = Callable[[float], None]


class Agenda:
    """Actions by the moment when they are due, in monotonic seconds; ties go in the order of entry."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Action]] = []
        self._number = 0

    def at(self, moment: float, action: Action) -> None:
        """Have `action(moment)` called before anybody sees a later time."""
        self._number += 1
        heappush(self._entries, (moment, self._number, action))

    def run(self, now: float) -> None:
        """Do what is due by now. An action may enter others."""
        entries = self._entries
        while entries and entries[0][0] <= now:
            moment, _, action = heappop(entries)
            action(moment)

    def clear(self) -> None:
        """Forget everything that is to come."""
        self._entries.clear()


class PunctualClock:
    """A clock that shows no time before everything due by then is done."""

    def __init__(self, clock: Clock, agenda: Agenda) -> None:
        self._clock = clock
        self._agenda = agenda

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment."""
        now = self._clock.monotonic()
        self._agenda.run(now)
        return now

    def epoch(self) -> float:
        """Seconds since 1970 in UTC."""
        return self._clock.epoch()

    async def sleep(self, delay_s: float) -> None:
        """Return after `delay_s` seconds."""
        await self._clock.sleep(delay_s)

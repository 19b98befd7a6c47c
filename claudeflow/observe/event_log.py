"""Event log: the last events of this daemon in memory, and those who read along.

Whoever emits an event never waits for a reader. A reader is a place in the log; one that has not taken
an event when the log must let go of it has been too slow, and is cut off. Memory is bounded by the log.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from claudeflow.domain.event_kinds import Happened
from claudeflow.domain.events import DaemonStopped, Event

KEPT = 8_192
"""How many events are kept: the most that a reader may be behind."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that a reader will never see. `missed` is None where nobody knows how many those are."""

    reason: str
    missed: int | None


class EventLog:
    """A listener that keeps the last events. It ends with the daemon's own end."""

    def __init__(
        self, instance: str, now_ms: Callable[[], int], kept: int = KEPT, *, is_over: bool = False
    ) -> None:
        """`is_over`: nobody works, so nothing will happen."""
        self.instance = instance
        self._now_ms = now_ms
        self._kept: deque[Happened] = deque(maxlen=kept)
        self._readers: set[EventReader] = set()
        self.last = 0
        self.is_over = is_over

    def apply(self, event: Event) -> None:
        """Keep the event, wake those who read along, cut off who is too slow."""
        self.last += 1
        self._kept.append(Happened(self.last, self._now_ms(), event))
        self.is_over = self.is_over or isinstance(event, DaemonStopped)
        for reader in tuple(self._readers):
            reader.notice(self.first)

    @property
    def first(self) -> int:
        """The number of the oldest event that is kept, or of the next one when there is none."""
        return self.last - len(self._kept) + 1

    @property
    def readers(self) -> int:
        """How many read along."""
        return len(self._readers)

    def read(self, after: tuple[str, int] | None) -> EventReader:
        """A reader of what comes after an event, given by its daemon and number; None: of what is new.

        Close it in the end.
        """
        reader = EventReader(self, *self._place(after))
        self._readers.add(reader)
        return reader

    def after(self, number: int, most: int) -> list[Happened]:
        """At most so many events after that number, the oldest first."""
        behind = min(self.last - number, len(self._kept))
        return [self._kept[place] for place in range(-behind, min(0, most - behind))]

    def forget(self, reader: EventReader) -> None:
        """The reader is gone."""
        self._readers.discard(reader)

    def _place(self, after: tuple[str, int] | None) -> tuple[int, Gap | None]:
        if after is None:
            return self.last, None
        instance, number = after
        if instance != self.instance or number > self.last:
            return self.first - 1, Gap("other_daemon", None)
        if number < self.first - 1:
            return self.first - 1, Gap("too_old", self.first - 1 - number)
        return number, None


class EventReader:
    """A place in the log. `gap` says what was missed before it."""

    def __init__(self, log: EventLog, taken: int, gap: Gap | None) -> None:
        self._log = log
        self._news = asyncio.Event()
        self._on_cut_off: Callable[[], None] = lambda: None
        self.taken = taken
        self.gap = gap
        self.is_cut_off = False

    def on_cut_off(self, act: Callable[[], None]) -> None:
        """Do this when the reader has been too slow: whoever waits for its other end is to stop."""
        self._on_cut_off = act

    def take(self, most: int) -> list[Happened]:
        """At most so many events that have not been taken yet, the oldest first."""
        found = self._log.after(self.taken, most)
        if found:
            self.taken = found[-1].number
        return found

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more: the daemon has stopped, or the reader was too slow."""
        return self.is_cut_off or (self._log.is_over and self.taken == self._log.last)

    async def news(self, timeout_s: float) -> bool:
        """Whether there is something to take, after at most so many seconds."""
        if self.taken < self._log.last:
            return True
        self._news.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def notice(self, first: int) -> None:
        """There is a new event; the log now begins with the event of number `first`."""
        self._news.set()
        if self.taken < first - 1 and not self.is_cut_off:
            self.is_cut_off = True
            self._on_cut_off()

    def close(self) -> None:
        """Read no more."""
        self._log.forget(self)

"""A listener that keeps every event, and lets tests wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from claudeflow.domain.events import Event

PATIENCE_S = 20.0

E = TypeVar("E")


class Recorder:
    """Everything that happened so far."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Event()

    def apply(self, event: Event) -> None:
        """Keep the event and tell those who wait."""
        self.events.append(event)
        self._news.set()
        self._news = asyncio.Event()

    def of(self, kind: type[E], where: Callable[[E], bool] = lambda _: True) -> list[E]:
        """The events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind) and where(event)]

    async def wait_for(
        self, kind: type[E], where: Callable[[E], bool] = lambda _: True, *, count: int = 1
    ) -> list[E]:
        """At least `count` events of a kind, be it from the past. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := self.of(kind, where)) < count:
                await self._news.wait()
        return found

"""Prewarmer: shortly before a lane opens, the prefixes for which many of its jobs wait are written.

A pre-warm is a call like any other: it needs room in limits and budgets, goes under no hold and
through no closed gate, and stands in the books before it leaves. It is no try at any job.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Protocol

from claudeflow.daemon.calls.gate import PoolGate
from claudeflow.daemon.calls.warming import Warming
from claudeflow.daemon.shared import Shared
from claudeflow.domain.events import ConfigReloaded, Event
from claudeflow.policy.caching.prewarm import LEAD_MS, WaitingPrefix, is_time
from claudeflow.policy.lanes.hours import Hours, HoursSettings
from claudeflow.store import caching as store_caching

LOOK_EVERY_S = 5.0
MOST_CALM_MS = 60_000
"""The host's clock may be set: openings that are far away are looked at this often."""


class Floor(Protocol):
    """What pre-warming needs of whoever works on jobs."""

    @property
    def is_working(self) -> bool:
        """Whether jobs are claimed now."""
        ...

    def gate(self, model: str) -> PoolGate:
        """The gate of a model's pool."""
        ...


class Prewarmer:
    """Looks at the hours of every lane. One per daemon."""

    def __init__(self, shared: Shared, floor: Floor) -> None:
        self._shared = shared
        self._floor = floor
        self._hours: dict[str, tuple[HoursSettings, Hours]] = {}
        self._tried: dict[tuple[str, str], int] = {}
        self._warming: Warming | None = None
        self.needed = asyncio.Event()
        """Set while there is anything to look at."""
        self._note_need()

    def use(self, warming: Warming) -> None:
        """From now on calls can be made."""
        self._warming = warming

    def apply(self, event: Event) -> None:
        """Other hours may be in force."""
        if isinstance(event, ConfigReloaded):
            self._note_need()

    async def look(self) -> None:
        """Write what the lanes that open now will need, or sleep towards that. Raises StoreError."""
        if self._warming is None or not self._floor.is_working:
            return
        now_ms = self._shared.clock.epoch_ms()
        soon = {
            lane: opens_ms
            for lane, settings in self._shared.config.lanes.items()
            if (opens_ms := self._opens_ms(lane, settings.hours, now_ms)) is not None
        }
        for lane, opens_ms in soon.items():
            if is_time(opens_ms, now_ms):
                await self._warm_lane(self._warming, lane, opens_ms)
        left_ms = min(soon.values(), default=MOST_CALM_MS + now_ms) - LEAD_MS - now_ms
        await asyncio.sleep(max(0, min(left_ms, MOST_CALM_MS)) / 1000)

    def _note_need(self) -> None:
        config = self._shared.config
        has_hours = any(lane.hours != HoursSettings() for lane in config.lanes.values())
        if has_hours and config.cache.enabled and config.cache.prewarm:
            self.needed.set()
        else:
            self.needed.clear()

    def _opens_ms(self, lane: str, settings: HoursSettings, now_ms: int) -> int | None:
        """When a closed lane opens; None of one that is open."""
        known = self._hours.get(lane)
        if known is None or known[0] != settings:
            known = self._hours[lane] = (settings, Hours(settings))
        hours = known[1]
        return None if hours.is_open(now_ms) else hours.changes_at(now_ms)

    async def _warm_lane(self, warming: Warming, lane: str, opens_ms: int) -> None:
        least = self._shared.config.cache.prewarm_from_jobs
        work = partial(store_caching.waiting_prefixes, lane=lane, least_jobs=least)
        waiting = await self._shared.store.read(work)
        self._tried = {key: until_ms for key, until_ms in self._tried.items() if until_ms >= opens_ms}
        async with asyncio.TaskGroup() as calls:
            for found in waiting:
                if (found.model, found.prefix) not in self._tried and not self._stays_warm(found, opens_ms):
                    calls.create_task(self._try(warming, found, opens_ms))

    async def _try(self, warming: Warming, found: WaitingPrefix, opens_ms: int) -> None:
        """Once for each opening, whatever comes of it: then the lane's first job writes the prefix."""
        if await warming.warm(found, self._floor.gate(found.model)):
            self._tried[found.model, found.prefix] = opens_ms

    def _stays_warm(self, found: WaitingPrefix, opens_ms: int) -> bool:
        entry = self._shared.prefixes.entry(found.model, found.prefix)
        return entry is not None and entry.warm_until * 1000 > opens_ms

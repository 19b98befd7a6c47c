"""Lanes: jobs that wait follow when the configuration sends their lane another way."""

from __future__ import annotations

from functools import partial

from claudeflow.daemon.batches.routing import NEVER, policy_of
from claudeflow.daemon.calls.holds import Floor
from claudeflow.daemon.shared import Shared
from claudeflow.store import batch_routes

AT_ONCE = 500


class LaneWatch:
    """One per daemon. `floor` is told of jobs that go by themselves from now on, or no more."""

    def __init__(self, shared: Shared, floor: Floor) -> None:
        self._shared = shared
        self._floor = floor
        self._ways: dict[str, bool] = {}
        self.is_due = True
        """Whether the configuration may have changed since the last look."""

    def reconfigure(self) -> None:
        """The configuration has changed: look."""
        self.is_due = True

    async def look(self) -> None:
        """Send the jobs of lanes that go another way than before after them. Raises StoreError."""
        if not self.is_due:
            return
        shared = self._shared
        in_use = await shared.store.read(batch_routes.lanes)
        for lane in sorted({*shared.config.lanes, *self._ways, *in_use}):
            batched = policy_of(shared, lane) != NEVER
            if self._ways.get(lane, lane in in_use) is not batched:
                await self._follow(lane, batched=batched)
                self._ways[lane] = batched
        self.is_due = False

    async def _follow(self, lane: str, *, batched: bool) -> None:
        while True:
            most_bytes = self._shared.config.batches.max_bytes
            work = partial(
                batch_routes.route_lane, lane=lane, batched=batched, limit=AT_ONCE, most_bytes=most_bytes
            )
            routed = await self._shared.store.write(work)
            due = [candidate for candidate, is_due in routed if is_due]
            if batched:
                for candidate in due:
                    self._floor.gone(candidate)
            else:
                self._floor.arrive(due)
            if len(routed) < AT_ONCE:
                return

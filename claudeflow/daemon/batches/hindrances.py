"""Hindrances: what keeps jobs of a lane, workflow and model out of batches, apart from the filling.

A hold on a model is tested by calls alone: a batch takes any model, and its creation shows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from claudeflow.daemon.batches.outlook import Outlook, Outlooks
from claudeflow.daemon.batches.releasing import Releaser
from claudeflow.daemon.shared import Shared
from claudeflow.domain.hold import EVERYTHING, Hold
from claudeflow.domain.job import Candidate, JobId
from claudeflow.policy.money.pricing import UnknownModel
from claudeflow.store import batch_items
from claudeflow.store.batch_items import BatchGroup

NO_JOB = JobId(-(1 << 40))
"""An id that no job has."""


class Hindrances:
    """Tells `outlooks` what holds groups back. One per daemon."""

    def __init__(self, shared: Shared, releaser: Releaser, outlooks: Outlooks) -> None:
        self._shared = shared
        self._releaser = releaser
        self._outlooks = outlooks
        self._tested: dict[str, int | None] = {}

    async def note(self, groups: Sequence[BatchGroup]) -> None:
        """Look at each kind of jobs once. Raises StoreError."""
        free = set()
        for group in groups:
            kind = (group.lane, group.workflow, group.model)
            if kind in free or self._outlooks.has(group):
                continue
            free.add(kind)
            candidate = _any_of(group)
            if not self._is_without_price(candidate) and not await self._is_held(group, candidate):
                slowed = self._shared.budgets.slowed(candidate)
                if slowed is not None:
                    self._outlooks.block(candidate, slowed)

    def _is_without_price(self, candidate: Candidate) -> bool:
        try:
            self._shared.prices.find(candidate.model)
        except UnknownModel as problem:
            self._outlooks.put(candidate, Outlook(str(problem), None))
            return True
        return False

    async def _is_held(self, group: BatchGroup, candidate: Candidate) -> bool:
        shared, now_ms = self._shared, self._shared.clock.epoch_ms()
        pool = shared.prices.pool_of(candidate.model)
        stop = shared.holds.stops(candidate, pool, now_ms)
        if stop is not None:
            self._outlooks.put(candidate, Outlook(_words(stop.hold), stop.until_ms))
            return True
        probed = [hold for hold in shared.holds.covering(candidate, pool, now_ms) if hold.scope != EVERYTHING]
        for hold in probed:
            self._outlooks.put(candidate, Outlook(_words(hold), None))
            await self._test(hold, group)
        return bool(probed)

    async def _test(self, hold: Hold, group: BatchGroup) -> None:
        """One job goes by Messages, for each time that the hold is to be probed."""
        if self._tested.get(str(hold.scope), -1) == hold.probe_at_ms:
            return
        first = await self._shared.store.read(partial(batch_items.head, group=group, limit=1))
        why = f"it tests by Messages whether the hold on {hold.scope} is over"
        if await self._releaser.to_messages([one.id for one in first], why):
            self._tested[str(hold.scope)] = hold.probe_at_ms


def _any_of(group: BatchGroup) -> Candidate:
    """A job of the group as holds and budgets see one."""
    return Candidate(
        id=NO_JOB,
        lane=group.lane,
        workflow=group.workflow,
        model=group.model,
        priority=0,
        submitted_ms=group.oldest_ms,
        deadline_ms=None,
        input_bytes=0,
        max_tokens=0,
        prefix=None,
        batched=True,
    )


def _words(hold: Hold) -> str:
    return f"{hold.scope} is held: {hold.reason}; {hold.way_out}"

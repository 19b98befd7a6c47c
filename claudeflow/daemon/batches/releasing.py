"""Releasing: jobs leave a batch; before it left, as if they had never been in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from claudeflow.daemon.batches.money import BatchMoney
from claudeflow.daemon.calls.holds import Floor
from claudeflow.daemon.shared import Shared
from claudeflow.domain.batch import BatchState
from claudeflow.domain.job import JobId
from claudeflow.store import batch_ends, batch_items, batch_routes, batches
from claudeflow.store.batches import BatchRecord

AT_ONCE = 200

UNSENT = (BatchState.FILLING, BatchState.READY)
"""Nothing of a batch in one of these has left."""


class Releaser:
    """Gives jobs back to the queue. Everything here raises StoreError."""

    def __init__(self, shared: Shared, money: BatchMoney, floor: Floor) -> None:
        self._shared = shared
        self._money = money
        self._floor = floor

    async def release(self, record: BatchRecord, *, batched: bool, returned: bool) -> None:
        """A batch that surely never left is no more."""
        while True:
            work = partial(batch_items.open_calls, batch_id=record.id, after=0, limit=AT_ONCE)
            calls = await self._shared.store.read(work)
            if not calls:
                break
            await self.take_back(record, calls, batched=batched, returned=returned)
        self._money.drop(record.id)
        now_ms = self._shared.clock.epoch_ms()
        await self._shared.store.write(partial(batches.drop, batch_id=record.id, now_ms=now_ms))

    async def leave(self, record: BatchRecord, calls: Sequence[int], why: str) -> int:
        """Jobs wait for their batch no more, and go by Messages; how many."""
        if record.state in UNSENT:
            return await self.take_back(record, calls, batched=False, returned=True)
        now_ms = self._shared.clock.epoch_ms()
        work = partial(batch_ends.pull_back, batch_id=record.id, calls=calls, why=why, now_ms=now_ms)
        pulled = await self._shared.store.write(work)
        self._floor.arrive(pulled)
        return len(pulled)

    async def take_back(
        self, record: BatchRecord, calls: Sequence[int], *, batched: bool, returned: bool
    ) -> int:
        """Requests of a batch that surely never left are no more; how many jobs are due again."""
        shared = self._shared
        known = await shared.store.read(partial(batch_items.unbooked, batch_id=record.id, calls=calls))
        work = partial(
            batch_ends.take_back,
            batch_id=record.id,
            calls=calls,
            now_ms=shared.clock.epoch_ms(),
            batched=batched,
            returned=returned,
        )
        back = await shared.store.write(work)
        for found in known.values():
            self._money.settle_job(record.id, found, 0)
        self._floor.arrive(back)
        return len(back)

    async def drop(self, record: BatchRecord, calls: Sequence[int]) -> None:
        """Requests of a batch that never left, and for which no job waits any more."""
        shared = self._shared
        known = await shared.store.read(partial(batch_items.unbooked, batch_id=record.id, calls=calls))
        now_ms = shared.clock.epoch_ms()
        work = partial(batch_ends.drop_unsent, batch_id=record.id, calls=calls, now_ms=now_ms)
        await shared.store.write(work)
        for found in known.values():
            self._money.settle_job(record.id, found, 0)

    async def to_messages(self, ids: Sequence[JobId], why: str) -> int:
        """Jobs that wait for a batch go by themselves; how many did wait."""
        routed = await self._shared.store.write(partial(batch_routes.to_messages, ids=ids, why=why))
        self._floor.arrive(routed)
        return len(routed)

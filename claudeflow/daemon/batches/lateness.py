"""Lateness: jobs whose deadline is near go by Messages, be they in a batch or waiting for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from claudeflow.daemon.batches.releasing import Releaser
from claudeflow.daemon.shared import Shared
from claudeflow.domain.batch import BatchState
from claudeflow.domain.batch_events import BatchLate
from claudeflow.policy.batching.lateness import next_look_ms
from claudeflow.policy.batching.settings import DAY_S
from claudeflow.store import batch_items, batch_routes
from claudeflow.store.batches import BatchRecord

AT_ONCE = 200

RUNNING = (BatchState.IN_PROGRESS, BatchState.CANCELING)
"""The API works on a batch in one of these."""

LATE = "its batch is late for its deadline"
TOO_LATE = "its deadline leaves no more time for a batch"


class LateWatch:
    """One per daemon."""

    def __init__(self, shared: Shared, releaser: Releaser) -> None:
        self._shared = shared
        self._releaser = releaser

    async def look(self, known: Sequence[BatchRecord], *, may_read: bool) -> int | None:
        """Take out who is late; when the next one will be (epoch ms). Raises StoreError.

        `may_read`: the answers of batches that have ended are about to be read, so nobody leaves these.
        """
        running = [record.created_ms for record in known if record.state in RUNNING]
        self._shared.batches.completion.running(at_ms for at_ms in running if at_ms is not None)
        if may_read:
            known = [record for record in known if record.state is not BatchState.ENDED or record.problem]
        moments = [await self._look_at_waiting(), await self._look_at_sent(known) if known else None]
        return min((moment for moment in moments if moment is not None), default=None)

    async def _look_at_waiting(self) -> int | None:
        """Jobs that wait for a batch, of which no usual one would be in time."""
        shared, settings = self._shared, self._shared.config.batches
        usual_s = min(DAY_S, shared.batches.completion.expected_s())
        ahead_ms = round(1000 * (settings.comeback_s + usual_s))
        while True:
            now_ms = shared.clock.epoch_ms()
            first_ms = await shared.store.read(batch_routes.first_deadline_ms)
            if first_ms is None or first_ms > now_ms + ahead_ms:
                return None if first_ms is None else first_ms - ahead_ms
            work = partial(batch_routes.late, before_ms=now_ms + ahead_ms, limit=AT_ONCE)
            await self._releaser.to_messages(await shared.store.read(work), TOO_LATE)

    async def _look_at_sent(self, known: Sequence[BatchRecord]) -> int | None:
        shared, settings = self._shared, self._shared.config.batches
        while True:
            now_ms = shared.clock.epoch_ms()
            first_ms = await shared.store.read(batch_items.first_deadline_ms)
            due_ms = next_look_ms([first_ms], settings)
            if due_ms is None or due_ms > now_ms:
                return due_ms
            before_ms = now_ms + round(1000 * settings.comeback_s)
            work = partial(batch_items.late, before_ms=before_ms, limit=AT_ONCE)
            if not await self._take_out(await shared.store.read(work), known):
                return now_ms + round(1000 * settings.poll_s)

    async def _take_out(self, late: Sequence[tuple[int, int]], known: Sequence[BatchRecord]) -> int:
        calls: defaultdict[int, list[int]] = defaultdict(list)
        for batch_id, call_id in late:
            calls[batch_id].append(call_id)
        out = 0
        for record in known:
            if record.id in calls:
                left = await self._releaser.leave(record, calls[record.id], LATE)
                out += left
                if left:
                    self._shared.emit(BatchLate(record.id, left))
        return out

"""Finding: whether the API has a batch after the answer to its creation was lost.

The API's list names no custom ids, so that of a batch that may be ours the results tell once it has ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import aclosing
from functools import partial

from claudeflow.daemon.batches.sender import BatchPace, BatchSender
from claudeflow.daemon.shared import Shared
from claudeflow.domain.batch import BatchTrouble, RemoteBatch, ResultsBroken
from claudeflow.policy.batching.orphans import LostCreate, NeverCreated, Suspect, look_for, oldest_ms
from claudeflow.store import batches
from claudeflow.store.batches import BatchRecord

LOOK_AGAIN_MS = 15_000
"""How soon the API's list is asked again for a batch whose creation nobody confirmed."""

LOOK_CALMLY_MS = 60_000
"""How soon when one that may be it has not ended."""

MADE_BEFORE_MS = 2 * 86_400_000
"""No batch of ours is created longer after it was begun."""


class Finder:
    """Looks for lost batches. One per daemon."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._others: defaultdict[int, set[str]] = defaultdict(set)
        self._look_ms: dict[int, int] = {}
        self._suspected: set[int] = set()
        self._gone_ms: dict[int, int] = {}

    def lost(self, record: BatchRecord) -> int:
        """A create left and nobody confirmed it: when the list is asked (epoch ms)."""
        self._gone_ms[record.id] = self._shared.clock.epoch_ms()
        return self._later(record, LOOK_AGAIN_MS)

    def has_suspect(self, record: BatchRecord) -> bool:
        """Whether nothing can be known of a batch before another one has ended, which may take a day."""
        return record.id in self._suspected

    async def look(
        self, record: BatchRecord, sender: BatchSender, pace: BatchPace
    ) -> RemoteBatch | NeverCreated | int:
        """The batch, that there is none, or when to look again (epoch ms). Raises StoreError."""
        now_ms, due_ms = self._shared.clock.epoch_ms(), self._look_ms.get(record.id, 0)
        if now_ms < due_ms:
            return due_ms
        lost = self._lost_create(record, now_ms)
        recent = await self._listed(lost, sender, pace)
        if recent is None:
            return self._later(record, LOOK_AGAIN_MS)
        since_ms = oldest_ms(lost) - MADE_BEFORE_MS
        ours = await self._shared.store.read(partial(batches.api_ids, since_ms=since_ms))
        match look_for(lost, recent, ours, self._others[record.id], now_ms):
            case NeverCreated() as never:
                self._forget(record)
                return never
            case Suspect(ids):
                return await self._judge(record, ids, recent, sender, pace)
            case _:
                self._suspected.discard(record.id)
                return self._later(record, LOOK_AGAIN_MS)

    def _lost_create(self, record: BatchRecord, now_ms: int) -> LostCreate:
        """One that an earlier process sent is on its way no more, and was no longer than a call may take."""
        at_ms = record.attempted_ms or record.made_ms
        longest_ms = round(1000 * self._shared.config.api.attempt_timeout_s)
        gone_ms = self._gone_ms.setdefault(record.id, min(now_ms, at_ms + longest_ms))
        return LostCreate(at_ms, record.requests, gone_ms)

    async def _listed(
        self, lost: LostCreate, sender: BatchSender, pace: BatchPace
    ) -> list[RemoteBatch] | None:
        pace.called()
        recent = await sender.recent(oldest_ms(lost))
        pace.heard(recent)
        return None if isinstance(recent, BatchTrouble) else recent

    async def _judge(
        self,
        record: BatchRecord,
        ids: Iterable[str],
        recent: Iterable[RemoteBatch],
        sender: BatchSender,
        pace: BatchPace,
    ) -> RemoteBatch | int:
        """The likeliest of those that have ended is looked into; without one it has to be waited for."""
        by_id = {remote.id: remote for remote in recent}
        ended = [by_id[name] for name in ids if by_id[name].ended_ms is not None]
        if not ended:
            self._suspected.add(record.id)
            return self._later(record, LOOK_CALMLY_MS)
        suspect = ended[0]
        whose = await self._is_ours(record, suspect, sender, pace)
        if whose is None:
            self._suspected.add(record.id)
            return self._later(record, LOOK_AGAIN_MS)
        if whose:
            self._forget(record)
            return suspect
        self._others[record.id].add(suspect.id)
        return self._later(record, 0)

    async def _is_ours(
        self, record: BatchRecord, suspect: RemoteBatch, sender: BatchSender, pace: BatchPace
    ) -> bool | None:
        """Whether its first result names a request of ours; None when that cannot be told now."""
        if suspect.archived_ms is not None:
            return False
        pace.called()
        try:
            async with aclosing(sender.results(suspect.id, pass_over=True)) as results:
                async for item in results:
                    pace.heard(item)
                    return record.call_of(item.custom_id) is not None
        except ResultsBroken as problem:
            pace.heard(problem.trouble)
        return None

    def _later(self, record: BatchRecord, in_ms: int) -> int:
        self._look_ms[record.id] = self._shared.clock.epoch_ms() + in_ms
        return self._look_ms[record.id]

    def _forget(self, record: BatchRecord) -> None:
        self._look_ms.pop(record.id, None)
        self._others.pop(record.id, None)
        self._gone_ms.pop(record.id, None)
        self._suspected.discard(record.id)

"""Gathering: which of the jobs that wait for a batch leave now, and with which marks for the cache."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from claudeflow.daemon.batches.filling import AROUND_BYTES, Filler, Load
from claudeflow.daemon.batches.hindrances import Hindrances
from claudeflow.daemon.batches.outlook import Outlook, Outlooks
from claudeflow.daemon.batches.warmth import Prefix, Warmth
from claudeflow.daemon.shared import Shared
from claudeflow.domain.errors import PromptError
from claudeflow.policy.batching.filling import Leave, NotYet, Waiting, decide_fill
from claudeflow.policy.batching.lateness import leave_by_ms
from claudeflow.policy.batching.settings import BatchSettings
from claudeflow.policy.batching.warm_up import BatchCaching, may_wait, waits_until_ms
from claudeflow.policy.money.pricing import UnknownModel
from claudeflow.store import batch_items
from claudeflow.store.batch_items import BatchGroup
from claudeflow.store.batches import BatchRecord


class Gatherer:
    """Makes batches ready. One per daemon."""

    def __init__(
        self, shared: Shared, warmth: Warmth, filler: Filler, hindrances: Hindrances, outlooks: Outlooks
    ) -> None:
        self._shared = shared
        self._warmth = warmth
        self._filler = filler
        self._hindrances = hindrances
        self._outlooks = outlooks
        self.next_ms: int | None = None
        """When to look again (epoch ms); None: when something happens."""

    async def gather(self, room: int) -> BatchRecord | None:
        """The batch that is ready to leave now, if any. `room`: so many more requests may be in batches.

        Raises StoreError.
        """
        shared, outlooks = self._shared, self._outlooks
        outlooks.begin()
        groups = await self._free(await shared.store.read(batch_items.groups))
        now_ms, settings = shared.clock.epoch_ms(), shared.config.batches
        completion_s = shared.batches.completion.expected_s()
        decision = decide_fill(_waiting(groups), settings, now_ms, room=room, completion_s=completion_s)
        until_ms = decision.until_ms if isinstance(decision, NotYet) else None
        ready = None
        if isinstance(decision, Leave):
            load = await self._load(groups, decision.requests, completion_s)
            ready = await self._leave(load) if load is not None else None
        outlooks.tell(Outlook(decision.why, until_ms))
        moments = [until_ms, outlooks.next_ms(now_ms), *self._waits(groups)]
        self.next_ms = min((moment for moment in moments if moment is not None), default=None)
        return ready

    async def _free(self, groups: Sequence[BatchGroup]) -> list[BatchGroup]:
        """Those that nothing but the filling holds back, in the order in which they leave."""
        await self._hindrances.note(groups)
        return sorted((group for group in groups if not self._outlooks.has(group)), key=_urgency)

    async def _leave(self, load: Load) -> BatchRecord | None:
        ready = await self._filler.fill(load)
        if ready is not None:
            bases = set(load.bases)
            marked = {(group.model, group.base) for group in load.groups if group.base in bases}
            prefixes = [(model, base) for model, base in marked if base is not None]
            self._warmth.left(ready.id, prefixes, ahead=load.warms)
        return ready

    def _waits(self, groups: Sequence[BatchGroup]) -> list[int]:
        """When the jobs that wait for one that went ahead wait no more."""
        now_ms = self._shared.clock.epoch_ms()
        found = [self._warmth.waits_until_ms(_prefix_of(group), now_ms) for group in groups]
        return [moment for moment in found if moment is not None]

    async def _load(self, groups: Sequence[BatchGroup], requests: int, completion_s: float) -> Load | None:
        """What leaves: requests that write prefixes ahead of others, or all that need not wait for such."""
        now_ms, settings = self._shared.clock.epoch_ms(), self._shared.config.batches
        by_prefix: defaultdict[Prefix, list[BatchGroup]] = defaultdict(list)
        for group in groups:
            if group.base is not None:
                by_prefix[group.model, group.base].append(group)
        marks, ahead = set(), []
        for prefix, alike in by_prefix.items():
            leave_ms = _leave_by_ms(alike, completion_s, settings)
            if self._warmth.waits_until_ms(prefix, now_ms) is not None:
                continue
            patient = may_wait(leave_ms, now_ms, settings) and not self._warmth.is_awaited(prefix, now_ms)
            caching = await self._choose(prefix, alike, patient=patient)
            if caching is not BatchCaching.NONE:
                marks.add(prefix[1])
            if caching is BatchCaching.WARMED:
                ahead.append(alike[0])
                self._warmth.warming([prefix], waits_until_ms(now_ms, leave_ms, settings))
        if ahead:
            return Load(ahead, min(requests, len(ahead)), frozenset(marks), 1, warms=True)
        free = [group for group in groups if self._warmth.waits_until_ms(_prefix_of(group), now_ms) is None]
        return Load(free, requests, frozenset(marks), requests) if free else None

    async def _choose(self, prefix: Prefix, alike: Sequence[BatchGroup], *, patient: bool) -> BatchCaching:
        """What the requests of one prefix do about the cache."""
        requests = sum(group.requests for group in alike)
        if requests < 2 and not self._warmth.is_warm(prefix, self._shared.clock.epoch_ms()):
            return BatchCaching.NONE
        sample = await self._shared.store.read(partial(batch_items.sample, group=alike[0]))
        if sample is None:
            return BatchCaching.NONE
        try:
            return await self._warmth.choose(sample, prefix[1], requests, may_wait=patient)
        except (UnknownModel, PromptError):
            return BatchCaching.NONE


def _prefix_of(group: BatchGroup) -> Prefix:
    return group.model, group.base or ""


def _leave_by_ms(groups: Sequence[BatchGroup], completion_s: float, settings: BatchSettings) -> int | None:
    deadline_ms = _first_deadline_ms(groups)
    return None if deadline_ms is None else leave_by_ms(deadline_ms, completion_s, settings)


def _first_deadline_ms(groups: Sequence[BatchGroup]) -> int | None:
    return min((group.deadline_ms for group in groups if group.deadline_ms is not None), default=None)


def _waiting(groups: Sequence[BatchGroup]) -> Waiting:
    return Waiting(
        count=sum(group.requests for group in groups),
        size_bytes=sum(group.bytes + AROUND_BYTES * group.requests for group in groups),
        due_since_ms=min((group.oldest_ms for group in groups), default=0),
        deadline_ms=_first_deadline_ms(groups),
    )


def _urgency(group: BatchGroup) -> tuple[float, int]:
    return (float("inf") if group.deadline_ms is None else group.deadline_ms, group.oldest_ms)

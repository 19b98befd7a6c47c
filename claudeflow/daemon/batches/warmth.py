"""Warmth: which prefixes batches have written, are writing, or should write ahead of the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial

import orjson

from claudeflow.daemon.batches.recent import Recent
from claudeflow.daemon.calls.requests import Asked, Requests
from claudeflow.daemon.shared import Shared
from claudeflow.policy.batching.warm_up import BatchCaching, choose_caching
from claudeflow.policy.caching.plan import NO_PLAN, Mark, Plan
from claudeflow.policy.limits.estimate import TOKENS_PER_BYTE
from claudeflow.policy.money.pricing import Rates
from claudeflow.store import batch_items, batches
from claudeflow.store.batches import CacheUse

MADE_BEFORE_MS = 86_400_000
"""A batch that was made earlier has nothing to do with a cache that is warm now."""

WARM_MS = 55 * 60_000
"""For so long after its creation the prefixes of a batch are taken to be in the cache."""

MOST_PREFIXES = 10_000
MOST_BATCHES = 200
"""So many prefixes, and batches that marked some, are remembered: those last heard of."""

Prefix = tuple[str, str]
"""Model, and what names tools and system."""


class Warmth:
    """The cache of batches, which is apart from that of Messages. Times are epoch ms."""

    def __init__(self, shared: Shared, requests: Requests) -> None:
        self._shared = shared
        self._requests = requests
        self._tokens: Recent[Prefix, int] = Recent(MOST_PREFIXES)
        self._warm_until: Recent[Prefix, int] = Recent(MOST_PREFIXES)
        self._warming: Recent[Prefix, int] = Recent(MOST_PREFIXES)
        self._left_warm: Recent[int, dict[Prefix, bool]] = Recent(MOST_BATCHES)
        self._has_begun = False

    async def begin(self) -> None:
        """Learn what batches of an earlier process have written, or are to write. Raises StoreError."""
        if self._has_begun:
            return
        store, now_ms = self._shared.store, self._shared.clock.epoch_ms()
        patience_ms = round(1000 * self._shared.config.batches.warm_up_patience_s)
        for record in await store.read(partial(batches.marked, since_ms=now_ms - MADE_BEFORE_MS)):
            pairs = await store.read(partial(batch_items.models_of, batch_id=record.id))
            marked = [(model, base) for model, base in pairs if base in record.marks]
            if record.ended_ms is not None:
                self.marked(marked, record.created_ms or record.made_ms)
            elif record.warms and record.done_ms is None:
                self.warming(marked, record.made_ms + patience_ms)
        self._has_begun = True

    def left(self, batch_id: int, prefixes: Iterable[Prefix], *, ahead: bool) -> None:
        """A batch that marks these leaves: were they warm, as far as we knew? `ahead`: others wait for it."""
        now_ms = self._shared.clock.epoch_ms()
        if not ahead:
            known = {prefix: self.is_warm(prefix, now_ms) for prefix in prefixes}
            self._left_warm.put(batch_id, known)

    def learn(self, batch_id: int, uses: Iterable[CacheUse]) -> None:
        """How its requests used the cache: what to expect of the next batch."""
        known = self._left_warm.pop(batch_id, {})
        now_ms = self._shared.clock.epoch_ms()
        for use in uses:
            warmed = known.get((use.model, use.prefix))
            if warmed is not None:
                self._shared.batches.hits.observed(
                    use.model, use.requests, use.reads, warmed=warmed, now_ms=now_ms
                )

    def marked(self, prefixes: Iterable[Prefix], created_ms: int) -> None:
        """A batch with these marks was created then, and has ended."""
        for prefix in prefixes:
            until_ms = max(self._warm_until.get(prefix, 0), created_ms + WARM_MS)
            self._warm_until.put(prefix, until_ms)
            self._warming.pop(prefix, None)

    def warming(self, prefixes: Iterable[Prefix], until_ms: int) -> None:
        """A request goes ahead that writes these; the others wait until then at most."""
        for prefix in prefixes:
            self._warming.put(prefix, until_ms)

    def waits_until_ms(self, prefix: Prefix, now_ms: int) -> int | None:
        """Until when the jobs of a prefix wait for the one that went ahead."""
        until_ms = self._warming.get(prefix, 0)
        return until_ms if until_ms > now_ms else None

    def is_awaited(self, prefix: Prefix, now_ms: int) -> bool:
        """Whether a request went ahead for a prefix and was, perhaps in vain, waited for: once is enough."""
        return self._warming.get(prefix, -WARM_MS) + WARM_MS > now_ms

    def is_warm(self, prefix: Prefix, now_ms: int) -> bool:
        """Whether an earlier batch has written it, as far as we know."""
        return self._warm_until.get(prefix, 0) > now_ms

    async def choose(self, sample: Asked, base: str, requests: int, *, may_wait: bool) -> BatchCaching:
        """What the requests of one prefix do about the cache. Raises UnknownModel, PromptError."""
        now_ms = self._shared.clock.epoch_ms()
        prefix = (sample.model, base)
        info = self._shared.prices.find(sample.model)
        tokens = await self._tokens_of(prefix, sample)
        rates: Rates = self._shared.prices.price_at(sample.model, now_ms).standard
        hits = self._shared.batches.hits.of(sample.model, now_ms)
        if tokens < info.cache_minimum_tokens:
            return BatchCaching.NONE
        is_warm = self.is_warm(prefix, now_ms)
        return choose_caching(tokens, requests, rates, hits, may_wait=may_wait, is_warm=is_warm)

    async def _tokens_of(self, prefix: Prefix, sample: Asked) -> int:
        known = self._tokens.get(prefix)
        if known is None:
            request = await self._requests.build(sample, NO_PLAN, streamed=False)
            known = math.floor(_stable_bytes(request.body) * TOKENS_PER_BYTE)
            self._tokens.put(prefix, known)
        return known


def plan_of(prefix: str | None, marks: frozenset[str]) -> Plan:
    """The plan of a request in a batch: its tools and system are kept for an hour when they are marked."""
    base = (prefix or "").partition("/")[0]
    return Plan(marks=(Mark(base, "1h", writes=True),)) if base and base in marks else NO_PLAN


def _stable_bytes(body: Mapping[str, object]) -> int:
    stable = [body.get("tools"), body.get("system"), body.get("output_config")]
    return sum(len(orjson.dumps(part)) for part in stable if part is not None)

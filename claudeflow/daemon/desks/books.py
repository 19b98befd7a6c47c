"""The desk for the books, over the store and the price list in force."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

from claudeflow.config import own_price_ids, shipped_prices
from claudeflow.daemon.catalog import CatalogShelf
from claudeflow.daemon.shared import Shared
from claudeflow.domain.errors import ConfigError
from claudeflow.domain.ledger import Dimension, SubmitterRow, UsageQuestion, UsageRow
from claudeflow.domain.words import plural
from claudeflow.policy.money.price_check import Finding, check_prices
from claudeflow.store import submitters
from claudeflow.store import usage as store_usage

RECENT_DAYS = 30
"""A model that was called since then is in use."""


class StoreBooksDesk:
    """A `BooksDesk` that people and their scripts read the books at."""

    def __init__(self, shared: Shared, shelf: CatalogShelf) -> None:
        self._shared = shared
        self._shelf = shelf

    async def usage(self, question: UsageQuestion) -> list[UsageRow]:
        """Sums of usage, one row for each group that has any."""
        work = partial(
            store_usage.usage,
            since_ms=question.since_ms,
            until_ms=question.until_ms,
            by=question.by,
            where=dict(question.where),
        )
        return await self._shared.store.read(work)

    async def by_submitter(self, since_ms: int, until_ms: int | None) -> list[SubmitterRow]:
        """What the jobs of each submitter cost on the days from one until another, the dearest first."""
        work = partial(submitters.spent_by_submitter, since_ms=since_ms, until_ms=until_ms)
        return await self._shared.store.read(work)

    async def check_prices(self) -> list[Finding]:
        """What is to be said about the prices of the models in use."""
        prices, settings = self._shared.prices, self._shared.config.prices
        used, fast, now_ms = await self._in_use(), await self._in_fast_use(), self._shared.clock.epoch_ms()
        try:
            own_ids = [name for name in own_price_ids(settings) if name in prices.models]
        except ConfigError as problem:
            broken = Finding("error", "", str(problem), "mend it: the daemon cannot take it up again")
            return [broken, *check_prices(prices, prices, [], used, fast, now_ms=now_ms)]
        return check_prices(prices, shipped_prices(), own_ids, used, fast, now_ms=now_ms)

    async def _in_fast_use(self) -> dict[str, list[str]]:
        jobs = await self._shared.store.read(store_usage.waiting_fast_by_model)
        return {model: [f"{plural(number, 'fast job')} waiting or running"] for model, number in jobs.items()}

    async def _in_use(self) -> dict[str, list[str]]:
        used: defaultdict[str, list[str]] = defaultdict(list)
        for template in self._shelf.catalog.prompts.values():
            used[template.model].append(f"prompt {template.name}")
        for model, cheaper in self._shared.config.fallback.items():
            used[model].append("[fallback]")
            used[cheaper].append(f"[fallback] of {model}")
        for model, jobs in (await self._shared.store.read(store_usage.waiting_by_model)).items():
            used[model].append(f"{plural(jobs, 'job')} waiting or running")
        since_ms = self._shared.clock.epoch_ms() - RECENT_DAYS * 86_400_000
        work = partial(store_usage.usage, since_ms=since_ms, by=(Dimension.MODEL,))
        for row in await self._shared.store.read(work):
            calls = row.calls + row.unknown_calls
            used[row.key[0]].append(f"{plural(calls, 'call')} in the last {RECENT_DAYS} days")
        return used

"""Warm-up: whether the requests of a batch mark their prefix, and whether one of them goes ahead.

The requests of a batch run at the same time, so a cold prefix is written many times over. One of them in
a batch ahead of the others writes it for them: `max_tokens: 0` is not allowed in batches, and what
Messages wrote is in another store. That costs time and not a token more, for its answer is wanted
anyway. Prefixes are marked for an hour: 5 minutes may be over before the API comes to the last request.
"""

from __future__ import annotations

from enum import StrEnum

from claudeflow.policy.batching.hits import Hits
from claudeflow.policy.batching.settings import BatchSettings
from claudeflow.policy.caching.economics import Ratios
from claudeflow.policy.money.pricing import Rates

LEAST_GAIN = 0.01
"""The share of what the prefixes of a batch cost uncached that marks must save, and a warm-up on top."""


class BatchCaching(StrEnum):
    """How the requests of a batch use the cache."""

    NONE = "none"
    """No marks."""
    MARKED = "marked"
    """Marks for an hour, all at once."""
    WARMED = "warmed"
    """The same, when one of them has written the prefix."""


def choose_caching(
    prefix_tokens: int, items: int, rates: Rates, hits: Hits, *, may_wait: bool, is_warm: bool = False
) -> BatchCaching:
    """What is expected to cost least for `items` requests with one prefix, the one ahead among them.

    Without `may_wait` there is no time for a warm-up; when an earlier batch has written it (`is_warm`),
    no need.
    """
    if prefix_tokens <= 0:
        return BatchCaching.NONE
    if is_warm:
        return _when_warm(Ratios.of(rates), hits)
    if items < 2:
        return BatchCaching.NONE
    ratios = Ratios.of(rates)
    marked = _cost_per_token(items, ratios, hits.marked)
    warmed = _cost_per_token(items, ratios, hits.warmed)
    best, cost = BatchCaching.NONE, 1.0
    if marked <= cost - LEAST_GAIN:
        best, cost = BatchCaching.MARKED, marked
    if may_wait and warmed <= cost - LEAST_GAIN:
        best = BatchCaching.WARMED
    return best


def _when_warm(ratios: Ratios, hits: Hits) -> BatchCaching:
    cost = hits.warmed * ratios.read + (1.0 - hits.warmed) * ratios.write_1h
    return BatchCaching.MARKED if cost <= 1.0 - LEAST_GAIN else BatchCaching.NONE


def may_wait(leave_by_ms: int | None, now_ms: int, settings: BatchSettings) -> bool:
    """Whether there is time for a warm-up before a batch that must leave by then; None: at any time."""
    patience_ms = round(1000 * settings.warm_up_patience_s)
    return patience_ms > 0 and (leave_by_ms is None or now_ms + patience_ms <= leave_by_ms)


def waits_until_ms(sent_ms: int, leave_by_ms: int | None, settings: BatchSettings) -> int:
    """Until when a batch waits for the warm-up that was `sent_ms`; then it leaves without."""
    patient_ms = sent_ms + round(1000 * settings.warm_up_patience_s)
    return patient_ms if leave_by_ms is None else min(patient_ms, leave_by_ms)


def _cost_per_token(items: int, ratios: Ratios, hits: float) -> float:
    """What a prefix token costs on average when one request writes it and `hits` of the others read it."""
    other = hits * ratios.read + (1.0 - hits) * ratios.write_1h
    return (ratios.write_1h + (items - 1) * other) / items

"""Orphans: whether the API has a batch after the answer to its creation was lost.

Nothing makes a create idempotent (Message Batches): creating it once more could have everything done and
billed twice. So the API's list is compared with what we meant to create. The list says neither names nor
custom ids: a batch that fits is a suspect until its results show whose it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from claudeflow.domain.batch import RemoteBatch

SKEW_MS = 2 * 3_600_000
"""By so much the API's clock may be behind ours: too little would have a batch created twice."""

LAG_MS = 120_000
"""For so long after its creation a batch may be missing in the list: a new one is not found at once."""

LATEST_MS = 86_400_000
"""A batch that was created a day after the attempt is another one."""


@dataclass(frozen=True, slots=True)
class LostCreate:
    """A create that left `at_ms` with so many requests, and whose answer never came.

    `gone_ms`: from then on, at the latest, nothing of it was on its way any more.
    """

    at_ms: int
    requests: int
    gone_ms: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """One of these may be ours, the likeliest first: once it has ended, its results tell."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeepLooking:
    """Nothing fits yet: the list is asked again, at least until then."""

    until_ms: int


@dataclass(frozen=True, slots=True)
class NeverCreated:
    """The API has no such batch: it may be created."""


def look_for(
    lost: LostCreate, recent: Iterable[RemoteBatch], ours: Set[str], others: Set[str], now_ms: int
) -> Suspect | KeepLooking | NeverCreated:
    """What the API's list says about a lost create.

    `recent` must reach back to `oldest_ms(lost)`. `ours` are the ids that belong to batches of ours already,
    `others` those whose results were looked into and are not this one's. `now_ms` is when the list was
    asked for.
    """
    known = ours | others
    fitting = [batch for batch in recent if batch.id not in known and _fits(batch, lost)]
    if fitting:
        fitting.sort(key=lambda batch: abs(batch.created_ms - lost.at_ms))
        return Suspect(tuple(batch.id for batch in fitting))
    looks_until_ms = max(lost.at_ms, lost.gone_ms) + LAG_MS
    return KeepLooking(looks_until_ms) if now_ms < looks_until_ms else NeverCreated()


def oldest_ms(lost: LostCreate) -> int:
    """No batch that the API calls older can be the one."""
    return lost.at_ms - SKEW_MS


def _fits(batch: RemoteBatch, lost: LostCreate) -> bool:
    """By time and size; one that shows no requests yet may have any number of them."""
    is_in_time = oldest_ms(lost) <= batch.created_ms <= lost.at_ms + LATEST_MS
    return is_in_time and batch.counts.total in (0, lost.requests)

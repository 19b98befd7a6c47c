"""Entries of the prefix book: all that is known of one prefix of one model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from claudeflow.policy.caching.economics import Choice, Record
from claudeflow.policy.caching.paths import TTL_S, Ttl
from claudeflow.policy.money.pricing import PICO_PER_NANO

Group = tuple[str, str, str]
"""Workflow, model and kind of level: prefixes that probably behave alike."""

FORGET_ONCE_SEEN_S = 3_600.0
FORGET_S = 7 * 86_400.0
MOST_REFUSALS = 3
REFUSED_S = 3_600.0
"""After so many answers in a row that show no caching, a prefix is not marked for so long."""


@dataclass(frozen=True, slots=True)
class PrefixRow:
    """One prefix as people see it. `ttl` is what it is kept for, None: not at all; `why` says why.

    `warm_until_ms` is None while it is cold. `saved_nanousd` is negative when its writes have cost more
    than its reads have saved. `tokens` is 0 while nobody knows.
    """

    model: str
    prefix: str
    workflow: str
    prompt_name: str | None
    prompt_version: str | None
    tokens: int
    ttl: Ttl | None
    why: str
    warm_until_ms: int | None
    writes: int
    reads: int
    unexpected_misses: int
    saved_nanousd: int
    last_used_ms: int


@dataclass(slots=True)
class Entry:
    """One prefix. Times are epoch seconds; `ttl` is that of what lies, or lay, in the cache."""

    group: Group
    level: str
    prompt_name: str | None = None
    prompt_version: str | None = None
    tokens: int = 0
    ttl: Ttl = "5m"
    warm_until: float = -math.inf
    leader: int | None = None
    lead_since: float = -math.inf
    seen_at: float = -math.inf
    seen_job: int | None = None
    sightings: int = 0
    own: Record = field(default_factory=Record)
    choice: Choice | None = None
    writes: int = 0
    reads: int = 0
    misses: int = 0
    saved_picousd: int = 0
    message_id: str | None = None
    refusals: int = 0
    refused_until: float = -math.inf
    refused_why: str = ""

    def wrote(self, ttl: Ttl, sent_at: float) -> None:
        """A request that was sent then has written it."""
        self.ttl = ttl
        self.warm_until = max(self.warm_until, sent_at + TTL_S[ttl])

    def was_read(self, sent_at: float) -> None:
        """A request that was sent then has read it: it gets its whole time again."""
        self.warm_until = max(self.warm_until, sent_at + TTL_S[self.ttl])

    def refused(self, sent_at: float, why: str | None) -> None:
        """A request that was sent then has marked it, and the API neither wrote nor read anything.

        `why` tells that this settles it; without it three times in a row do.
        """
        self.refusals += 1
        self.misses += 1
        self.warm_until = sent_at
        if why is None and self.refusals >= MOST_REFUSALS:
            why = f"not cached: the API did not cache it, {MOST_REFUSALS} times in a row"
        if why is not None:
            self.refusals, self.refused_until, self.refused_why = 0, sent_at + REFUSED_S, why

    def is_over(self, now: float) -> bool:
        """Whether it no longer tells anything."""
        if self.leader is not None or max(self.warm_until, self.refused_until) > now:
            return False
        idle_s = now - self.seen_at
        return idle_s > FORGET_S or (self.sightings < 2 and idle_s > FORGET_ONCE_SEEN_S)

    def row(self, prefix: str, now: float) -> PrefixRow:
        """The entry as people see it."""
        warm = self.warm_until > now
        chosen = self.choice or Choice(None)
        is_refused = self.refused_until > now
        workflow, model, _ = self.group
        return PrefixRow(
            model=model,
            prefix=prefix,
            workflow=workflow,
            prompt_name=self.prompt_name,
            prompt_version=self.prompt_version,
            tokens=self.tokens,
            ttl=None if is_refused else chosen.ttl,
            why=self.refused_why if is_refused else chosen.why,
            warm_until_ms=round(self.warm_until * 1000) if warm else None,
            writes=self.writes,
            reads=self.reads,
            unexpected_misses=self.misses,
            saved_nanousd=round(self.saved_picousd / PICO_PER_NANO),
            last_used_ms=round(self.seen_at * 1000) if self.sightings else 0,
        )


_PLAIN = (
    "level", "prompt_name", "prompt_version", "tokens", "ttl", "sightings", "writes", "reads", "misses",
    "saved_picousd", "message_id", "refusals", "refused_why",
)  # fmt: skip


def to_json(key: str, entry: Entry) -> dict[str, Any]:
    """The entry with its hash, for `from_json`."""
    plain = {name: getattr(entry, name) for name in _PLAIN}
    return plain | {
        "key": key,
        "group": list(entry.group),
        "warm_until_ms": _ms(entry.warm_until),
        "seen_at_ms": _ms(entry.seen_at),
        "refused_until_ms": _ms(entry.refused_until),
        "own": [entry.own.calls, entry.own.five, entry.own.hour],
        "choice": None if entry.choice is None else list(astuple(entry.choice)),
    }


def from_json(stored: Mapping[str, Any]) -> tuple[str, Entry]:
    """What `to_json` wrote. Raises KeyError, TypeError, ValueError for anything else."""
    workflow, model, kind = stored["group"]
    entry = Entry((workflow, model, kind), stored["level"])
    entry = replace(
        entry,
        **{name: stored[name] for name in _PLAIN if name in stored},
        warm_until=_seconds(stored["warm_until_ms"]),
        seen_at=_seconds(stored["seen_at_ms"]),
        refused_until=_seconds(stored.get("refused_until_ms")),
        own=Record(*stored["own"]),
        choice=None if stored["choice"] is None else Choice(*stored["choice"]),
    )
    return stored["key"], entry


def latest(
    entries: Iterable[tuple[tuple[str, str], Entry]], most: int
) -> list[tuple[tuple[str, str], Entry]]:
    """The entries that were used last."""
    return sorted(entries, key=lambda item: item[1].seen_at, reverse=True)[:most]


def _ms(moment: float) -> int | None:
    return round(moment * 1000) if math.isfinite(moment) else None


def _seconds(moment_ms: int | None) -> float:
    return -math.inf if moment_ms is None else moment_ms / 1000

"""The prompt cache: which part of a prompt is read, written, or paid in full.

A prefix can be read only after the response of a request that wrote it has begun: ten requests that
arrive together all write. Its lifetime counts from the arrival of the request that wrote or last read it.
All times are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.twin.billing import Tokens
from claudeflow.twin.models import Model
from claudeflow.twin.prefix import TTL_SECONDS, Breakpoint, Prefix

LOOKBACK_POSITIONS = 20
_PURGE_EVERY = 4_096


@dataclass(slots=True)
class _Entry:
    ttl_s: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class CachePlan:
    """How the prompt of one request is charged, and what becomes readable when its response begins."""

    tokens: Tokens
    started_at: float
    writes: tuple[tuple[bytes, int], ...] = ()

    @property
    def charged_input(self) -> int:
        """Tokens that draw on the input limit: everything but reads."""
        return self.tokens.prompt - self.tokens.read


@dataclass(frozen=True, slots=True)
class CacheWrite:
    """One prefix written by one request, which arrived at `at_s`.

    `was_live`: another request had written it and it had not expired, so that this one paid for nothing.
    """

    prefix: str
    at_s: float
    ttl_s: int
    was_live: bool


class PromptCache:
    """The prefixes of all models of one organisation. Model and workspace are part of a prefix's hash."""

    def __init__(self) -> None:
        self.written: list[CacheWrite] = []
        self._entries: dict[bytes, _Entry] = {}
        self._begun = 0

    def plan(self, prefix: Prefix, model: Model, now: float) -> CachePlan:
        """Look up a request that arrives `now`. Prefixes it reads live on for their full time."""
        usable = [
            point
            for point in prefix.breakpoints
            if prefix.tokens[point.position] >= model.cache_minimum_tokens
        ]
        if not usable:
            return CachePlan(Tokens(input=prefix.total_tokens), now)
        hit = self._longest_hit(prefix, usable, now)
        self._refresh(prefix, usable, hit, now)
        read = prefix.tokens[hit] if hit >= 0 else 0
        hour_end = max((_end(prefix, point) for point in usable if point.ttl == "1h"), default=0)
        last = max(read, _end(prefix, usable[-1]))
        write_1h = max(0, hour_end - read)
        tokens = Tokens(
            input=prefix.total_tokens - last,
            write_5m=last - read - write_1h,
            write_1h=write_1h,
            read=read,
        )
        writes = tuple(
            (prefix.hashes[point.position], TTL_SECONDS[point.ttl])
            for point in usable
            if point.position > hit
        )
        return CachePlan(tokens, now, writes)

    def begin(self, plan: CachePlan) -> None:
        """The response begins: what the request wrote is readable from now on."""
        for key, ttl_s in plan.writes:
            was_live = self._live(key, plan.started_at) is not None
            self.written.append(CacheWrite(key.hex(), plan.started_at, ttl_s, was_live))
            self._entries[key] = _Entry(ttl_s, plan.started_at + ttl_s)
        self._begun += 1
        if self._begun % _PURGE_EVERY == 0:
            self._purge(plan.started_at)

    def _longest_hit(self, prefix: Prefix, points: list[Breakpoint], now: float) -> int:
        for point in reversed(points):
            for position in range(point.position, max(-1, point.position - LOOKBACK_POSITIONS), -1):
                if self._live(prefix.hashes[position], now) is not None:
                    return position
        return -1

    def _refresh(self, prefix: Prefix, points: list[Breakpoint], hit: int, now: float) -> None:
        for position in {hit, *(point.position for point in points)}:
            entry = self._live(prefix.hashes[position], now) if 0 <= position <= hit else None
            if entry is not None:
                entry.expires_at = now + entry.ttl_s

    def _live(self, key: bytes, now: float) -> _Entry | None:
        entry = self._entries.get(key)
        return entry if entry is not None and now < entry.expires_at else None

    def _purge(self, now: float) -> None:
        self._entries = {key: entry for key, entry in self._entries.items() if now < entry.expires_at}


def _end(prefix: Prefix, point: Breakpoint) -> int:
    return prefix.tokens[point.position]

"""Cache plan: where the breakpoint goes, and who may write a cold prefix.

A cache entry is usable only once the response that writes it has begun (Prompt caching), so N
parallel first requests pay for N writes. Here one job leads, the rest of its prefix wait until
its response begins; if the leader fails, the next one leads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

CACHE_MARK = {"type": "ephemeral"}
CACHE_TTL_S = 300.0
LEADER_PATIENCE_S = 60.0
"""How long others wait for a leader's first byte before another one leads."""
UNCACHEABLE_KEPT = 10_000
"""How many prefixes below the minimum are known; forgetting one costs one more leader."""


def with_breakpoint(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body with one breakpoint after its stable part (tools and system).

    Bodies that carry markers of their own, and those without a stable part, stay as they are.
    """
    if has_markers(body):
        return body
    if body.get("system"):
        return {**body, "system": _mark_last(_as_blocks(body["system"]))}
    if body.get("tools"):
        return {**body, "tools": _mark_last(list(body["tools"]))}
    return body


def has_markers(body: Mapping[str, Any]) -> bool:
    """Whether the caller set `cache_control` anywhere."""
    return "cache_control" in body or any(
        isinstance(block, Mapping) and "cache_control" in block for block in _blocks(body)
    )


def asks_for_1h(body: Mapping[str, Any]) -> bool:
    """Whether any breakpoint asks for the long TTL: unsplit cache writes are priced by it."""
    marks = [
        body.get("cache_control"),
        *(b.get("cache_control") for b in _blocks(body) if isinstance(b, Mapping)),
    ]
    return any(isinstance(mark, Mapping) and mark.get("ttl") == "1h" for mark in marks)


def _blocks(body: Mapping[str, Any]) -> list[Any]:
    blocks = list(body.get("tools") or [])
    if isinstance(body.get("system"), list):
        blocks += body["system"]
    for message in body.get("messages") or []:
        if isinstance(message, Mapping) and isinstance(message.get("content"), list):
            blocks += message["content"]
    return blocks


def _as_blocks(system: Any) -> list[Any]:
    return [{"type": "text", "text": system}] if isinstance(system, str) else list(system)


def _mark_last(blocks: list[Any]) -> list[Any]:
    return [*blocks[:-1], {**blocks[-1], "cache_control": CACHE_MARK}]


class Turn(Enum):
    """What a job of a prefix may do now."""

    GO = auto()
    LEAD = auto()
    WAIT = auto()


@dataclass(slots=True)
class _Entry:
    leader: int | None = None
    lead_since: float = 0.0
    warm_until: float = float("-inf")


class PrefixBook:
    """What we believe of the server's cache. Keys are (model, prefix); times monotonic seconds."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._uncacheable: set[tuple[str, str]] = set()

    def turn(self, model: str, prefix: str | None, now: float) -> Turn:
        """What a job of this prefix may do now."""
        if prefix is None or (model, prefix) in self._uncacheable:
            return Turn.GO
        if self.is_warm(model, prefix, now):
            return Turn.GO
        entry = self._entries.get((model, prefix))
        if entry is None or entry.leader is None:
            return Turn.LEAD
        return Turn.WAIT if now - entry.lead_since < LEADER_PATIENCE_S else Turn.LEAD

    def written_by(self, model: str, prefix: str | None) -> tuple[int | None, float]:
        """The job that writes a cold prefix, if any, and until when others wait for it."""
        entry = self._entries.get((model, prefix)) if prefix is not None else None
        if entry is None or entry.leader is None:
            return None, float("-inf")
        return entry.leader, entry.lead_since + LEADER_PATIENCE_S

    def is_warm(self, model: str, prefix: str | None, now: float) -> bool:
        """Whether the prefix is believed to be in the cache."""
        entry = self._entries.get((model, prefix)) if prefix is not None else None
        return entry is not None and entry.warm_until > now

    def lead(self, model: str, prefix: str, job_id: int, now: float) -> None:
        """This job writes the prefix."""
        entry = self._entries.setdefault((model, prefix), _Entry())
        entry.leader, entry.lead_since = job_id, now

    def began(self, model: str, prefix: str, job_id: int, sent_at: float) -> None:
        """A response began: the entry lives for one TTL from the start of its request."""
        entry = self._entries.setdefault((model, prefix), _Entry())
        entry.warm_until = max(entry.warm_until, sent_at + CACHE_TTL_S)
        if entry.leader == job_id:
            entry.leader = None

    def ended(self, model: str, prefix: str, job_id: int, *, cached_tokens: int | None) -> None:
        """The call is over. `cached_tokens`: what it read and wrote, None when it failed.

        A leader that failed before its response began leaves the lead to the next. One that was
        answered without writing anything has a prefix below the model's minimum: nobody waits for it again.
        """
        entry = self._entries.get((model, prefix))
        if entry is None:
            return
        if entry.leader == job_id:
            entry.leader = None
        if cached_tokens == 0:
            self._uncacheable.add((model, prefix))
            del self._entries[model, prefix]

    def forget_cold(self, now: float) -> None:
        """Drop what has expired, so that the book stays small."""
        cold = [key for key, e in self._entries.items() if e.leader is None and e.warm_until <= now]
        for key in cold:
            del self._entries[key]
        if len(self._uncacheable) > UNCACHEABLE_KEPT:
            self._uncacheable.clear()

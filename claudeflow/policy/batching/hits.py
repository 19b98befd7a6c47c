"""Hits: how often requests in batches find their prefix in the cache.

Caching in batches is best effort: 30 to 98 % of reads succeed (Message Batches), for the requests of a
batch run at the same time. What is seen is believed more and more, and forgotten with time: else what once
went badly would never be tried again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

WITHOUT_WARM_UP = 0.6
WITH_WARM_UP = 0.9
"""What is expected as long as nothing was seen."""

FIRST_GUESS_WEIGHT = 3.0
"""So many batches that expectation is worth."""

FULL_WEIGHT_CHANCES = 10
"""A batch in which fewer requests could have read counts in proportion."""

MEMORY = 0.9
"""What the weight of a batch becomes with each one after it."""

HALF_LIFE_MS = 86_400_000
MOST_MODELS = 200
"""So many models are remembered; the one not heard of for longest is forgotten."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Shares of the requests that find a prefix which another of their batch, or a warm-up, has to write."""

    marked: float = WITHOUT_WARM_UP
    warmed: float = WITH_WARM_UP


@dataclass(slots=True)
class _Seen:
    """Fading sums over batches: their weights, and these times the share that was read."""

    weight: float = 0.0
    read: float = 0.0
    as_of_ms: int = 0

    def at(self, now_ms: int) -> _Seen:
        """What is left of it."""
        left = 0.5 ** (max(0, now_ms - self.as_of_ms) / HALF_LIFE_MS)
        return _Seen(self.weight * left, self.read * left, max(now_ms, self.as_of_ms))

    def share(self, first_guess: float) -> float:
        return (FIRST_GUESS_WEIGHT * first_guess + self.read) / (FIRST_GUESS_WEIGHT + self.weight)


class HitBook:
    """What was seen per model, apart for batches with and without a warm-up. Times are epoch ms."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, bool], _Seen] = {}

    def of(self, model: str, now_ms: int) -> Hits:
        """What to expect of the model's next batch."""
        marked, warmed = (self._seen.get((model, warmed), _Seen()).at(now_ms) for warmed in (False, True))
        return Hits(marked.share(WITHOUT_WARM_UP), warmed.share(WITH_WARM_UP))

    def observed(self, model: str, items: int, items_that_read: int, *, warmed: bool, now_ms: int) -> None:
        """The marked requests of a batch with one prefix are back, so many of which read it.

        Without a warm-up one of them had to write it. The warm-up itself is none of them.
        """
        chances = items if warmed else items - 1
        if chances < 1:
            return
        before = self._seen.pop((model, warmed), _Seen()).at(now_ms)
        weight = min(1.0, chances / FULL_WEIGHT_CHANCES)
        self._seen[model, warmed] = _Seen(
            MEMORY * before.weight + weight,
            MEMORY * before.read + weight * min(1.0, items_that_read / chances),
            before.as_of_ms,
        )
        if len(self._seen) > 2 * MOST_MODELS:
            del self._seen[next(iter(self._seen))]

    def memory(self) -> list[list[Any]]:
        """What is worth keeping over a restart, as plain JSON values."""
        return [[*kind, seen.weight, seen.read, seen.as_of_ms] for kind, seen in self._seen.items()]

    def recall(self, memory: Iterable[Iterable[Any]]) -> None:
        """Take up what an earlier process had learned."""
        for model, warmed, *sums in memory:
            self._seen[model, warmed] = _Seen(*sums)

"""Returns: how many items of a pack are expected to come back and be asked again singly.

Each kind of packs begins with a guess. What its packs show replaces the guess, the newer the more; what
lies back fades in time, so that a kind that no longer pays is tried again some day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

PRIOR_SHARE = 0.005
"""What is expected of a kind of which nothing is known: of 200 items one comes back."""

PRIOR_PACKS = 4.0
"""How many packs that guess counts for. Packs and not items: a refusal takes all items of one along."""

MEMORY = 0.9
"""What each further pack leaves of those before: about the last ten count."""

MEMORY_S = 7_200.0
"""How quickly what was seen fades to the guess while no more packs of the kind go."""

MOST_KINDS = 2_000
"""How many kinds are remembered; the one not heard of for longest is forgotten."""

PackKind = tuple[str, ...]
"""What packs must have in common to tell about each other: prompt version, model, workflow."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The share as it was at `last_ms`, and for how many packs it counts."""

    share: float = PRIOR_SHARE
    weight: float = PRIOR_PACKS
    last_ms: int = 0

    def at(self, now_ms: int) -> _Seen:
        """What is left of it then."""
        left = math.exp(-max(0, now_ms - self.last_ms) / 1000 / MEMORY_S)
        return _Seen(
            PRIOR_SHARE + (self.share - PRIOR_SHARE) * left,
            PRIOR_PACKS + (self.weight - PRIOR_PACKS) * left,
            max(now_ms, self.last_ms),
        )

    def with_pack(self, share: float) -> _Seen:
        """One more pack, of which so many came back."""
        before = self.weight * MEMORY
        return _Seen((self.share * before + share) / (before + 1), before + 1, self.last_ms)


class ReturnBook:
    """The expected shares by kind of packs. Epoch milliseconds."""

    def __init__(self) -> None:
        self._seen: dict[PackKind, _Seen] = {}

    def note(self, kind: PackKind, items: int, returned: int, now_ms: int) -> None:
        """A pack of so many items is over: so many are asked again, all when it was refused as a whole."""
        known = self._seen.pop(kind, _Seen())
        self._seen[kind] = known.at(now_ms).with_pack(returned / items)
        if len(self._seen) > MOST_KINDS:
            del self._seen[next(iter(self._seen))]

    def share(self, kind: PackKind, now_ms: int) -> float:
        """Of the items of the next pack of that kind: how many are expected to come back, 0 to 1."""
        return self._seen.get(kind, _Seen()).at(now_ms).share

    def memory(self) -> list[list[Any]]:
        """What is worth keeping over a restart, as plain JSON values."""
        return [[list(kind), seen.share, seen.weight, seen.last_ms] for kind, seen in self._seen.items()]

    def recall(self, memory: list[list[Any]]) -> None:
        """Take up what an earlier process had learned."""
        for kind, share, weight, last_ms in memory:
            self._seen[tuple(kind)] = _Seen(share, weight, last_ms)

"""Fair share: whoever has had least for its weight goes next.

Start-time fair queueing (Goyal, Vin, Cheng 1996) over any kind of key: each key has a virtual
time that grows by `amount / weight` with what it gets. Keys that come back from idleness start
at the present virtual time, so nobody saves up a claim while idle.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FORGET_IDLE_ABOVE = 1_000


class FairShare(Generic[K]):
    """Keys in the order in which they deserve to be served."""

    def __init__(self) -> None:
        self._virtual: dict[K, float] = {}
        self._weights: dict[K, float] = {}
        self._idle: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._present = 0.0
        self._entries = 0

    def __len__(self) -> int:
        return len(self._virtual)

    def join(self, key: K, weight: float) -> None:
        """The key has something to do from now on."""
        self._weights[key] = weight
        if key not in self._virtual:
            self._place(key, max(self._present, self._idle.pop(key, 0.0)))

    def leave(self, key: K) -> None:
        """The key has nothing to do."""
        virtual = self._virtual.pop(key, None)
        if virtual is not None and virtual > self._present:
            self._idle[key] = virtual
        if len(self._idle) > FORGET_IDLE_ABOVE:
            self._idle = {key: since for key, since in self._idle.items() if since > self._present}

    def charge(self, key: K, amount: float) -> None:
        """The key was served `amount`."""
        virtual = self._virtual[key]
        self._present = max(self._present, virtual)
        self._place(key, virtual + amount / self._weights[key])

    def in_order(self) -> Iterator[K]:
        """The active keys, the most deserving first. Leaves the order as it is."""
        seen: list[tuple[float, int, K]] = []
        try:
            while self._heap:
                entry = heapq.heappop(self._heap)
                virtual, _, key = entry
                if self._virtual.get(key) != virtual:
                    continue
                seen.append(entry)
                yield key
        finally:
            for entry in seen:
                heapq.heappush(self._heap, entry)

    def _place(self, key: K, virtual: float) -> None:
        self._virtual[key] = virtual
        self._entries += 1
        heapq.heappush(self._heap, (virtual, self._entries, key))

"""Ranking: keys in order of a rank that may change, each at one place.

A heap whose old entries stay until they surface or outnumber the living ones: a change costs one
push, whatever the number of keys. Equal ranks keep the order in which they were placed.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Hashable, Iterator
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
R = TypeVar("R", bound=Any)

STALE_KEPT = 64
"""Old entries that are not worth sweeping away."""


class Ranking(Generic[K, R]):
    """Keys by rank, the smallest first."""

    __slots__ = ("_heap", "_places", "_serial")  # there are several for each workflow

    def __init__(self) -> None:
        self._places: dict[K, tuple[R, int]] = {}
        self._heap: list[tuple[R, int, K]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: K) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[K]:
        """The keys in the order in which they first came."""
        return iter(self._places)

    def rank_of(self, key: K) -> R | None:
        """A key's rank; None when it has no place."""
        place = self._places.get(key)
        return None if place is None else place[0]

    def place(self, key: K, rank: R) -> None:
        """Give the key this rank, whatever it had."""
        self._serial += 1
        self._places[key] = (rank, self._serial)
        heapq.heappush(self._heap, (rank, self._serial, key))
        if len(self._heap) > 2 * len(self._places) + STALE_KEPT:
            self._sweep()

    def drop(self, key: K) -> None:
        """The key has no place any more."""
        self._places.pop(key, None)

    def first(self) -> K | None:
        """The key of the smallest rank."""
        while self._heap:
            entry = self._heap[0]
            if self._lives(entry):
                return entry[2]
            heapq.heappop(self._heap)
        return None

    def in_order(self) -> Generator[K]:
        """The keys, the smallest rank first. Those that change meanwhile may be passed over or come twice."""
        seen: list[tuple[R, int, K]] = []
        heap, last = self._heap, 0
        try:
            while heap is self._heap and heap:
                entry = heap[0]
                if self._lives(entry) and entry[1] != last:
                    last = entry[1]
                    yield entry[2]  # still in its place: most who look need no more than the first
                    continue
                heapq.heappop(heap)
                if self._lives(entry):
                    seen.append(entry)
        finally:
            if heap is self._heap:  # else they were swept into a new one
                for entry in seen:
                    heapq.heappush(heap, entry)

    def _lives(self, entry: tuple[R, int, K]) -> bool:
        place = self._places.get(entry[2])
        return place is not None and place[1] == entry[1]

    def _sweep(self) -> None:
        self._heap = [(rank, serial, key) for key, (rank, serial) in self._places.items()]
        heapq.heapify(self._heap)

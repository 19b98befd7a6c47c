"""Fair share: whoever has had least for its weight goes next.

Start-time fair queueing (Goyal, Vin, Cheng 1996) over any kind of key: each key has a virtual
time that grows by `amount / weight` with what it gets. Keys that come back from idleness start
at the present virtual time, so nobody saves up a claim while idle. The present is where the least
served one stands: a key that is served out of turn does not carry it along.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from claudeflow.policy.lanes.ranking import Ranking

K = TypeVar("K", bound=Hashable)

FORGET_IDLE_ABOVE = 1_000


class FairShare(Generic[K]):
    """Keys in the order in which they deserve to be served."""

    def __init__(self) -> None:
        self._order: Ranking[K, float] = Ranking()
        self._weights: dict[K, float] = {}
        self._idle: dict[K, float] = {}
        self._present = 0.0

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, key: K) -> bool:
        return key in self._order

    def join(self, key: K, weight: float) -> None:
        """The key has something to do from now on."""
        self._weights[key] = weight
        if key not in self._order:
            self._order.place(key, max(self._present, self._idle.pop(key, 0.0)))

    def leave(self, key: K) -> None:
        """The key has nothing to do, or may not do it."""
        virtual = self._order.rank_of(key)
        self._order.drop(key)
        if virtual is not None and virtual > self._present:
            self._idle[key] = virtual
        elif key not in self._idle:
            self._weights.pop(key, None)
        if len(self._idle) > FORGET_IDLE_ABOVE:
            self._idle = {key: since for key, since in self._idle.items() if since > self._present}
            self._weights = {key: w for key, w in self._weights.items() if self._is_known(key)}

    def charge(self, key: K, amount: float) -> None:
        """The key was served `amount`."""
        virtual = self._virtual(key)
        first = self._order.first()
        earliest = virtual if first is None else min(virtual, self._virtual(first))
        self._present = max(self._present, earliest)
        self._move(key, virtual + amount / self._weights.get(key, 1.0))

    def correct(self, key: K, amount: float) -> None:
        """What the key was served turns out to be `amount` more. Less (negative) makes nobody a creditor."""
        virtual = self._virtual(key)
        corrected = virtual + amount / self._weights.get(key, 1.0)
        self._move(key, corrected if amount > 0 else min(virtual, max(self._present, corrected)))

    def first(self) -> K | None:
        """The most deserving key."""
        return self._order.first()

    def virtual_time(self, key: K) -> float:
        """What the key has had for its weight; the least goes first."""
        return self._virtual(key)

    def in_order(self) -> Iterator[K]:
        """The active keys, the most deserving first. Leaves the order as it is."""
        return self._order.in_order()

    def active(self) -> Iterator[tuple[K, float]]:
        """The active keys with their weights."""
        return ((key, self._weights[key]) for key in self._order)

    def _virtual(self, key: K) -> float:
        virtual = self._order.rank_of(key)
        return self._idle.get(key, self._present) if virtual is None else virtual

    def _move(self, key: K, virtual: float) -> None:
        if key in self._order:
            self._order.place(key, virtual)
        else:
            self._idle[key] = virtual

    def _is_known(self, key: K) -> bool:
        return key in self._order or key in self._idle

"""Turns under one limit that senders share: all together have the whole of it, each at most half."""

from __future__ import annotations

from claudeflow.policy.limits.bucket import Bucket, Pace

BURST_S = 5.0
SHARE = 0.5
MOST_SENDERS = 1_024
"""So many are remembered before those are forgotten whose half is whole again."""


class Turns:
    """One bucket for everybody, and one with half the limit for each sender. Times are monotonic seconds."""

    def __init__(self, limit_per_min: float, now: float) -> None:
        self._all = Bucket(limit_per_min, Pace(1.0, BURST_S), now)
        self._by_sender: dict[str, Bucket] = {}

    def __len__(self) -> int:
        """How many senders are remembered."""
        return len(self._by_sender)

    def adopt_limit(self, limit_per_min: float, now: float) -> None:
        """Another limit may hold from now on."""
        if limit_per_min != self._all.limit_per_min:
            self._all.adopt_limit(limit_per_min, now)
            for own in self._by_sender.values():
                own.adopt_limit(limit_per_min * SHARE, now)

    def ready_at(self, now: float) -> float:
        """When the limit of all leaves room for one more."""
        return self._all.ready_at(1.0, 0.0, now)

    def own_ready_at(self, sender: str, now: float) -> float:
        """When the sender's half does."""
        own = self._by_sender.get(sender)
        return now if own is None else own.ready_at(1.0, 0.0, now)

    def take(self, sender: str, now: float) -> None:
        """It is the sender's turn, or will be when both are ready."""
        own = self._by_sender.get(sender)
        if own is None:
            self._forget(now)
            own = self._by_sender[sender] = Bucket(self._all.limit_per_min * SHARE, Pace(1.0, BURST_S), now)
        own.take(1.0, now)
        self._all.take(1.0, now)

    def _forget(self, now: float) -> None:
        if len(self._by_sender) >= MOST_SENDERS:
            self._by_sender = {
                name: own for name, own in self._by_sender.items() if own.level(now) < own.capacity
            }

"""Ramp: a bound on requests a second after `ramp_limit_exceeded`, which grows only gently.

The API limits how fast use may rise (thresholds are not published). Each such 429 halves the
present pace and the growth; the bound disappears once it no longer binds.
"""

from __future__ import annotations

LEAST_PER_S = 0.2
GROWTH_PER_S = 0.015
"""Doubles in three quarters of a minute."""
LEAST_GROWTH_PER_S = 0.004


class Ramp:
    """The bound of one pool. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.most_per_s: float | None = None
        self._growth_per_s = GROWTH_PER_S
        self._as_of = 0.0

    def exceeded(self, present_per_s: float, now: float) -> None:
        """A 429 said that use grew too fast; `present_per_s` is our pace of late."""
        if self.most_per_s is not None:
            self._growth_per_s = max(LEAST_GROWTH_PER_S, self._growth_per_s / 2.0)
        self.most_per_s = max(LEAST_PER_S, present_per_s / 2.0)
        self._as_of = now

    def advance(self, limit_per_s: float, now: float, *, calm: bool) -> None:
        """Time has passed: the bound grows, and is gone once it reaches the limit."""
        if self.most_per_s is None or now <= self._as_of:
            return
        if calm:
            self.most_per_s *= (1.0 + self._growth_per_s) ** min(3600.0, now - self._as_of)
        self._as_of = now
        if self.most_per_s >= limit_per_s:
            self.most_per_s = None
            self._growth_per_s = GROWTH_PER_S

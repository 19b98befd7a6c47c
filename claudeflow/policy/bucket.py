"""Bucket: one refilling allowance of a pool, a little more careful than the server's own.

The server refills continuously up to one minute's worth and may enforce shorter windows (Rate
limits: "60 RPM can act as 1/s"), so ours holds only a few seconds' worth. A demand larger than
that is let through when the bucket is full and leaves it in debt. Debt is also what the server's
headers hide: `remaining` reads 0 while `reset` tells how deep the bucket is below zero.
"""

from __future__ import annotations

from claudeflow.domain.quota import AxisReading

SECONDS_PER_MINUTE = 60.0
LONGEST_REFILL_S = 3600.0
"""A `reset` later than this is believed no further: one odd header must not stop a pool for good."""


class Bucket:
    """A level that refills at `limit · θ` a minute. Times are monotonic seconds."""

    def __init__(self, limit_per_min: float, theta: float, burst_s: float, now: float) -> None:
        self.limit_per_min = limit_per_min
        self._theta = theta
        self._burst_s = burst_s
        self._as_of = now
        self._level = self.capacity
        self._drawn = 0.0

    @property
    def rate(self) -> float:
        """Refill in units a second."""
        return self.limit_per_min * self._theta / SECONDS_PER_MINUTE

    @property
    def capacity(self) -> float:
        """The most that may go out at once: some seconds' worth, and at least one request."""
        return max(self.rate * self._burst_s, 1.0)

    @property
    def drawn(self) -> float:
        """Everything ever taken: the difference of two values is what went out in between."""
        return self._drawn

    def level(self, now: float) -> float:
        """What is there now; negative in debt."""
        self._refill(now)
        return self._level

    def ready_at(self, amount: float, now: float) -> float:
        """The moment at which `amount` may be taken; `now` when at once."""
        self._refill(now)
        missing = min(amount, self.capacity) - self._level
        return now if missing <= 0 else now + missing / self.rate

    def take(self, amount: float, now: float) -> None:
        """Draw `amount`, into debt if need be."""
        self._refill(now)
        self._level -= amount
        self._drawn += amount

    def correct(self, taken: float, actual: float) -> None:
        """Replace what was taken by an estimate with what it really was."""
        self._level = min(self.capacity, self._level + taken - actual)
        self._drawn += actual - taken

    def drain(self, now: float) -> None:
        """Forget what has gathered: after a 429 work starts again from the refill alone."""
        self._refill(now)
        self._level = min(self._level, 0.0)

    def pace(self, theta: float, now: float) -> None:
        """Change the margin θ."""
        self._refill(now)
        self._theta = theta
        self._level = min(self._level, self.capacity)

    def adopt_limit(self, limit_per_min: float, now: float) -> None:
        """A header named another limit: it holds at once. A larger limit does not fill the bucket."""
        if limit_per_min <= 0 or limit_per_min == self.limit_per_min:
            return
        self._refill(now)
        self.limit_per_min = limit_per_min
        self._level = min(self._level, self.capacity)

    def observe(self, reading: AxisReading, drawn_since: float, now: float) -> None:
        """Take in one response's headers.

        `drawn_since` is what went out after the observed call. The server's word may only lower
        the level: what it could not know yet must not raise it.
        """
        if reading.limit is not None:
            self.adopt_limit(float(reading.limit), now)
        server_level = _server_level(reading, self.limit_per_min)
        if server_level is not None:
            self._refill(now)
            self._level = min(self._level, server_level - drawn_since)

    def _refill(self, now: float) -> None:
        if now > self._as_of:
            self._level = min(self.capacity, self._level + (now - self._as_of) * self.rate)
            self._as_of = now


def _server_level(reading: AxisReading, limit_per_min: float) -> float | None:
    """What the server's bucket held, negative in debt; None when the headers do not say."""
    if reading.remaining is None:
        return None
    if reading.remaining > 0 or reading.full_in_s is None:
        return float(reading.remaining)
    full_in_s = min(reading.full_in_s, LONGEST_REFILL_S)
    by_reset = limit_per_min * (1.0 - full_in_s / SECONDS_PER_MINUTE)
    return min(0.0, by_reset)

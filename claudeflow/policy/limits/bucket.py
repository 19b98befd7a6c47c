"""Bucket: one refilling allowance of a pool, a little more careful than the server's own.

The server refills continuously up to one minute's worth and may enforce shorter windows (Rate
limits: "60 RPM can act as 1/s"), so ours holds only a few seconds' worth, plus what is kept free
for the lanes above. A demand larger than one second's worth goes when that much is there and
leaves a debt, which the pace repays: it never has to wait for a full bucket that smaller calls
would never let fill.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

SECONDS_PER_MINUTE = 60.0
QUANTUM_S = 1.0
"""How many seconds' worth must be there before a larger call may go into debt."""
NEARLY_FULL = 0.9
"""No call waits for more than this share of a bucket: a level only ever comes near the capacity."""
RETURNED_S = 15.0
"""How many seconds' worth may gather on top when calls draw less than was expected of them."""
USE_MEMORY_S = 30.0
"""Over how long the use of the limit is averaged."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a bucket refills and how much it holds.

    `share` is the part of the limit that is used; `burst_s` how many seconds' worth may go at
    once; `reserve` the part of a minute's limit that is held on top for the lanes above.
    """

    share: float
    burst_s: float
    reserve: float = 0.0


class Bucket:
    """A level that refills at `limit · share` a minute. Times are monotonic seconds.

    `full_rate` is what the limit grants a second, `rate` what of it is used; `burst` is the most
    that may go out at once, at least one request; `capacity` adds what is reserved.
    """

    def __init__(self, limit_per_min: float, pace: Pace, now: float) -> None:
        self.limit_per_min = limit_per_min
        self._pace = pace
        self._as_of = now
        self._level = float("inf")
        self._measure()
        self._drawn = 0.0
        self._use_per_s = 0.0
        self._use_as_of = now
        self._reserve_missing = 0.0

    @property
    def drawn(self) -> float:
        """Everything ever taken: the difference of two values is what went out in between."""
        return self._drawn

    def level(self, now: float) -> float:
        """What is there now; negative in debt."""
        if now > self._as_of:
            if self._level < self.capacity:
                self._level = min(self.capacity, self._level + (now - self._as_of) * self.rate)
            self._as_of = now
        return self._level

    def ready_at(self, amount: float, keep: float, now: float) -> float:
        """When `amount` may be taken and `keep` of a minute's limit is left behind; `now` when at once."""
        enough = amount if amount < self._quantum else self._quantum
        missing = min(enough + keep * self.limit_per_min, NEARLY_FULL * self.capacity) - self.level(now)
        return now if missing <= 0 else now + missing / self.rate

    def take(self, amount: float, now: float) -> None:
        """Draw `amount`, into debt if need be."""
        self._level = self.level(now) - amount
        self._note(amount, now)

    def correct(self, taken: float, actual: float, now: float) -> None:
        """Replace what was taken by an estimate with what it really was.

        What comes back may overfill the bucket: the server never lost it.
        """
        most = self.capacity + self.full_rate * RETURNED_S
        self._level = min(most, self.level(now) + taken - actual)
        self._note(actual - taken, now)

    def lower_to(self, level: float, now: float) -> None:
        """There is no more than `level`."""
        self._level = min(self.level(now), level)

    def repace(self, pace: Pace, now: float) -> None:
        """Refill at another pace from now on."""
        if pace != self._pace:
            self.level(now)
            self._pace = pace
            self._measure()

    def adopt_limit(self, limit_per_min: float, now: float) -> None:
        """Another limit holds at once. A larger one does not fill the bucket."""
        self.level(now)
        self._reserve_missing += self._pace.reserve * max(0.0, limit_per_min - self.limit_per_min)
        self.limit_per_min = limit_per_min
        self._measure()

    def empty(self, now: float) -> None:
        """Nothing is known to be there, not even what is kept for the lanes above."""
        self.lower_to(0.0, now)
        self._reserve_missing = self._pace.reserve * self.limit_per_min

    def grant_reserve(self, now: float) -> None:
        """What is kept for the lanes above is there after all: no other lane waits for it."""
        self._level = min(self.capacity, self.level(now) + self._reserve_missing)
        self._reserve_missing = 0.0

    def use(self, now: float) -> float:
        """The share of the limit that was drawn in the last minute or so."""
        return max(0.0, self._use_at(now)) / self.full_rate

    def _measure(self) -> None:
        self.full_rate = self.limit_per_min / SECONDS_PER_MINUTE
        self.rate = self.full_rate * self._pace.share
        self.burst = max(self.full_rate * self._pace.burst_s, 1.0)
        self.capacity = self.burst + self._pace.reserve * self.limit_per_min
        self._quantum = min(NEARLY_FULL * self.burst, max(1.0, self.full_rate * QUANTUM_S))
        self._level = min(self._level, self.capacity)

    def _note(self, amount: float, now: float) -> None:
        self._drawn += amount
        self._use_per_s = self._use_at(now) + amount / USE_MEMORY_S
        self._use_as_of = max(now, self._use_as_of)

    def _use_at(self, now: float) -> float:
        return self._use_per_s * exp(-max(0.0, now - self._use_as_of) / USE_MEMORY_S)

"""Token buckets, and the other users of an organisation who drink from them too.

All times here are monotonic seconds.
"""

from __future__ import annotations

from math import ceil, inf

# What a sum of floats may leave over.
_NOTHING = 1e-6


class Bucket:
    """One refilling store, drawn on at once (`take`) or continuously (`draw`), by us and by others.

    `granted`, `used` and `others` only ever count on: what it refilled at the limits then in force, whether
    or not it was full, what we drew (less what we returned), and what others drew.
    """

    __slots__ = (
        "_at", "_capacity", "_draw_per_s", "_level", "_others_per_s", "_per_s", "granted", "others", "used",
    )  # fmt: skip

    def __init__(self, per_s: float, capacity: float, now: float) -> None:
        self._per_s = per_s
        self._capacity = capacity
        self._level = capacity
        self._draw_per_s = 0.0
        self._others_per_s = 0.0
        self._at = now
        self.granted = 0.0
        self.used = 0.0
        self.others = 0.0

    def level(self, now: float) -> float:
        """What is in the bucket; negative when it is in debt."""
        elapsed = now - self._at
        if elapsed > 0:
            refilled = self._per_s * elapsed
            ours, theirs = self._draw_per_s * elapsed, self._others_per_s * elapsed
            self.granted += refilled
            self.used += ours
            self.others += theirs
            self._level = min(self._capacity, self._level + refilled - ours - theirs)
            self._at = now
        return self._level

    def take(self, amount: float, now: float) -> None:
        """Remove `amount` for us, or return it when negative; the level may become negative."""
        self._level = min(self._capacity, self.level(now) - amount)
        self.used += amount

    def lose(self, amount: float, now: float) -> None:
        """Remove `amount` for others."""
        self._level = self.level(now) - amount
        self.others += amount

    def draw(self, per_s: float, now: float) -> None:
        """From now on `per_s` a second more are drained for us, or less when negative."""
        self.level(now)
        self._draw_per_s += per_s
        if abs(self._draw_per_s) < _NOTHING:
            self._draw_per_s = 0.0

    def draw_for_others(self, per_s: float, now: float) -> None:
        """From now on others drain `per_s` a second in all."""
        self.level(now)
        self._others_per_s = per_s

    def empty_at(self, now: float) -> float:
        """When the level comes down to zero if all draws go on; infinite if it does not."""
        level = self.level(now)
        falling = self._draw_per_s + self._others_per_s - self._per_s
        if level <= 0.0:
            return now
        return now + level / falling if falling > 0.0 else inf

    def seconds_until(self, wanted: float, now: float) -> float:
        """Seconds of undisturbed refilling until the level is `wanted`."""
        return max(0.0, (wanted - self.level(now)) / self._per_s)

    def full_at(self, now: float) -> float:
        """When the bucket will be completely full; the moment of asking if it is."""
        return now + (self._capacity - self.level(now)) / self._per_s

    def resize(self, per_s: float, capacity: float, now: float) -> None:
        """Change the limit; the share of the bucket that is filled stays as it is."""
        filled = self.level(now) / self._capacity
        self._per_s, self._capacity = per_s, capacity
        self._level = filled * capacity


class Rivals:
    """What other users of an organisation draw from one allowance, evenly and all together.

    They are refused like anybody: once a bucket is empty they stay away for the whole seconds that
    their `retry-after` says, at least one, so that they never push it below zero.
    """

    __slots__ = ("_at", "_away_until", "_buckets", "_wanted_per_s")

    def __init__(self, buckets: tuple[Bucket, ...], now: float) -> None:
        self._buckets = buckets
        self._wanted_per_s = 0.0
        self._away_until = now
        self._at = now

    def want(self, per_s: float, now: float) -> None:
        """From now on they draw `per_s` a second, as far as they are let."""
        self.catch_up(now)
        self._wanted_per_s = per_s
        if self._away_until <= now:
            self._draw(per_s, now)

    def catch_up(self, now: float) -> None:
        """Settle what they drew until now."""
        while self._at < now:
            if self._away_until > self._at:
                self._at = min(now, self._away_until)
                if self._at == self._away_until:
                    self._come_back()
                continue
            empty_at = min(bucket.empty_at(self._at) for bucket in self._buckets)
            if self._wanted_per_s == 0.0 or empty_at >= now:
                self._at = now
                return
            self._at = empty_at
            self._go_away()

    def _come_back(self) -> None:
        if any(bucket.level(self._at) <= 0.0 for bucket in self._buckets):
            self._go_away()
        else:
            self._draw(self._wanted_per_s, self._at)

    def _go_away(self) -> None:
        self._draw(0.0, self._at)
        wait_s = max(bucket.seconds_until(0.0, self._at) for bucket in self._buckets)
        self._away_until = self._at + max(1, ceil(wait_s))

    def _draw(self, per_s: float, at: float) -> None:
        for bucket in self._buckets:
            bucket.draw_for_others(per_s, at)

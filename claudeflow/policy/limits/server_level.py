"""Server level: what the server's own bucket is believed to hold, kept up between readings.

Between two readings it refills by the limit and falls by what we send; each reading sets it right
again. It answers three questions: how far to ease off (others draw on the same limits, and only
this level shows it), whether a lane above may borrow, and what `limits` shows.

Easing: at the full pace above half a bucket, then in proportion down to a trickle. With another
consumer of the organisation the level settles where the eased pace equals what that one leaves:
no 429 is needed to find out. As long as the level falls by no more than what we send, nobody else
is there, and a low level only says that the last minute was well used: the pace is eased near empty
alone. Near a full bucket what the server refills would be lost, so there the pace is a little
quicker than the limit; alone, the level settles a little below full.

Headers hide a debt: `remaining` reads 0 while `reset`, the moment of a completely full bucket, tells
how deep it is. A `reset` is measured by another clock than ours, or than the `date` beside it; by how
much that clock is ahead shows in the answers that do have something remaining.
"""

from __future__ import annotations

import math

from claudeflow.domain.quota import AxisReading
from claudeflow.policy.limits.bucket import SECONDS_PER_MINUTE

KNEE = 0.5
"""The share of the server's bucket below which the pace is eased for others."""
KNEE_ALONE = 0.1
"""The same as long as nobody else draws: an empty bucket is then our own, and the pace lets it be."""
OTHERS_FROM = 0.1
"""The share of the limit from which what others draw counts in full."""
OTHERS_MEMORY_S = 15.0
TRICKLE = 0.05
"""The share of the pace that is left at an empty bucket: enough to hear of its refill."""
PLENTY = 0.8
"""The share above which the pace may be quickened."""
QUICKEST = 0.1
"""By how much, at a full bucket."""
LONGEST_REFILL_S = 3600.0
"""A `reset` later than this is believed no further: one odd header must not stop a pool for good."""
CLOCK_NOISE_S = 3.0
"""Whole seconds and rounded tokens make `reset` and `remaining` disagree by so much."""


class ServerLevel:
    """One bucket of the server as far as we know it. Times are monotonic seconds."""

    def __init__(self, limit_per_min: float, now: float) -> None:
        self._limit = limit_per_min
        self._level = limit_per_min
        self._as_of = now
        self._read_at = float("-inf")
        self._observed_at = float("-inf")
        self._clock_ahead_s = 0.0
        self._others_per_s = 0.0
        self.known = False

    def level(self, now: float) -> float:
        """What the server has left for us; negative in debt."""
        if now > self._as_of:
            refill = (now - self._as_of) * self._limit / SECONDS_PER_MINUTE
            self._level = min(self._limit, self._level + refill)
            self._as_of = now
        return self._level

    def out_of_debt_at(self, now: float) -> float:
        """When the server will admit anything again, as far as headers tell; `now` when at once."""
        if not self.known or self.level(now) >= 0.0:
            return now
        return now - self._level / self._limit * SECONDS_PER_MINUTE

    def share(self, now: float) -> float:
        """The level as a share of a full bucket, 0 to 1."""
        return min(1.0, max(0.0, self.level(now) / self._limit))

    def easing(self, owed: float, now: float) -> float:
        """The factor on the pace: 1 as long as the level is unknown or neither low nor near full.

        `owed` is our own debt: the pace repays it anyhow, so it is no reason to go slower still.
        """
        share, knee = (self.level(now) + owed) / self._limit, self._knee
        if not self.known or knee <= share <= PLENTY:
            return 1.0
        if share > PLENTY:
            return 1.0 + QUICKEST * (min(1.0, share) - PLENTY) / (1.0 - PLENTY)
        return TRICKLE + (1.0 - TRICKLE) * max(0.0, share) / knee

    def take(self, amount: float, now: float) -> None:
        """We drew `amount`; when negative, it came back."""
        self._level = min(self._limit, self.level(now) - amount)

    def adopt_limit(self, limit_per_min: float, now: float) -> None:
        """Another limit holds; the level is kept as far as it fits."""
        self._level = min(self.level(now), limit_per_min)
        self._limit = limit_per_min

    def exhausted(self, now: float) -> None:
        """A 429 named this bucket: nothing is left."""
        self._level = min(0.0, self.level(now))
        self.known = True

    def is_old(self, reading: AxisReading, sent_at: float, now: float) -> bool:
        """Whether the headers of a call that left at `sent_at` are older than what is known."""
        return now - self._age_s(reading, sent_at, now) < self._read_at

    def observe(self, reading: AxisReading, sent_at: float, drawn_since: float, now: float) -> bool:
        """Take in one response's headers; False when they do not tell the level.

        The call left at `sent_at`, and `drawn_since` went out after it. The headers may describe
        any moment since: a `reset` that lies before its time tells which one.
        """
        told = self._told(reading)
        if told is None:
            return False
        duration_s = max(0.0, now - sent_at)
        age_s = self._age_s(reading, sent_at, now)
        self._read_at = now - age_s
        # Nothing went out within one moment before it; all of it did when the call took no time.
        part = age_s / duration_s if duration_s else 1.0
        gained = age_s * self._limit / SECONDS_PER_MINUTE
        expected, since_s = self.level(now), now - self._observed_at
        self._level = min(self._limit, told - drawn_since * part + gained)
        if 0.0 < since_s < math.inf:
            self._note_others((expected - self._level) / since_s, since_s)
        self._as_of, self._observed_at = max(now, self._as_of), now
        self.known = True
        return True

    @property
    def _knee(self) -> float:
        if math.isinf(self._observed_at):
            return KNEE
        there = min(1.0, max(0.0, self._others_per_s) * SECONDS_PER_MINUTE / self._limit / OTHERS_FROM)
        return KNEE_ALONE + (KNEE - KNEE_ALONE) * there

    def _note_others(self, per_s: float, since_s: float) -> None:
        """The level fell by more than we drew, or by less: a running mean, for each answer is noisy."""
        weight = 1.0 - math.exp(-since_s / OTHERS_MEMORY_S)
        self._others_per_s += weight * (per_s - self._others_per_s)

    def _told(self, reading: AxisReading) -> float | None:
        if reading.remaining is None:
            return None
        if reading.full_in_s is None:
            return float(reading.remaining)
        if reading.remaining > 0:
            self._clock_ahead_s = max(0.0, reading.full_in_s - self._refill_s(reading) - CLOCK_NOISE_S)
            return float(reading.remaining)
        full_in_s = min(reading.full_in_s - self._clock_ahead_s, LONGEST_REFILL_S)
        return min(0.0, self._limit * (1.0 - full_in_s / SECONDS_PER_MINUTE))

    def _age_s(self, reading: AxisReading, sent_at: float, now: float) -> float:
        """How long before the answer came its numbers were true; not before its call had left."""
        if reading.full_in_s is None or not reading.remaining:
            return 0.0
        age_s = self._refill_s(reading) - reading.full_in_s - CLOCK_NOISE_S
        return min(max(0.0, age_s), max(0.0, now - sent_at))

    def _refill_s(self, reading: AxisReading) -> float:
        """How long the server's bucket takes to fill from what remained."""
        limit = reading.limit or self._limit
        return max(0.0, limit - (reading.remaining or 0)) / limit * SECONDS_PER_MINUTE

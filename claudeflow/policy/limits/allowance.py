"""Allowance: one axis of a pool, our bucket and the server's together."""

from __future__ import annotations

from claudeflow.domain.quota import Axis, AxisReading
from claudeflow.domain.report import BucketStatus
from claudeflow.policy.limits.bucket import Bucket, Pace
from claudeflow.policy.limits.server_level import ServerLevel

BORROW_FLOOR = 0.05
"""The share of the server's bucket that must stay when a lane above borrows."""

NAMED_FOR_S = 90.0
"""How long a limit that only a 429's message named replaces the one that was assumed."""


class Allowance:
    """Paced by our own bucket, eased by the server's."""

    def __init__(self, axis: Axis, limit_per_min: float, pace: Pace, now: float) -> None:
        self.axis = axis
        self.bucket = Bucket(limit_per_min, pace, now)
        self.server = ServerLevel(limit_per_min, now)
        self.limit_is_told = False
        self._assumed_limit = limit_per_min
        self._named_until: float | None = None

    @property
    def limit_per_min(self) -> float:
        """The limit that is believed to be in force."""
        return self.bucket.limit_per_min

    def repace(self, pace: Pace, now: float, *, calm: bool, most_per_s: float | None = None) -> None:
        """Set the pace, eased by what the server has left and bounded by `most_per_s`.

        Only in calm may it be quicker than the limit.
        """
        if self._named_until is not None and now >= self._named_until:
            self._named_until = None
            self.adopt_limit(self._assumed_limit, now)
        easing = self.easing(now)
        share = pace.share * (easing if calm else min(1.0, easing))
        if most_per_s is not None:
            share = min(share, most_per_s / self.bucket.full_rate)
        if share != pace.share:
            pace = Pace(share, pace.burst_s, pace.reserve)
        self.bucket.repace(pace, now)

    def easing(self, now: float) -> float:
        """The factor on the pace by what the server has left."""
        return self.server.easing(max(0.0, -self.bucket.level(now)), now)

    def ready_at(self, amount: float, keep: float, now: float) -> float:
        """When a call that draws `amount` may go and leave `keep` of a minute's limit behind."""
        ready_at = self.bucket.ready_at(amount, keep, now)
        return ready_at if ready_at > now else self.server.out_of_debt_at(now)

    def lends(self, amount: float, now: float) -> bool:
        """Whether the server surely has room for `amount`, though our own pace has not."""
        floor = BORROW_FLOOR * self.limit_per_min
        return self.server.known and self.server.level(now) - amount >= floor

    def take(self, amount: float, now: float) -> None:
        """A call goes."""
        self.bucket.take(amount, now)
        self.server.take(amount, now)

    def correct(self, taken: float, actual: float, now: float) -> None:
        """A call came back and drew something else than expected."""
        self.bucket.correct(taken, actual, now)
        self.server.take(actual - taken, now)

    def adopt_limit(self, limit_per_min: float, now: float) -> None:
        """Somebody named the limit: it holds at once, and fills nothing."""
        if limit_per_min != self.limit_per_min:
            self.bucket.adopt_limit(limit_per_min, now)
            self.server.adopt_limit(limit_per_min, now)

    def observe(self, reading: AxisReading, sent_at: float, drawn_since: float, now: float) -> None:
        """Take in one response's headers.

        The server's word may only lower our own level; but its first one also shows that what is kept
        for the lanes above is there, however small the limit was that we began with.
        """
        if self.server.is_old(reading, sent_at, now):
            return
        if reading.limit is not None and reading.limit > 0:
            self.limit_is_told = True
            self._named_until = None
            self.adopt_limit(float(reading.limit), now)
        is_first = not self.server.known
        if self.server.observe(reading, sent_at, drawn_since, now):
            if is_first:
                self.bucket.grant_reserve(now)
            self.bucket.lower_to(max(0.0, self.server.level(now)), now)

    def exhausted(self, named_limit: float | None, now: float) -> bool:
        """A 429 named this axis; True when the limit it named explains why.

        Such a limit is believed for a while only: without headers nobody says when it rises again.
        """
        is_news = named_limit is not None and not self.limit_is_told and named_limit != self.limit_per_min
        if named_limit is not None and not self.limit_is_told:
            self._named_until = now + NAMED_FOR_S
            self.adopt_limit(named_limit, now)
        self.server.exhausted(now)
        self.drain(now)
        return is_news

    def drain(self, now: float) -> None:
        """Forget what has gathered: work starts again from the refill alone."""
        self.bucket.lower_to(0.0, now)

    def begin(self, now: float) -> None:
        """A first answer is there: what gathered until now must not burst."""
        self.bucket.empty(now)

    def pressure(self, now: float) -> float:
        """How much of the limit is in use, by us or, as far as headers tell, by anybody."""
        told = 1.0 - self.server.share(now) if self.server.known else 0.0
        return max(told, self.bucket.use(now))

    def status(self, now: float) -> BucketStatus:
        """How it stands, for status and metrics."""
        return BucketStatus(
            self.axis,
            self.limit_per_min,
            self.bucket.level(now),
            self.bucket.capacity,
            limit_is_told=self.limit_is_told,
            server_level=self.server.level(now) if self.server.known else None,
            pace_share=self.bucket.rate / self.bucket.full_rate,
            use=self.bucket.use(now),
        )

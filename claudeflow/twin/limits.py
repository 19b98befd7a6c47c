"""Rate limits as the API keeps them: token buckets that refill continuously and may fall below zero.

A request needs a whole unit of a request bucket; a token bucket lets everything pass while it is not in
debt, whatever the size, so that it can end up in debt. `remaining` then says 0 while `reset`, the moment
when the bucket will be completely full, tells how deep the debt is.

All times here are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from claudeflow.twin.bucket import Bucket, Rivals

REQUESTS = "requests"
INPUT_TOKENS = "input tokens"
OUTPUT_TOKENS = "output tokens"
TOKENS = "tokens"
# A client that waits exactly as long as it was told must pass, whatever the last bit of a float says.
_SLACK = 1e-6


@dataclass(frozen=True, slots=True)
class Gauge:
    """What the headers tell of one allowance: the limit a minute, the level, and when it will be full."""

    limit: int
    level: float
    full_at: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not admitted: the first exhausted allowance, and whose it is."""

    dimension: str
    limit: int
    retry_after_s: int
    ramp: bool = False
    workspace: bool = False

    @property
    def kind(self) -> str:
        """A name to count by: `requests`, `input_tokens`, `workspace_tokens`, `ramp` and the like."""
        if self.ramp:
            return "ramp"
        return ("workspace_" if self.workspace else "") + self.dimension.replace(" ", "_")


class Allowance:
    """One limit: the published bucket of a minute and, if asked for, a hidden short window.

    `workspace` says whose limit it is; the organisation's when false.
    """

    __slots__ = ("_buckets", "_burst_s", "_rivals", "dimension", "limit", "minute", "workspace")

    def __init__(
        self, dimension: str, limit: int, burst_s: float | None, now: float, *, workspace: bool = False
    ) -> None:
        self.dimension = dimension
        self.limit = limit
        self.workspace = workspace
        self.minute = Bucket(limit / 60, limit, now)
        self._burst_s = burst_s
        self._buckets: tuple[Bucket, ...] = (self.minute,)
        if burst_s is not None:
            self._buckets = (self.minute, Bucket(limit / 60, self._window_capacity(), now))
        self._rivals: Rivals | None = None

    def refuse(self, now: float) -> Refusal | None:
        """None when a request may pass, else the refusal with its `retry-after`."""
        self.catch_up(now)
        wanted = 1.0 if self.dimension == REQUESTS else 0.0
        wait_s = -1.0
        for bucket in self._buckets:
            if bucket.level(now) < wanted - _SLACK:
                wait_s = max(wait_s, bucket.seconds_until(wanted, now))
        if wait_s < 0.0:
            return None
        return Refusal(self.dimension, self.limit, max(1, ceil(wait_s - _SLACK)), workspace=self.workspace)

    def take(self, amount: float, now: float) -> None:
        """Charge `amount`, or return it when negative."""
        self.catch_up(now)
        for bucket in self._buckets:
            bucket.take(amount, now)

    def lose(self, amount: float, now: float) -> None:
        """Others take `amount` at once."""
        self.catch_up(now)
        for bucket in self._buckets:
            bucket.lose(amount, now)

    def draw(self, per_s: float, now: float) -> None:
        """From now on `per_s` a second more are charged, or less when negative."""
        self.catch_up(now)
        for bucket in self._buckets:
            bucket.draw(per_s, now)

    def want_for_others(self, per_s: float, now: float) -> None:
        """From now on others draw `per_s` a second, as far as they are let."""
        if self._rivals is None:
            self._rivals = Rivals(self._buckets, now)
        self._rivals.want(per_s, now)

    def gauge(self, now: float) -> Gauge:
        """What the headers would tell now."""
        self.catch_up(now)
        return Gauge(self.limit, self.minute.level(now), self.minute.full_at(now))

    def change(self, limit: int, now: float) -> None:
        """Put another limit in force."""
        self.catch_up(now)
        self.limit = limit
        self.minute.resize(limit / 60, limit, now)
        for window in self._buckets[1:]:
            window.resize(limit / 60, self._window_capacity(), now)

    def catch_up(self, now: float) -> None:
        """Settle what others drew until now."""
        if self._rivals is not None:
            self._rivals.catch_up(now)

    def _window_capacity(self) -> float:
        return max(1.0, self.limit / 60 * (self._burst_s or 0.0))

"""Rate limits as the API keeps them: token buckets that refill continuously and may fall below zero.

Each pool of models has three allowances (requests, input tokens, output tokens). A request needs a
whole unit of the request bucket; a token bucket lets everything pass while its level is above zero,
whatever the size, so that it can end up in debt. `remaining` then says 0 while `reset`, the moment
when the bucket will be completely full, tells how deep the debt is.

All times here are monotonic seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil

from claudeflow.twin.tiers import Limits

REQUESTS = "requests"
INPUT_TOKENS = "input tokens"
OUTPUT_TOKENS = "output tokens"
_RAMP_RECENT_S = 10
_RAMP_BEFORE_S = 60


@dataclass(frozen=True, slots=True)
class Gauge:
    """What the headers tell of one allowance: the limit a minute, the level, and when it will be full."""

    limit: int
    level: float
    full_at: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not admitted: the first exhausted allowance."""

    dimension: str
    limit: int
    retry_after_s: int
    ramp: bool = False


class Bucket:
    """One refilling store. `begin_draw` lets a running generation drain it continuously."""

    __slots__ = ("_at", "_capacity", "_draw_per_s", "_level", "_per_s")

    def __init__(self, per_s: float, capacity: float, now: float) -> None:
        self._per_s = per_s
        self._capacity = capacity
        self._level = capacity
        self._draw_per_s = 0.0
        self._at = now

    def level(self, now: float) -> float:
        """What is in the bucket; negative when it is in debt."""
        elapsed = now - self._at
        if elapsed > 0:
            self._level = min(self._capacity, self._level + (self._per_s - self._draw_per_s) * elapsed)
            self._at = now
        return self._level

    def take(self, amount: float, now: float) -> None:
        """Remove `amount`, or return it when negative; the level may become negative."""
        self._level = min(self._capacity, self.level(now) - amount)

    def begin_draw(self, per_s: float, now: float) -> None:
        """From now on `per_s` a second are drained until the matching `end_draw`."""
        self.level(now)
        self._draw_per_s += per_s

    def end_draw(self, per_s: float, drawn_s: float, amount: float, now: float) -> None:
        """Stop a draw that ran for `drawn_s`, and settle it so that exactly `amount` was taken."""
        self.level(now)
        self._draw_per_s = max(0.0, self._draw_per_s - per_s)
        self.take(amount - per_s * drawn_s, now)

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


class Allowance:
    """One limit of a pool: the published bucket of a minute and, if asked for, a hidden short window."""

    __slots__ = ("_burst_s", "_limit", "_minute", "_window", "dimension")

    def __init__(self, dimension: str, limit: int, burst_s: float | None, now: float) -> None:
        self.dimension = dimension
        self._limit = limit
        self._burst_s = burst_s
        self._minute = Bucket(limit / 60, limit, now)
        self._window = None if burst_s is None else Bucket(limit / 60, self._window_capacity(), now)

    def refuse(self, now: float) -> Refusal | None:
        """None when a request may pass, else the refusal with its `retry-after`."""
        wanted = 1.0 if self.dimension == REQUESTS else 0.0
        wait_s = -1.0
        for bucket in self._buckets():
            level = bucket.level(now)
            if level < wanted or level <= 0.0:
                wait_s = max(wait_s, bucket.seconds_until(wanted, now))
        if wait_s < 0.0:
            return None
        return Refusal(self.dimension, self._limit, max(1, ceil(wait_s)))

    def take(self, amount: float, now: float) -> None:
        """Charge `amount`, or return it when negative."""
        for bucket in self._buckets():
            bucket.take(amount, now)

    def begin_draw(self, per_s: float, now: float) -> None:
        """Charge `per_s` a second until `end_draw`."""
        for bucket in self._buckets():
            bucket.begin_draw(per_s, now)

    def end_draw(self, per_s: float, drawn_s: float, amount: float, now: float) -> None:
        """Stop a draw so that exactly `amount` has been charged for it."""
        for bucket in self._buckets():
            bucket.end_draw(per_s, drawn_s, amount, now)

    def gauge(self, now: float) -> Gauge:
        """What the headers would tell now."""
        return Gauge(self._limit, self._minute.level(now), self._minute.full_at(now))

    def change(self, limit: int, now: float) -> None:
        """Put another limit in force."""
        self._limit = limit
        self._minute.resize(limit / 60, limit, now)
        if self._window is not None:
            self._window.resize(limit / 60, self._window_capacity(), now)

    def _buckets(self) -> tuple[Bucket, ...]:
        return (self._minute,) if self._window is None else (self._minute, self._window)

    def _window_capacity(self) -> float:
        return max(1.0, self._limit / 60 * (self._burst_s or 0.0))


class Ramp:
    """A limit on acceleration: at most `start_rpm`, or `growth` times the requests of the minute before."""

    __slots__ = ("_counts", "_growth", "_start_rpm")

    def __init__(self, start_rpm: int, growth: float) -> None:
        self._start_rpm = start_rpm
        self._growth = growth
        self._counts: deque[list[int]] = deque()

    def refuse(self, now: float) -> Refusal | None:
        """None when one more request keeps within the ramp."""
        second = int(now)
        while self._counts and self._counts[0][0] <= second - _RAMP_RECENT_S - _RAMP_BEFORE_S:
            self._counts.popleft()
        edge = second - _RAMP_RECENT_S
        recent = sum(count for at, count in self._counts if at > edge)
        before = sum(count for at, count in self._counts if at <= edge)
        ceiling_rpm = max(self._start_rpm, self._growth * before)
        if (recent + 1) * 60 / _RAMP_RECENT_S <= max(ceiling_rpm, 60 / _RAMP_RECENT_S):
            return None
        oldest = next(at for at, count in self._counts if at > edge)
        return Refusal(REQUESTS, int(ceiling_rpm), max(1, oldest - edge), ramp=True)

    def count(self, now: float) -> None:
        """Note an admitted request."""
        second = int(now)
        if self._counts and self._counts[-1][0] == second:
            self._counts[-1][1] += 1
        else:
            self._counts.append([second, 1])


class Pool:
    """The limits that some models share."""

    __slots__ = ("_ramp", "closed_until", "input", "output", "requests")

    def __init__(self, limits: Limits, burst_s: float | None, ramp: Ramp | None, now: float) -> None:
        self.requests = Allowance(REQUESTS, limits.rpm, burst_s, now)
        self.input = Allowance(INPUT_TOKENS, limits.itpm, burst_s, now)
        self.output = Allowance(OUTPUT_TOKENS, limits.otpm, burst_s, now)
        self.closed_until = (0.0, 0.0)
        self._ramp = ramp

    def admit(self, input_tokens: int, now: float) -> Refusal | None:
        """Charge one request and its estimated input, or say which allowance is exhausted.

        A request that is refused for its tokens has still been counted as a request.
        """
        refusal = self.requests.refuse(now) or (self._ramp.refuse(now) if self._ramp else None)
        if refusal is not None:
            return refusal
        self.requests.take(1, now)
        if self._ramp is not None:
            self._ramp.count(now)
        refusal = self.input.refuse(now) or self.output.refuse(now)
        if refusal is None:
            self.input.take(input_tokens, now)
        return refusal

    def gauges(self, now: float) -> tuple[Gauge, Gauge, Gauge]:
        """Requests, input and output."""
        return self.requests.gauge(now), self.input.gauge(now), self.output.gauge(now)

    def change(self, limits: Limits, now: float) -> None:
        """Put other limits in force."""
        self.requests.change(limits.rpm, now)
        self.input.change(limits.itpm, now)
        self.output.change(limits.otpm, now)

"""A laboratory for the limiter: the real one against the twin's limits, on a heap of events.

No event loop and no wire: some thousand calls a second, so that a control law can be tried over
many seeds. A call is sent, arrives, is admitted or refused, begins, draws on the output limit
while it is generated, and comes back with the headers that the API would send.
"""

from __future__ import annotations

import csv
import gzip
import heapq
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from math import floor
from pathlib import Path
from random import Random
from typing import Any

from claudeflow.domain.attempt import Overloaded, Reply, Succeeded, Throttled, ThrottleKind, Transient
from claudeflow.domain.job import Candidate, JobError, JobId
from claudeflow.domain.quota import AxisReading, Reading
from claudeflow.domain.usage import Usage
from claudeflow.policy.limits.estimate import Estimator
from claudeflow.policy.limits.gate import NotBefore
from claudeflow.policy.limits.limiter import Limiter, Permit
from claudeflow.policy.limits.settings import LimiterSettings, PoolLimits
from claudeflow.twin.headers import rounded_thousand
from claudeflow.twin.limits import Gauge, Refusal
from claudeflow.twin.pool import Pool, PoolRules
from claudeflow.twin.tiers import Limits

BYTES_PER_TOKEN = 3.2
AXES = ("requests", "input", "output")


@dataclass(frozen=True, slots=True)
class Size:
    """One call's real input and output tokens."""

    input_tokens: int
    output_tokens: int
    workflow: str = "triage"


Sizes = Callable[[Random], Iterator[Size]]


@dataclass(frozen=True, slots=True)
class World:
    """The other side and the network. `families` are the header families that answers carry."""

    limits: Limits
    rules: PoolRules = field(default_factory=PoolRules)
    latency_s: float = 0.04
    ttft_s: float = 0.8
    tokens_per_s: float = 70.0
    sigma: float = 0.25
    families: tuple[str, ...] = AXES
    skew_s: float = 0.0
    input_error: float = 0.1
    max_connections: int | None = None
    tells_tokens: bool = False


@dataclass(slots=True)
class Result:
    """What a run showed."""

    calls: int = 0
    throttled_at: list[float] = field(default_factory=list)
    failed_at: list[float] = field(default_factory=list)
    released_at: list[float] = field(default_factory=list)
    early_calls: int = 0
    samples: list[tuple[float, dict[str, tuple[float, float, float]]]] = field(default_factory=list)
    waits: list[tuple[float, float, str]] = field(default_factory=list)

    def throttles(self, start: float = 0.0, end: float = float("inf")) -> int:
        """How many 429s came back in a span."""
        return sum(start <= at < end for at in self.throttled_at)

    def per_thousand(self) -> float:
        """429s in a thousand calls."""
        return 1000.0 * len(self.throttled_at) / max(1, self.calls)

    def used(self, axis: str, start: float, end: float) -> float:
        """The share of what the server granted us (others taken off) that was drawn in a span."""
        first = next(row for at, row in self.samples if at >= start)[axis]
        last = next(row for at, row in reversed(self.samples) if at <= end)[axis]
        granted, drawn, others = (after - before for before, after in zip(first, last, strict=True))
        return drawn / max(1e-9, granted - others)

    def most_used(self, start: float, end: float) -> float:
        """The use of the axis that binds."""
        return max(self.used(axis, start, end) for axis in AXES)

    def recovered_s(self, cause_gone: float, wanted: float = 0.95, over_s: float = 20.0) -> float:
        """Seconds after which the axis that binds is used as wanted, averaged over a short span."""
        end = self.samples[-1][0]
        at = cause_gone
        while at + over_s <= end:
            if self.most_used(at, at + over_s) >= wanted:
                return at - cause_gone
            at += 5.0
        return float("inf")

    def largest_share(self, start: float, end: float, within_s: float = 0.1) -> float:
        """The largest share of a span's releases that fell within any `within_s`."""
        times = [at for at in self.released_at if start <= at < end]
        most, oldest = 0, 0
        for newest, at in enumerate(times):
            while times[oldest] < at - within_s:
                oldest += 1
            most = max(most, newest - oldest + 1)
        return most / max(1, len(times))


@dataclass(slots=True)
class _Call:
    permit: Permit
    size: Size
    candidate: Candidate
    estimate: int = 0
    requests: Gauge | None = None


class Lab:
    """One pool, its limiter and an endless backlog (or arrivals, see `arrive`)."""

    def __init__(
        self, world: World, sizes: Sizes, seed: int, settings: LimiterSettings | None = None, **limiter: Any
    ) -> None:
        self.world = world
        self.now = 0.0
        self.random = Random(seed)
        self.server = Pool("lab", world.limits, world.rules, 0.0)
        self.limiter = Limiter(
            limiter.pop("assumed", PoolLimits()), settings or LimiterSettings(), 0.0, **limiter
        )
        self.estimator = Estimator()
        self.result = Result()
        self.down: Callable[[float], str | None] = lambda now: None
        self._sizes = sizes(self.random)
        self._next: Size | None = None
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serials = count()
        self._wake_at = float("inf")
        self._connections = 0
        self._closed = (0.0, 0.0)
        self._above: list[tuple[float, Size]] = []
        self.keep = 0.0

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do something at a moment."""
        heapq.heappush(self._events, (when, next(self._serials), action))

    def every(self, gap_s: float, action: Callable[[], None], start: float = 0.0, end: float = 1e9) -> None:
        """Do something again and again."""

        def step() -> None:
            action()
            if self.now + gap_s < end:
                self.at(self.now + gap_s, step)

        self.at(start, step)

    def change(self, **settings: Any) -> None:
        """The other side is different from now on."""
        self.world = replace(self.world, **settings)

    def change_limits(self, share: float) -> None:
        """Other limits are in force from now on, as a share of the first ones."""
        first = self.world.limits
        limits = Limits(round(first.rpm * share), round(first.itpm * share), round(first.otpm * share))
        self.server.change(limits, self.now)

    def others_want(self, share: float) -> None:
        """From now on others draw evenly on this share of each limit."""
        limits = self.world.limits
        for axis, limit in zip(self.server.axes, (limits.rpm, limits.itpm, limits.otpm), strict=True):
            axis.own.want_for_others(limit / 60 * share, self.now)

    def others_take(self, seconds: float) -> None:
        """Others take so many seconds' worth of each limit at once."""
        limits = self.world.limits
        for axis, limit in zip(self.server.axes, (limits.rpm, limits.itpm, limits.otpm), strict=True):
            axis.own.lose(limit / 60 * seconds, self.now)

    def run(self, until_s: float) -> Result:
        """Let time pass."""
        self.every(1.0, self._sample)
        self.at(0.0, self._pump)
        events = self._events
        while events and events[0][0] <= until_s:
            self.now, _, action = heapq.heappop(events)
            action()
        return self.result

    def call_above(self, size: Size) -> None:
        """A call of a lane above arrives: it goes before the backlog and keeps nothing free."""
        self._above.append((self.now, size))
        self._pump()

    # Our side

    def _pump(self) -> None:
        self._wake_at = float("inf")
        while self._above:
            arrived, size = self._above[0]
            verdict = self._ask(size, 0.0)
            if verdict is not None:
                self._wake(verdict)
                break
            self._above.pop(0)
            self.result.waits.append((arrived, self.now - arrived, "above"))
        while not self._above:
            if self._next is None:
                self._next = next(self._sizes, None)
                if self._next is None:
                    return
            verdict = self._ask(self._next, self.keep)
            if verdict is not None:
                if verdict.smaller_may_pass and self._try_smaller():
                    continue
                self._wake(verdict)
                return
            self._next = None

    def _try_smaller(self) -> bool:
        smaller = min((next(self._sizes) for _ in range(5)), key=lambda size: size.input_tokens)
        return self._ask(smaller, self.keep) is None

    def _ask(self, size: Size, keep: float) -> NotBefore | None:
        candidate = _candidate(size)
        demand = self.estimator.demand(candidate, warm=False)
        verdict = self.limiter.reserve(demand, self.now, keep=keep)
        if isinstance(verdict, NotBefore):
            return verdict
        self.result.released_at.append(self.now)
        self.result.calls += 1
        call = _Call(verdict, size, candidate)
        self.at(self.now + self._latency(), lambda: self._arrive(call))
        return None

    def _wake(self, verdict: NotBefore) -> None:
        if verdict.at is None or verdict.at >= self._wake_at:
            return
        wanted = self._wake_at = verdict.at

        def wake() -> None:
            if self._wake_at == wanted:
                self._pump()

        self.at(max(self.now, wanted), wake)

    def _settle(self, call: _Call, reply: Reply) -> None:
        if isinstance(reply.outcome, Throttled):
            self.result.throttled_at.append(self.now)
        elif not isinstance(reply.outcome, Succeeded):
            self.result.failed_at.append(self.now)
        self.limiter.settle(call.permit, reply, self.now, self.random.random())
        if reply.usage_known and reply.usage.prompt_tokens:
            candidate = call.candidate
            self.estimator.learn(
                candidate.workflow,
                candidate.model,
                candidate.input_bytes,
                reply.usage,
                held=self.limiter.held,
            )
        self._pump()

    # The other side

    def _arrive(self, call: _Call) -> None:
        told_at, until = self._closed
        if told_at + 4 * self.world.latency_s < call.permit.granted_at and self.now < until:
            self.result.early_calls += 1
        trouble = self.down(self.now)
        if trouble is not None:
            self._answer(call, Reply(_failure(trouble)))
            return
        if self.world.max_connections is not None and self._connections >= self.world.max_connections:
            message = "Number of concurrent connections has exceeded your rate limit."
            self._answer(call, Reply(Throttled(JobError("rate_limit_error", message))))
            return
        call.estimate = round(
            call.size.input_tokens * (1 + self.world.input_error * (2 * self.random.random() - 1))
        )
        refusal = self.server.admit(call.estimate, self.now)
        if refusal is not None:
            self._refuse(call, refusal)
            return
        self._connections += 1
        call.requests = self.server.requests.gauge(self.now)
        world = self.world
        ttft_s = world.ttft_s * self.random.lognormvariate(0, world.sigma)
        speed = world.tokens_per_s * self.random.lognormvariate(0, world.sigma)
        self.at(self.now + ttft_s, lambda: self._begin(call, speed))

    def _refuse(self, call: _Call, refusal: Refusal) -> None:
        until = self.now + refusal.retry_after_s
        if until > self._closed[1]:
            self._closed = (self.now, until)
        message = f"This exceeds the rate limit of {refusal.limit:,} {refusal.dimension} per minute"
        kind = ThrottleKind.RAMP if refusal.ramp else ThrottleKind.RATE
        outcome = Throttled(JobError("rate_limit_error", message), float(refusal.retry_after_s), kind)
        self._answer(call, Reply(outcome, reading=self._reading(self.server.requests.gauge(self.now))))

    def _begin(self, call: _Call, speed: float) -> None:
        self.server.input.take(call.size.input_tokens - call.estimate, self.now)
        self.server.output.draw(speed, self.now)
        self.at(self.now + call.size.output_tokens / speed, lambda: self._finish(call, speed))
        if call.permit.probe:
            self.at(self.now + self._latency(), lambda: self._opened(call))

    def _opened(self, call: _Call) -> None:
        self.limiter.probe_answered(call.permit, self.now)
        self._pump()

    def _finish(self, call: _Call, speed: float) -> None:
        self.server.output.draw(-speed, self.now)
        self._connections -= 1
        size = call.size
        assert call.requests is not None
        usage = Usage(input_tokens=size.input_tokens, output_tokens=size.output_tokens)
        self._answer(call, Reply(Succeeded("end_turn"), usage, reading=self._reading(call.requests)))

    def _answer(self, call: _Call, reply: Reply) -> None:
        self.at(self.now + self._latency(), lambda: self._settle(call, reply))

    def _reading(self, requests: Gauge) -> Reading | None:
        gauges = (requests, self.server.input.gauge(self.now), self.server.output.gauge(self.now))
        told: list[AxisReading | None] = []
        for axis, gauge in zip(AXES, gauges, strict=True):
            left = max(0, floor(gauge.level)) if axis == "requests" else rounded_thousand(gauge.level)
            full_in_s = floor(gauge.full_at) - floor(self.now) + self.world.skew_s
            known = axis in self.world.families
            told.append(AxisReading(gauge.limit, left, full_in_s) if known else None)
        if self.world.tells_tokens:
            told.append(self._combined())
        return Reading(*told) if any(told) else None

    def _combined(self) -> AxisReading:
        tokens = self.server.gauges(self.now, priority=False).tokens
        if tokens is None:
            parts = [axis.gauge(self.now) for axis in (self.server.input, self.server.output)]
            return AxisReading(
                sum(part.limit for part in parts), sum(max(0, round(part.level)) for part in parts)
            )
        return AxisReading(
            tokens.limit, rounded_thousand(tokens.level), floor(tokens.full_at) - floor(self.now)
        )

    def _latency(self) -> float:
        return self.world.latency_s * (0.5 + self.random.random())

    def _sample(self) -> None:
        row = {}
        for name, axis in zip(AXES, self.server.axes, strict=True):
            axis.gauge(self.now)
            minute = axis.own.minute
            row[name] = (minute.granted, minute.used, minute.others)
        self.result.samples.append((self.now, row))


def _failure(kind: str) -> Overloaded | Transient:
    error = JobError(kind, kind)
    return Overloaded(error) if kind == "overloaded" else Transient(error)


def _candidate(size: Size) -> Candidate:
    return Candidate(
        JobId(1),
        lane="bulk",
        workflow=size.workflow,
        model="claude-haiku-5-5",
        priority=0,
        submitted_ms=0,
        deadline_ms=None,
        input_bytes=round(size.input_tokens * BYTES_PER_TOKEN),
        max_tokens=100_000,
        prefix=None,
    )


def drawn_from(mean_input: float, mean_output: float, sigma: float = 0.6) -> Sizes:
    """An endless stream of log-normal sizes."""

    def sizes(random: Random) -> Iterator[Size]:
        half = sigma * sigma / 2
        while True:
            yield Size(
                max(1, round(mean_input * random.lognormvariate(-half, sigma))),
                max(1, round(mean_output * random.lognormvariate(-half, sigma))),
            )

    return sizes


def replayed(rows: list[tuple[int, int]]) -> Sizes:
    """The sizes of a trace, in its order from a random place on, again and again."""

    def sizes(random: Random) -> Iterator[Size]:
        at = random.randrange(len(rows))
        while True:
            yield Size(*rows[at % len(rows)])
            at += 1

    return sizes


def sizes_of_trace(path: Path) -> list[tuple[int, int]]:
    """Input and output tokens of an Azure (CSV) or Mooncake (JSON lines) trace."""
    with gzip.open(path, "rt") as lines:
        if ".csv" in path.name:
            return [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(lines)]
        rows = [json.loads(line) for line in lines]
        return [(row["input_length"], row["output_length"]) for row in rows]

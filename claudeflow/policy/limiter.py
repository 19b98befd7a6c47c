"""Limiter: may this call of a pool go now, and if not, when?

Three buckets pace the calls ahead of time; headers correct them; a 429 closes the gate for the
whole pool, then one probe goes, then the refill alone sets the pace again. The limiter is told
the time and the dice; it never waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le

from claudeflow.domain.attempt import Interrupted, Overloaded, Reply, Throttled, ThrottleKind, Transient
from claudeflow.domain.quota import Axis, Demand, Reading
from claudeflow.domain.report import BucketStatus, PoolStatus
from claudeflow.domain.usage import Usage
from claudeflow.policy.bucket import Bucket
from claudeflow.policy.ceiling import Ceiling, CeilingSettings
from claudeflow.policy.gate import Gate, GateSettings, NotBefore

Share = Annotated[float, Gt(0), Le(1)]


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """The limits to assume until headers name the real ones, per minute."""

    requests: Annotated[int, Ge(1)] = 1_000
    input_tokens: Annotated[int, Ge(1)] = 2_000_000
    output_tokens: Annotated[int, Ge(1)] = 400_000

    def on(self, axis: Axis) -> int:
        """The limit of one axis."""
        return int(getattr(self, axis.value))


@dataclass(frozen=True, slots=True)
class LimiterSettings:
    """How a pool is paced.

    `burst_s` is how many seconds' worth a bucket holds; `cold_theta` the share of the limits used
    at first, `theta_growth` what it gains per calm second, `theta_cut` its factor on a 429;
    `cold_in_flight` bounds calls until the first answer of an unknown pool.
    """

    burst_s: Annotated[float, Gt(0), Le(60)] = 5.0
    cold_theta: Share = 0.5
    theta_floor: Share = 0.1
    theta_growth: Annotated[float, Ge(0), Le(1)] = 0.01
    theta_cut: Share = 0.9
    cold_in_flight: Annotated[int, Ge(1)] = 2
    gate: GateSettings = field(default_factory=GateSettings)
    ceiling: CeilingSettings = field(default_factory=CeilingSettings)


@dataclass(slots=True)
class Permit:
    """Leave to make one call. Settle or abandon it exactly once."""

    demand: Demand
    granted_at: float
    serial: int
    drawn: dict[Axis, float]
    probe: bool
    ended: bool = False


class Limiter:
    """The pace of one pool. Times are monotonic seconds."""

    def __init__(self, limits: PoolLimits, settings: LimiterSettings, now: float) -> None:
        self._settings = settings
        self._theta = settings.cold_theta
        self._theta_as_of = now
        self._growth = settings.theta_growth
        self._buckets = {axis: Bucket(limits.on(axis), self._theta, settings.burst_s, now) for axis in Axis}
        self._gate = Gate(settings.gate)
        self._ceiling = Ceiling(settings.ceiling)
        self._in_flight = 0
        self._serial = 0
        self._newest_reading = 0
        self._answered = False
        self._limits_known = False
        self._throttled_calls = 0

    @property
    def in_flight(self) -> int:
        """Permits granted and not yet ended."""
        return self._in_flight

    @property
    def theta(self) -> float:
        """The share of the named limits that is used."""
        return self._theta

    @property
    def held(self) -> bool:
        """True between a 429 and the probe that comes back well."""
        return not self._gate.is_open

    def reserve(self, demand: Demand, now: float) -> Permit | NotBefore:
        """Take capacity for one call, or say when it may be there."""
        self._grow_theta(now)
        refusal = self._gate.refusal(now) or self._refusal_by_count() or self._refusal_by_level(demand, now)
        if refusal is not None:
            return refusal
        for axis, bucket in self._buckets.items():
            bucket.take(demand.on(axis), now)
        self._in_flight += 1
        self._serial += 1
        drawn = {axis: bucket.drawn for axis, bucket in self._buckets.items()}
        return Permit(demand, now, self._serial, drawn, probe=self._gate.granted())

    def settle(self, permit: Permit, reply: Reply, now: float, jitter: float) -> float | None:
        """Book what a call really drew and what it taught.

        Returns the seconds for which a new episode of 429s has just closed the gate, or None.
        """
        self._end(permit)
        self._answered = True
        self._learn_capacity(permit, reply, now)
        self._correct(permit, reply)
        if reply.reading is not None:
            self._observe(permit, reply.reading, now)
        if isinstance(reply.outcome, Throttled):
            return self._throttled(permit, reply.outcome, now, jitter)
        if isinstance(reply.outcome, Interrupted) or not reply.sent:
            self._gate.probe_abandoned(probe=permit.probe)
        else:
            self.probe_answered(permit, now)
        return None

    def probe_answered(self, permit: Permit, now: float) -> None:
        """The probe's response begins without a 429: the pool opens, and starts from the refill alone."""
        if permit.probe and self.held:
            self._gate.call_came_back(probe=True)
            for bucket in self._buckets.values():
                bucket.drain(now)

    def abandon(self, permit: Permit) -> None:
        """The call never left: give everything back."""
        self._end(permit)
        for axis, bucket in self._buckets.items():
            bucket.correct(permit.demand.on(axis), 0.0)
        self._gate.probe_abandoned(probe=permit.probe)

    def snapshot(self, pool: str, now: float) -> PoolStatus:
        """How the pool stands, for status and metrics."""
        return PoolStatus(
            pool=pool,
            theta=self._theta,
            limits_known=self._limits_known,
            gate_closed_for_s=self._gate.closed_for_s(now),
            ceiling=self._bound(),
            in_flight=self._in_flight,
            throttled_calls=self._throttled_calls,
            buckets=tuple(
                BucketStatus(axis, bucket.limit_per_min, bucket.level(now), bucket.capacity)
                for axis, bucket in self._buckets.items()
            ),
        )

    def memory(self) -> dict[str, Any]:
        """What is worth keeping over a restart: θ and the limits that headers named."""
        limits = {axis.value: bucket.limit_per_min for axis, bucket in self._buckets.items()}
        return {"theta": self._theta, "limits": limits if self._limits_known else {}}

    def recall(self, memory: dict[str, Any], now: float) -> None:
        """Take up what an earlier process knew. Nothing recalled fills a bucket."""
        for name, limit in memory.get("limits", {}).items():
            self._buckets[Axis(name)].adopt_limit(float(limit), now)
            self._limits_known = True
        self._set_theta(max(self._settings.theta_floor, float(memory.get("theta", self._theta))), now)

    def _bound(self) -> int:
        return self._ceiling.bound if self._answered else self._settings.cold_in_flight

    def _refusal_by_count(self) -> NotBefore | None:
        if self._in_flight >= self._bound():
            return NotBefore(None, "ceiling on calls in flight")
        return None

    def _refusal_by_level(self, demand: Demand, now: float) -> NotBefore | None:
        waits = {axis: bucket.ready_at(demand.on(axis), now) for axis, bucket in self._buckets.items()}
        axis = max(waits, key=lambda name: waits[name])
        return NotBefore(waits[axis], f"{axis.value} bucket") if waits[axis] > now else None

    def _end(self, permit: Permit) -> None:
        if permit.ended:
            raise RuntimeError("a permit must be settled or abandoned exactly once")
        permit.ended = True
        self._in_flight -= 1

    def _learn_capacity(self, permit: Permit, reply: Reply, now: float) -> None:
        if isinstance(reply.outcome, Overloaded | Transient):
            self._ceiling.call_failed(permit.granted_at, now)
        else:
            self._ceiling.call_ended_well(self._in_flight + 1)

    def _correct(self, permit: Permit, reply: Reply) -> None:
        actual = _drawn_by(reply, permit.demand)
        for axis, bucket in self._buckets.items():
            bucket.correct(permit.demand.on(axis), actual.on(axis))
            permit.drawn[axis] += actual.on(axis) - permit.demand.on(axis)

    def _observe(self, permit: Permit, reading: Reading, now: float) -> None:
        if permit.serial < self._newest_reading:
            return
        self._newest_reading = permit.serial
        for axis, bucket in self._buckets.items():
            on_axis = reading.on(axis)
            if on_axis is not None:
                self._limits_known = self._limits_known or on_axis.limit is not None
                bucket.observe(on_axis, max(0.0, bucket.drawn - permit.drawn[axis]), now)

    def _throttled(self, permit: Permit, outcome: Throttled, now: float, jitter: float) -> float | None:
        self._throttled_calls += 1
        if not self._gate.throttled(outcome.retry_after_s, permit.granted_at, now, jitter):
            return None
        self._set_theta(max(self._settings.theta_floor, self._theta * self._settings.theta_cut), now)
        if outcome.kind is ThrottleKind.RAMP:
            self._growth /= 2
        for bucket in self._buckets.values():
            bucket.drain(now)
        return self._gate.closed_for_s(now)

    def _grow_theta(self, now: float) -> None:
        calm_s = now - self._theta_as_of
        if calm_s > 0 and self._gate.is_open and self._theta < 1.0:
            self._set_theta(min(1.0, self._theta + self._growth * calm_s), now)
        self._theta_as_of = now

    def _set_theta(self, theta: float, now: float) -> None:
        self._theta = theta
        self._theta_as_of = now
        for bucket in self._buckets.values():
            bucket.pace(theta, now)


def _drawn_by(reply: Reply, demand: Demand) -> Demand:
    """What the call drew from the server's buckets.

    A call whose usage is unknown is believed to have drawn what was expected. Rejected requests
    still count as requests (undocumented: the safe side).
    """
    if not reply.sent:
        return Demand(0.0, 0.0, 0.0)
    if not reply.usage_known:
        return demand
    usage: Usage = reply.usage
    return Demand(usage.charged_input_tokens, usage.output_tokens)

"""Limiter: may this call of a pool go now, and if not, when?

The control law, from the inside out:

1. *Feed-forward.* One bucket per axis (requests, input, output) refills at `limit · share` and
   admits a call when it holds enough. Each call is debited with what it is expected to draw, and
   corrected when it comes back, so that on average exactly the limit is used.
2. *Feedback on the server's level.* Headers tell what the server's own buckets hold. Below half,
   the pace is eased in proportion (`server_level`): what other consumers draw shows there alone.
3. *θ and burst* (`margin`): what headers do not say. A 429 cuts θ, or the burst when the server
   showed room (`diagnosis`); calm restores them. `share` is θ times the easing.
4. *Gate*: a 429 stops the whole pool until `retry-after`; several failures in a row are an outage.
   One probe opens it, and the refill alone sets the pace again: nothing bursts.
5. *Ceiling* on calls in flight, for what no bucket shows; *ramp*, a bound on growth once asked for.

Lanes above may keep a part of each bucket free for themselves (`keep`), and may borrow from what
the server surely has while a large job of a lower lane is being paid off.

It is told the time and the dice; it never waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from claudeflow.domain.attempt import Interrupted, Overloaded, Reply, Throttled, Transient
from claudeflow.domain.quota import OWN_AXES, Axis, Demand
from claudeflow.domain.report import PoolStatus
from claudeflow.policy.limits.allowances import KEPT, Allowances
from claudeflow.policy.limits.bucket import Pace
from claudeflow.policy.limits.ceiling import Ceiling
from claudeflow.policy.limits.diagnosis import Cause, Diagnosis, diagnose
from claudeflow.policy.limits.drawn import drawn_by, is_fast
from claudeflow.policy.limits.gate import Gate, GateKind, NotBefore
from claudeflow.policy.limits.giants import Giants
from claudeflow.policy.limits.lessons import Lessons
from claudeflow.policy.limits.margin import Margin
from claudeflow.policy.limits.ramp import Ramp
from claudeflow.policy.limits.settings import LimiterSettings, PoolLimits

ASK_AGAIN_S = 1.0  # an eased pace rises while a call waits for it
HIDDEN_WINDOW_PAUSE_S = 3.0
"""What is being generated goes on drawing on a short window: one second would be too soon."""


@dataclass(slots=True)
class Permit:
    """Leave to make one call. Settle or abandon it exactly once."""

    demand: Demand
    granted_at: float
    drawn: dict[Axis, float]
    probe: bool
    ended: bool = False


class Limiter:
    """The pace of one pool. Times are monotonic seconds."""

    def __init__(
        self, limits: PoolLimits, settings: LimiterSettings, now: float, *, reserve: float = 0.0
    ) -> None:
        """`reserve` is the largest share of a minute's limit that any lane keeps for itself."""
        self._settings = settings
        self._reserve = reserve
        self._margin = Margin(settings.margin, now)
        self._ramp = Ramp()
        self._gate = Gate(settings.gate)
        self._ceiling = Ceiling(settings.ceiling)
        assumed = {axis: float(limits.on(axis)) for axis in OWN_AXES}
        self._allowances = Allowances(assumed, self._pace(), now)
        self._giants = Giants()
        self._lessons = Lessons(self._allowances, self._margin, self._ramp, self._ceiling, self._giants)
        self._in_flight = 0
        self._answered = False
        self._throttled_calls = 0
        self._last_throttle: Diagnosis | None = None

    @property
    def in_flight(self) -> int:
        """Permits granted and not yet ended."""
        return self._in_flight

    @property
    def theta(self) -> float:
        """The share of the named limits that is used."""
        return self._margin.theta

    @property
    def held(self) -> bool:
        """True between a 429 or the beginning of an outage and the probe that comes back well."""
        return not self._gate.is_open

    def reserve(self, demand: Demand, now: float, *, keep: float = 0.0) -> Permit | NotBefore:
        """Take capacity for one call, or say when it may be there.

        `keep` is the share of a minute's limit that the call must leave to the lanes above; not so before a
        first answer, when so few calls may be out that no bucket is what they share.
        """
        self._advance(now)
        keep = keep if self._answered else 0.0
        refusal = (
            self._gate.refusal(now, small=self.held and self._allowances.suits_a_probe(demand))
            or self._refusal_by_count(keep, now)
            or self._refusal_by_level(demand, keep, now)
        )
        if refusal is not None:
            return refusal
        self._in_flight += 1
        return Permit(demand, now, self._allowances.take(demand, now), probe=self._gate.granted())

    def settle(self, permit: Permit, reply: Reply, now: float, jitter: float) -> float | None:
        """Book what a call really drew and what it taught.

        Returns the seconds for which a new episode of 429s or failures has just closed the gate, or None.
        """
        self._end(permit)
        self._note_first_answer(now)
        self._correct(permit, reply, now)
        outcome = reply.outcome
        if reply.reading is not None and not is_fast(reply):
            self._allowances.observe(reply.reading, permit.granted_at, permit.drawn, now)
        if isinstance(outcome, Throttled):
            return self._throttled(permit, reply, outcome, now, jitter)
        if isinstance(outcome, Overloaded | Transient):
            return self._failed(permit, now, jitter)
        if isinstance(outcome, Interrupted) or not reply.sent:
            self._gate.probe_abandoned(probe=permit.probe)
        else:
            self._ceiling.call_ended_well()
            self._came_back(permit, now)
        return None

    def probe_answered(self, permit: Permit, now: float) -> None:
        """A response begins without a 429: a probe's opens the pool, which starts from the refill alone."""
        self._came_back(permit, now)

    def abandon(self, permit: Permit, now: float) -> None:
        """The call never left: give everything back."""
        self._end(permit)
        self._allowances.correct(permit.demand, Demand(0.0, 0.0, 0.0), now)
        self._gate.probe_abandoned(probe=permit.probe)

    def pressure(self, now: float, axis: Axis | None = None) -> float:
        """How much of the pool's limits, or of one, is in use, by anybody: 0 is idle, 1 everything."""
        return self._allowances.pressure(now, axis)

    def too_big(self, at_least: Demand, expected: Demand | None = None) -> str | None:
        """Why a call could never pass, with the numbers; None as long as it might.

        `at_least` is a cautious lower bound of what the call draws, `expected` the ordinary estimate,
        which counts only once a call as large has been refused.
        """
        return self._giants.why_never(self._allowances, at_least, expected or at_least)

    def keep_in_all(self, reserve: float, now: float) -> None:
        """The lanes' settings changed: the largest share of a minute's limit that any keeps for itself."""
        self._reserve = reserve
        self._repace(now)

    def snapshot(self, pool: str, now: float) -> PoolStatus:
        """How the pool stands, for status and metrics."""
        return PoolStatus(
            pool=pool,
            theta=self.theta,
            limits_known=self._allowances.limits_known,
            gate_closed_for_s=self._gate.closed_for_s(now),
            ceiling=self._bound(),
            in_flight=self._in_flight,
            throttled_calls=self._throttled_calls,
            buckets=self._allowances.status(now),
            gate=self._gate.why,
            burst_s=self._margin.burst_s,
            pressure=self.pressure(now),
            ramp_per_s=self._ramp.most_per_s,
            last_throttle=self._last_throttle.cause.value if self._last_throttle else None,
        )

    def memory(self) -> dict[str, Any]:
        """What is worth keeping over a restart: the margin and the limits that headers named."""
        return self._margin.memory() | {"limits": self._allowances.memory()}

    def recall(self, memory: dict[str, Any], now: float) -> None:
        """Take up what an earlier process knew, or was told. Nothing recalled fills a bucket."""
        self._allowances.recall(memory.get("limits", {}), now)
        self._margin.recall(memory, now)
        self._gate.stay_closed(memory.get("closed_for_s", 0.0), now)
        self._repace(now)

    def _advance(self, now: float) -> None:
        calm = self._gate.is_open
        self._margin.advance(now, calm=calm)
        self._ramp.advance(self._allowances[Axis.REQUESTS].bucket.full_rate, now, calm=calm)
        self._repace(now)

    def _pace(self) -> Pace:
        return Pace(self._margin.theta, self._margin.burst_s, self._reserve)

    def _repace(self, now: float) -> None:
        ramp_per_s = self._ramp.most_per_s
        calm = self._margin.is_calm and ramp_per_s is None
        self._allowances.repace(self._pace(), now, calm=calm, requests_per_s=ramp_per_s)

    def _bound(self) -> int:
        return self._ceiling.bound if self._answered else self._settings.cold_in_flight

    def _refusal_by_count(self, keep: float, now: float) -> NotBefore | None:
        bound = self._bound()
        if not self._answered:
            return NotBefore(None, "waiting for a first answer") if self._in_flight >= bound else None
        self._ceiling.note_use(self._in_flight, now)
        if self._in_flight < bound - int(keep * bound):
            return None
        return NotBefore(self._ceiling.room_at(now), f"{self._in_flight} calls in flight are the ceiling")

    def _refusal_by_level(self, demand: Demand, keep: float, now: float) -> NotBefore | None:
        wait = self._allowances.waits_for(demand, keep, now)
        if wait is None or (keep < self._reserve and self._allowances.lend(demand, now)):
            return None
        at, axis = wait
        if self._allowances.eased(now):
            at = min(at, now + ASK_AGAIN_S)
        return NotBefore(at, f"{axis.value} bucket{KEPT if keep else ''}")

    def _end(self, permit: Permit) -> None:
        if permit.ended:
            raise RuntimeError("a permit must be settled or abandoned exactly once")
        permit.ended = True
        self._in_flight -= 1

    def _note_first_answer(self, now: float) -> None:
        """The pool is no longer unknown: what gathered while nothing could go must not burst."""
        if not self._answered:
            self._answered = True
            self._allowances.begin(now)

    def _correct(self, permit: Permit, reply: Reply, now: float) -> None:
        actual = drawn_by(reply, permit.demand)
        self._allowances.correct(permit.demand, actual, now)
        for axis in permit.drawn:
            permit.drawn[axis] += actual.on(axis) - permit.demand.on(axis)
        if reply.usage_known:
            self._giants.passed(actual)

    def _came_back(self, permit: Permit, now: float) -> None:
        was_closed_for = self._gate.kind
        self._gate.call_came_back(probe=permit.probe)
        if was_closed_for is None or self.held:
            return
        if was_closed_for is GateKind.OUTAGE:
            self._ceiling.outage_ended()
        self._allowances.drain(now)

    def _failed(self, permit: Permit, now: float, jitter: float) -> float | None:
        if self._gate.is_open:
            self._ceiling.call_failed(permit.granted_at, now)
        if self._gate.failed(permit.granted_at, now, jitter, probe=permit.probe):
            return self._gate.closed_for_s(now)
        return None

    def _throttled(
        self, permit: Permit, reply: Reply, told: Throttled, now: float, jitter: float
    ) -> float | None:
        self._throttled_calls += 1
        diagnosis = self._last_throttle = diagnose(told, reply.reading, permit.demand)
        pause_s = told.retry_after_s
        if diagnosis.cause is Cause.CONNECTIONS:
            self._ceiling.connection_refused(self._in_flight, permit.granted_at, now)
            if pause_s is None and not permit.probe:
                return None
        if diagnosis.cause is Cause.HIDDEN_WINDOW and pause_s is not None:
            pause_s = max(pause_s, HIDDEN_WINDOW_PAUSE_S)
        if not self._gate.throttled(pause_s, permit.granted_at, now, jitter):
            return None
        self._lessons.learn(diagnosis, permit.demand, self._in_flight, now)
        self._allowances.drain(now)
        return self._gate.closed_for_s(now)

"""Allowances: all axes of one pool. A call goes only when every one of them admits it, and draws on all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from claudeflow.domain.quota import OWN_AXES, Axis, Demand, Reading
from claudeflow.domain.report import BucketStatus
from claudeflow.policy.limits.allowance import Allowance
from claudeflow.policy.limits.bucket import Pace

GIANT_SHARE = 1 / 12
"""Of a minute's limit: a call that draws more makes a poor probe."""

WORKSPACE_REMEMBERED_S = 600.0
"""How long a workspace's limit binds after it was last named: headers may show it only while it is scarce."""

KEPT = ", beside what is kept for lanes of more weight"
"""Said of a bucket that holds enough for the call, but not for them as well."""


class Allowances:
    """One allowance for each axis, and one for input and output together where a workspace has a limit."""

    def __init__(self, limits: Mapping[Axis, float], pace: Pace, now: float) -> None:
        self._pace = pace
        self._workspace_told_at = now
        self._by_axis = {axis: Allowance(axis, limits[axis], pace, now) for axis in OWN_AXES}

    def __getitem__(self, axis: Axis) -> Allowance:
        """The allowance of one axis that every pool has."""
        return self._by_axis[axis]

    def __iter__(self) -> Iterator[Allowance]:
        """All of them."""
        return iter(self._by_axis.values())

    @property
    def limits_known(self) -> bool:
        """Whether headers have named any limit."""
        return any(allowance.limit_is_told for allowance in self._by_axis.values())

    def repace(self, pace: Pace, now: float, *, calm: bool, requests_per_s: float | None) -> None:
        """Set the pace of all; `requests_per_s` bounds requests besides."""
        self._pace = pace
        for axis, allowance in self._by_axis.items():
            bound = requests_per_s if axis is Axis.REQUESTS else None
            allowance.repace(pace, now, calm=calm, most_per_s=bound)

    def waits_for(self, demand: Demand, keep: float, now: float) -> tuple[float, Axis] | None:
        """When a call may go and which axis it waits for; None when it may go now."""
        latest, worst = now, None
        for axis, allowance in self._by_axis.items():
            at = allowance.ready_at(demand.on(axis), keep, now)
            if at > latest:
                latest, worst = at, axis
        return None if worst is None else (latest, worst)

    def lend(self, demand: Demand, now: float) -> bool:
        """Whether each bucket that cannot pay now stands for one of the server that can."""
        return all(
            allowance.ready_at(demand.on(axis), 0.0, now) <= now or allowance.lends(demand.on(axis), now)
            for axis, allowance in self._by_axis.items()
        )

    def eased(self, now: float) -> bool:
        """Whether any axis goes slowly because the server has little left."""
        return any(allowance.easing(now) < 1.0 for allowance in self._by_axis.values())

    def suits_a_probe(self, demand: Demand) -> bool:
        """Whether a call is small enough to be sent while nobody knows what the server has left."""
        return all(
            demand.on(axis) <= max(1.0, GIANT_SHARE * allowance.limit_per_min)
            for axis, allowance in self._by_axis.items()
        )

    def take(self, demand: Demand, now: float) -> dict[Axis, float]:
        """A call goes; returns how much was ever drawn on each axis, this call included."""
        for axis, allowance in self._by_axis.items():
            allowance.take(demand.on(axis), now)
        return {axis: allowance.bucket.drawn for axis, allowance in self._by_axis.items()}

    def correct(self, expected: Demand, actual: Demand, now: float) -> None:
        """A call drew something else than expected."""
        for axis, allowance in self._by_axis.items():
            allowance.correct(expected.on(axis), actual.on(axis), now)

    def observe(self, reading: Reading, sent_at: float, drawn: Mapping[Axis, float], now: float) -> None:
        """Take in one response's headers; `drawn` is how much had ever been drawn when its call went."""
        tells_workspace = self._tells_workspace(reading, now)
        for axis, allowance in self._by_axis.items():
            told = reading.on(axis)
            if told is not None and (axis is not Axis.TOKENS or tells_workspace):
                so_far = allowance.bucket.drawn
                allowance.observe(told, sent_at, max(0.0, so_far - drawn.get(axis, so_far)), now)

    def begin(self, now: float) -> None:
        """A first answer is there: work starts from the refill, and from what headers show to be there."""
        for allowance in self._by_axis.values():
            allowance.begin(now)

    def drain(self, now: float) -> None:
        """Work starts again from the refill alone."""
        for allowance in self._by_axis.values():
            allowance.drain(now)

    def pressure(self, now: float, axis: Axis | None = None) -> float:
        """How much of the limits, or of one, is in use, by anybody."""
        if axis is not None:
            return self._by_axis[axis].pressure(now)
        return max(allowance.pressure(now) for allowance in self._by_axis.values())

    def status(self, now: float) -> tuple[BucketStatus, ...]:
        """How they stand."""
        return tuple(allowance.status(now) for allowance in self._by_axis.values())

    def memory(self) -> dict[str, float]:
        """The limits that headers named."""
        return {axis.value: one.limit_per_min for axis, one in self._by_axis.items() if one.limit_is_told}

    def recall(self, limits: Mapping[str, float], now: float) -> None:
        """Take up limits that headers named to an earlier process. Nothing is filled."""
        for axis in OWN_AXES:
            limit = float(limits.get(axis.value, 0.0))
            if limit > 0:
                self._by_axis[axis].adopt_limit(limit, now)
                self._by_axis[axis].limit_is_told = True

    def _tells_workspace(self, reading: Reading, now: float) -> bool:
        """The combined family is a workspace's limit only where it is less than input plus output."""
        told = reading.tokens
        if told is None or told.limit is None or told.limit <= 0:
            return False
        both = 0.0
        for axis in (Axis.INPUT_TOKENS, Axis.OUTPUT_TOKENS):
            own = reading.on(axis)
            both += self._by_axis[axis].limit_per_min if own is None or own.limit is None else own.limit
        if told.limit >= both:
            if now - self._workspace_told_at >= WORKSPACE_REMEMBERED_S:
                self._by_axis.pop(Axis.TOKENS, None)
            return False
        self._workspace_told_at = now
        if Axis.TOKENS not in self._by_axis:
            self._by_axis[Axis.TOKENS] = Allowance(Axis.TOKENS, float(told.limit), self._pace, now)
        return True

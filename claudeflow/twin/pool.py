"""The limits that some models share: those of the organisation, and those of a workspace within it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from claudeflow.twin.headers import FAST, STANDARD, Gauges, summed
from claudeflow.twin.limits import INPUT_TOKENS, OUTPUT_TOKENS, REQUESTS, TOKENS, Allowance, Gauge, Refusal
from claudeflow.twin.models import FAST_SUFFIX
from claudeflow.twin.priority import Commitment
from claudeflow.twin.ramp import Ramp
from claudeflow.twin.tiers import Limits, WorkspaceLimits


class Axis:
    """One axis of a pool: the organisation's allowance, and those of the workspace it also draws on."""

    __slots__ = ("allowances", "own", "workspace")

    def __init__(self, own: Allowance) -> None:
        self.own = own
        self.workspace: Allowance | None = None
        self.allowances: tuple[Allowance, ...] = (own,)

    def limit_workspace(self, workspace: Allowance | None, combined: Allowance | None) -> None:
        """Draw on these from now on as well; `combined` is a limit on input and output together."""
        self.workspace = workspace
        self.allowances = tuple(one for one in (self.own, workspace, combined) if one is not None)

    def refuse(self, now: float) -> Refusal | None:
        """None when a request may pass, else the refusal of the first exhausted allowance."""
        for allowance in self.allowances:
            refusal = allowance.refuse(now)
            if refusal is not None:
                return refusal
        return None

    def take(self, amount: float, now: float) -> None:
        """Charge `amount`, or return it when negative."""
        for allowance in self.allowances:
            allowance.take(amount, now)

    def draw(self, per_s: float, now: float) -> None:
        """From now on `per_s` a second more are charged, or less when negative."""
        for allowance in self.allowances:
            allowance.draw(per_s, now)

    def gauge(self, now: float) -> Gauge:
        """What the headers tell of the organisation's limit."""
        return self.own.gauge(now)

    def tightest(self, now: float) -> Gauge:
        """The gauge of the organisation or of the workspace, whichever has less left."""
        own = self.own.gauge(now)
        if self.workspace is None:
            return own
        return min(own, self.workspace.gauge(now), key=lambda gauge: gauge.level)


@dataclass(frozen=True, slots=True)
class PoolRules:
    """What all pools of a twin have in common; `tells_workspace` says that every header family shows it."""

    burst_s: float | None = None
    ramp_start_rpm: int | None = None
    ramp_growth: float = 2.0
    tells_workspace: bool = False


class Pool:
    """The limits of one pool. `refused` counts refusals by kind."""

    def __init__(self, name: str, limits: Limits, rules: PoolRules, now: float) -> None:
        self.name = name
        self.limits = limits
        self.workspace = WorkspaceLimits()
        self.requests = Axis(Allowance(REQUESTS, limits.rpm, rules.burst_s, now))
        self.input = Axis(Allowance(INPUT_TOKENS, limits.itpm, rules.burst_s, now))
        self.output = Axis(Allowance(OUTPUT_TOKENS, limits.otpm, rules.burst_s, now))
        self.combined: Allowance | None = None
        self.commitment: Commitment | None = None
        self.refused: Counter[str] = Counter()
        self.closed_until = (now, now)
        self._prefix = FAST if name.endswith(FAST_SUFFIX) else STANDARD
        self._rules = rules
        self._since = now
        self._ramp = Ramp(rules.ramp_start_rpm, rules.ramp_growth) if rules.ramp_start_rpm else None

    @property
    def axes(self) -> tuple[Axis, Axis, Axis]:
        """Requests, input and output."""
        return self.requests, self.input, self.output

    def admit(self, input_tokens: int, now: float) -> Refusal | None:
        """Charge one request and its estimated input, or say which allowance is exhausted.

        A request that is refused for its tokens has still been counted as a request.
        """
        refusal = self._admit(input_tokens, now)
        if refusal is not None:
            self.refused[refusal.kind] += 1
        return refusal

    def gauges(self, now: float, *, priority: bool, requests: Gauge | None = None) -> Gauges:
        """What the headers tell now; `requests` as of an earlier moment.

        `priority` says that the call may be covered by a commitment, if there is one.
        """
        if self._rules.tells_workspace:
            incoming, outgoing = self.input.tightest(now), self.output.tightest(now)
        else:
            incoming, outgoing = self.input.gauge(now), self.output.gauge(now)
        return Gauges(
            requests or self.requests_gauge(now),
            incoming,
            outgoing,
            self._tightest_tokens(now),
            self.commitment.gauges(now) if priority and self.commitment is not None else None,
            self._prefix,
        )

    def requests_gauge(self, now: float) -> Gauge:
        """What the headers tell of requests."""
        return self.requests.tightest(now) if self._rules.tells_workspace else self.requests.gauge(now)

    def change(self, limits: Limits, now: float) -> None:
        """Put other limits of the organisation in force."""
        self.limits = limits
        for axis, limit in zip(self.axes, (limits.rpm, limits.itpm, limits.otpm), strict=True):
            axis.own.change(limit, now)

    def change_workspace(self, limits: WorkspaceLimits, now: float) -> None:
        """Put other limits of the workspace in force; None is no limit."""
        self.workspace = limits
        self.combined = self._renewed(self.combined, TOKENS, limits.tpm, now)
        wanted = (limits.rpm, limits.itpm, limits.otpm)
        for axis, limit in zip(self.axes, wanted, strict=True):
            allowance = self._renewed(axis.workspace, axis.own.dimension, limit, now)
            axis.limit_workspace(allowance, None if axis is self.requests else self.combined)

    def _renewed(
        self, old: Allowance | None, dimension: str, limit: int | None, now: float
    ) -> Allowance | None:
        if limit is None:
            return None
        if old is None:
            return Allowance(dimension, limit, self._rules.burst_s, now, workspace=True)
        old.change(limit, now)
        return old

    def _admit(self, input_tokens: int, now: float) -> Refusal | None:
        refusal = self.requests.refuse(now)
        if refusal is None and self._ramp is not None:
            refusal = self._ramp.refuse(now - self._since)
        if refusal is not None:
            return refusal
        self.requests.take(1, now)
        if self._ramp is not None:
            self._ramp.count(now - self._since)
        refusal = self.input.refuse(now) or self.output.refuse(now)
        if refusal is None:
            self.input.take(input_tokens, now)
        return refusal

    def _tightest_tokens(self, now: float) -> Gauge | None:
        """The workspace's limit on tokens where less is left of it than of the organisation's."""
        workspace = [self.combined.gauge(now)] if self.combined is not None else []
        if self.input.workspace is not None or self.output.workspace is not None:
            parts = [(axis.workspace or axis.own).gauge(now) for axis in (self.input, self.output)]
            workspace.append(summed(*parts))
        if not workspace:
            return None
        own = summed(self.input.gauge(now), self.output.gauge(now))
        tightest = min((own, *workspace), key=lambda gauge: gauge.level)
        return None if tightest is own else tightest

"""Lessons: what a new episode of 429s corrects, by its diagnosis. Once, however many calls it turned away."""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.domain.quota import Axis, Demand
from claudeflow.policy.limits.allowances import Allowances
from claudeflow.policy.limits.ceiling import Ceiling
from claudeflow.policy.limits.diagnosis import Cause, Diagnosis
from claudeflow.policy.limits.giants import Giants
from claudeflow.policy.limits.margin import Margin
from claudeflow.policy.limits.ramp import Ramp


@dataclass(frozen=True, slots=True)
class Lessons:
    """Everything of one pool that a 429 may prove wrong."""

    allowances: Allowances
    margin: Margin
    ramp: Ramp
    ceiling: Ceiling
    giants: Giants

    def learn(self, diagnosis: Diagnosis, demand: Demand, others: int, now: float) -> None:
        """A call of this demand was turned away while `others` were in flight."""
        match diagnosis.cause:
            case Cause.CONNECTIONS:
                return
            case Cause.RAMP:
                requests = self.allowances[Axis.REQUESTS].bucket
                self.ramp.exceeded(requests.use(now) * requests.full_rate, now)
                self.margin.slow_down()
            case Cause.HIDDEN_WINDOW if diagnosis.axis is Axis.OUTPUT_TOKENS:
                self.ceiling.generation_too_fast(others, now)
                self.margin.shorten()
            case Cause.HIDDEN_WINDOW:
                self.margin.window_found()
            case Cause.EXHAUSTED:
                self.giants.refused(self.allowances, demand)
                self._exhausted(diagnosis, now)
                self.margin.cut()
            case _:
                if not self._exhausted(diagnosis, now):
                    self.margin.cut()
                    self.margin.shorten()

    def _exhausted(self, diagnosis: Diagnosis, now: float) -> bool:
        """Take in the axis and limit that the message names; True when the limit explains the 429."""
        if diagnosis.axis is None:
            return False
        return self.allowances[diagnosis.axis].exhausted(diagnosis.limit_per_min, now)

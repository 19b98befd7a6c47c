"""Retries: what becomes of a job after a call, within its window and its pool's retry budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Outcome, Overloaded, Rejected, Succeeded, Transient
from claudeflow.domain.job import Job
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.retries.retry import Decision, RetryAfter, Tries, decide
from claudeflow.policy.retries.retry_budget import RetryBudget


class Retries:
    """The retry budgets of all pools."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._budgets: dict[str, RetryBudget] = {}

    def decide(self, job: Job, outcome: Outcome, duration_s: float) -> Decision:
        """What to do with a job whose call took `duration_s`."""
        return self.decide_all([job], outcome, duration_s)[0]

    def decide_all(self, jobs: Sequence[Job], outcome: Outcome, duration_s: float) -> list[Decision]:
        """The same for jobs that shared a call: it counts once, and they are tried again together."""
        clock, pool = self._shared.clock, jobs[0].pool
        chance = clock.chance()
        found = [self._decide(job, outcome, duration_s, chance) for job in jobs]
        is_first = min(job.attempts for job in jobs) == 0
        if is_first and isinstance(outcome, Succeeded | Overloaded | Transient | Rejected):
            self._budget(pool).first_attempt(clock.monotonic())
        delays_s = [decision.delay_s for decision in found if isinstance(decision, RetryAfter)]
        if not delays_s:
            return found
        delay_s, turn_s = max(delays_s), self._budget(pool).retry(clock.monotonic(), clock.chance())
        return [
            replace(one, delay_s=delay_s, turn_s=turn_s) if isinstance(one, RetryAfter) else one
            for one in found
        ]

    def _decide(self, job: Job, outcome: Outcome, duration_s: float, chance: float) -> Decision:
        config = self._shared.config
        window_s = config.lanes.get(job.lane, LaneSettings()).retry_window_s
        tries = Tries(job.attempts, job.trying_ms / 1000 + duration_s, window_s)
        return decide(outcome, tries, config.retry, chance)

    def _budget(self, pool: str) -> RetryBudget:
        settings = self._shared.config.retry.budget
        budget = self._budgets.get(pool)
        if budget is None:
            budget = self._budgets[pool] = RetryBudget(settings, self._shared.clock.monotonic())
        budget.reconfigure(settings)
        return budget

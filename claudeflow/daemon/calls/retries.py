"""Retries: what becomes of a job after a call, within its window and its pool's retry budget."""

from __future__ import annotations

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
        config, clock = self._shared.config, self._shared.clock
        window_s = config.lanes.get(job.lane, LaneSettings()).retry_window_s
        tries = Tries(job.attempts, job.trying_ms / 1000 + duration_s, window_s)
        decision = decide(outcome, tries, config.retry, clock.chance())
        if job.attempts == 0 and isinstance(outcome, Succeeded | Overloaded | Transient | Rejected):
            self._budget(job.pool).first_attempt(clock.monotonic())
        if isinstance(decision, RetryAfter):
            turn_s = self._budget(job.pool).retry(clock.monotonic(), clock.chance())
            return replace(decision, turn_s=turn_s)
        return decision

    def _budget(self, pool: str) -> RetryBudget:
        settings = self._shared.config.retry.budget
        budget = self._budgets.get(pool)
        if budget is None:
            budget = self._budgets[pool] = RetryBudget(settings, self._shared.clock.monotonic())
        budget.reconfigure(settings)
        return budget

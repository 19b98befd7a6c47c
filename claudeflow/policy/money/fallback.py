"""Fallback: which jobs are answered by their cheaper model now, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from claudeflow.domain.job import NewJob
from claudeflow.policy.money.scopes import BudgetScope, CallScope


@dataclass(frozen=True, slots=True)
class Fallback:
    """By the word of the budget `name`, the jobs of `scope` fall back."""

    name: str
    scope: BudgetScope
    reason: str


class FallbackBook:
    """The fallbacks in force."""

    def __init__(self) -> None:
        self.in_force: tuple[Fallback, ...] = ()

    def keep(self, fallbacks: Iterable[Fallback]) -> bool:
        """Exactly these are in force from now on; whether scopes were added or taken away."""
        before = {fallback.scope for fallback in self.in_force}
        self.in_force = tuple(fallbacks)
        return before != {fallback.scope for fallback in self.in_force}

    def reason_for(self, call: CallScope) -> str | None:
        """Why a job falls back; None when it does not."""
        return next((found.reason for found in self.in_force if found.scope.covers(call)), None)

    def as_answered(self, job: NewJob, pool: str) -> NewJob:
        """A new job as it will be answered; `pool` is that of its cheaper model."""
        reason = self.reason_for(CallScope(job.lane, job.workflow))
        if reason is None or job.fallback_model is None:
            return job
        return replace(
            job, model=job.fallback_model, pool=pool, asked_model=job.model, fallback_reason=reason
        )

    def names(self, kind: str) -> list[str]:
        """The lanes or workflows that fall back."""
        return [found.scope.name for found in self.in_force if found.scope.kind == kind]

    @property
    def everything(self) -> bool:
        """Whether all jobs fall back."""
        return any(found.scope.kind == "all" for found in self.in_force)

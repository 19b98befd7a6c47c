"""Assignments: jobs that go now, with all that their call needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claudeflow.daemon.packs.shapes import PackShape
from claudeflow.domain.job import Candidate, Job
from claudeflow.policy.caching.plan import Plan, Turn
from claudeflow.policy.limits.limiter import Permit
from claudeflow.policy.money.accounts import Reservation

if TYPE_CHECKING:
    from claudeflow.daemon.calls.gate import PoolGate


@dataclass(frozen=True, slots=True)
class Member:
    """One of the jobs that share a call."""

    job: Job
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job that goes now, and what its call does about the cache.

    In a pack `members` share the call, and `candidate` stands for all of them; `shape` is what they have
    in common.
    """

    job: Job
    candidate: Candidate
    permit: Permit
    reservation: Reservation
    plan: Plan
    gate: PoolGate
    members: tuple[Member, ...] = ()
    shape: PackShape | None = None

    @property
    def leads(self) -> bool:
        """Whether it writes a cold prefix for those behind it."""
        return self.plan.turn is Turn.LEAD

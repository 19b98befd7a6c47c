"""Admission: scheduler and limiter together name the next job of a pool, or say when there may be one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from claudeflow.domain.job import Candidate
from claudeflow.domain.quota import Demand
from claudeflow.policy.lanes.lane_rules import Outlook
from claudeflow.policy.lanes.scheduler import Scheduler
from claudeflow.policy.limits.limiter import Limiter, Permit


@dataclass(frozen=True, slots=True)
class Size:
    """What a job's call is expected to draw, and what it draws at the very least."""

    expected: Demand
    at_least: Demand


SizeOf = Callable[[Candidate], Size]


@dataclass(frozen=True, slots=True)
class Admitted:
    """This job goes: take it."""

    candidate: Candidate
    demand: Demand
    permit: Permit


@dataclass(frozen=True, slots=True)
class TooLarge:
    """This job can never go; `problem` names the numbers."""

    candidate: Candidate
    problem: str


@dataclass(frozen=True, slots=True)
class Wait:
    """A job that would be next, what it waits for, and until when; None: until something happens."""

    candidate: Candidate
    why: str
    until: float | None


@dataclass(frozen=True, slots=True)
class Nobody:
    """No job may go now. `waits` are those that were turned away, the most deserving first."""

    waits: tuple[Wait, ...]
    again_at: float | None


def admit(
    scheduler: Scheduler, limiter: Limiter, look: Outlook, size_of: SizeOf
) -> Admitted | TooLarge | Nobody:
    """The next job, with its permit. The scheduler is not told yet that it goes."""
    waits: list[Wait] = []
    for pick in scheduler.in_turn(look):
        candidate, size = pick.candidate, size_of(pick.candidate)
        problem = limiter.too_big(size.at_least, size.expected)
        if problem is not None:
            return TooLarge(candidate, problem)
        verdict = limiter.reserve(size.expected, look.now, keep=pick.keep)
        if isinstance(verdict, Permit):
            return Admitted(candidate, size.expected, verdict)
        waits.append(Wait(candidate, verdict.why, verdict.at))
        if limiter.held and not verdict.smaller_may_pass:
            break
        scheduler.must_wait(pick, verdict.at, look, smaller_may_pass=verdict.smaller_may_pass)
    moments = [wait.until for wait in waits] + [scheduler.next_look_at()]
    return Nobody(tuple(waits), min((at for at in moments if at is not None), default=None))

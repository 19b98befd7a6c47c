"""Acting thresholds → the holds, paces and fallbacks that they ask for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause, Scope, ScopeKind
from claudeflow.domain.money import dollars
from claudeflow.policy.money.budget import BudgetStatus
from claudeflow.policy.money.fallback import Fallback
from claudeflow.policy.money.pace import Pace
from claudeflow.policy.money.settings import ThresholdSettings
from claudeflow.policy.money.thresholds import Standing


@dataclass(frozen=True, slots=True)
class Acting:
    """A threshold that acts now, with its budget."""

    status: BudgetStatus
    threshold: ThresholdSettings
    standing: Standing

    @property
    def reason(self) -> str:
        """Why it acts, in words."""
        budget = self.status.budget
        return (
            f"budget {budget.name} of {dollars(budget.limit_nanousd)} a {budget.period}: {self.standing.name}"
        )

    @property
    def owner(self) -> str:
        """Who sets its hold."""
        return f"budget {self.standing.budget}"


def holds_of(acting: Iterable[Acting]) -> list[Hold]:
    """What may not go out: one hold for each budget and scope."""
    found: dict[tuple[str, Scope], Hold] = {}
    for one in acting:
        scope = _held_by(one)
        if scope is not None:
            found.setdefault((one.owner, scope), _hold(one, scope))
    return list(found.values())


def paces_of(acting: Iterable[Acting], now_ms: int) -> list[Pace]:
    """How fast the calls of slowed budgets may spend, so that what is left lasts to the end."""
    return [
        Pace(one.standing.budget, one.status.budget.scope, _rate(one.status, now_ms))
        for one in acting
        if one.threshold.action == "slow"
    ]


def fallbacks_of(acting: Iterable[Acting]) -> list[Fallback]:
    """Whose jobs are answered by their cheaper model."""
    return [
        Fallback(one.standing.budget, one.status.budget.scope, one.reason)
        for one in acting
        if one.threshold.action == "fallback"
    ]


def _held_by(acting: Acting) -> Scope | None:
    """What a threshold holds; None when it holds nothing."""
    scope = acting.status.budget.scope
    match acting.threshold.action:
        case "hold_all":
            return EVERYTHING
        case "hold_lane":
            return Scope(ScopeKind(scope.kind), scope.name)
        case _:
            return None


def _hold(acting: Acting, scope: Scope) -> Hold:
    standing = acting.standing
    return Hold(
        scope,
        HoldCause.BUDGET,
        acting.reason,
        standing.since_ms,
        until_ms=standing.resets_ms,
        set_by=acting.owner,
    )


def _rate(status: BudgetStatus, now_ms: int) -> float:
    """Nano-dollars a second."""
    left = max(0, status.left_nanousd - status.expected_nanousd)
    return left / max(1.0, (status.resets_ms - now_ms) / 1000)

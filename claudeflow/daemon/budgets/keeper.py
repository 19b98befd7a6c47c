"""Budgets at work: every call reserves the most that it can cost before it leaves, and settles after.

The book is in memory; the calls in the store carry the same reservations, so that a daemon that
dies leaves behind what was spent at worst.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from claudeflow.domain.budget import BudgetChange
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.hold import Hold, HoldCause, ScopeKind, scope_from
from claudeflow.domain.job import Candidate
from claudeflow.domain.money import dollars
from claudeflow.domain.usage import Terms, Usage
from claudeflow.policy.caching.plan import Plan
from claudeflow.policy.lanes.parking import LEVEL_OF, Block, Level
from claudeflow.policy.limits.estimate import PACKED
from claudeflow.policy.money.accounts import MustWait, Reservation, Shortage
from claudeflow.policy.money.budget import BudgetBook, BudgetStatus, DaySpend
from claudeflow.policy.money.learned import LearnedCosts
from claudeflow.policy.money.overrides import Overrides
from claudeflow.policy.money.pace import PaceBook
from claudeflow.policy.money.scopes import Budget, CallScope, Lapse
from claudeflow.policy.money.settings import BudgetSettings
from claudeflow.policy.money.upper_bound import Asked, upper_bound

if TYPE_CHECKING:
    from claudeflow.daemon.shared import Shared

SPENT = "budget"
"""The rule of a job that waits for a higher limit or the next period."""

IN_FLIGHT = "budget_in_flight"
"""The rule of a job that waits for calls under way to settle."""

PACE = "budget_pace"
"""The rule of a job that waits for its turn because a budget slows its scope."""

LOOK_AT_CALENDAR_EVERY_S = 60.0
"""The host's clock may be set: what waits for the next period is looked at this often."""


class BudgetKeeper:
    """One per daemon. Times are epoch ms, money is whole nano-dollars."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._learned = LearnedCosts()
        self._on_room: list[Callable[[], None]] = []
        self._on_leaving: list[Callable[[], None]] = []
        self.overrides = Overrides()
        self.paces = PaceBook()
        self.book = BudgetBook()

    def begin(self, spent: Iterable[DaySpend], changes: Iterable[BudgetChange]) -> None:
        """Take up what was spent in this month and the one before, and the limits that people set."""
        self.overrides = Overrides(changes)
        self.book = BudgetBook(self._in_force(), spent)

    def reconfigure(self) -> bool:
        """The configuration may have changed, or a limit that was set: whether any budget is another now."""
        budgets = self._in_force()
        if budgets == self.book.budgets:
            return False
        self.book.reconfigure(budgets)
        return True

    def on_room(self, told: Callable[[], None]) -> None:
        """Tell somebody whenever a reservation came back."""
        self._on_room.append(told)

    def on_leaving(self, told: Callable[[], None]) -> None:
        """Tell somebody whenever a call has reserved and is about to leave."""
        self._on_leaving.append(told)

    def bound(self, candidate: Candidate, plan: Plan, now_ms: int, *, batch: bool = False) -> int:
        """The most that the job's next call can cost, marked as planned. Raises UnknownModel."""
        asked = Asked(
            candidate.most_input_tokens,
            candidate.max_tokens,
            candidate.most_web_searches,
            candidate.terms,
            plan.dearest_ttl or "none",
            batch,
        )
        return upper_bound(self._shared.prices, candidate.model, asked, now_ms)

    def may_stop(self, candidate: Candidate) -> bool:
        """Whether the job must be judged at all: there are budgets, or its price may not be known."""
        return bool(self.book.budgets) or bool(candidate.terms & Terms.FAST)

    def block(self, candidate: Candidate, plan: Plan, *, in_turn: bool = False) -> Block | None:
        """Why the job may not go for want of money; `status` tells of those whose turn it is.

        Raises UnknownModel.
        """
        now_ms = self._shared.clock.epoch_ms()
        refusal = self.book.refusal(_scope_of(candidate), self.bound(candidate, plan, now_ms), now_ms)
        if refusal is None:
            return self._slowed(candidate)
        if in_turn:
            self.book.turned_away(refusal, now_ms)
        return self._block_of(refusal, now_ms)

    def reserve(
        self, candidate: Candidate, plan: Plan, now_ms: int, *, batch: bool = False
    ) -> Reservation | Block:
        """Reserve for a call that is opened now. Whoever has the reservation settles it, come what may.

        Raises UnknownModel.
        """
        bound = self.bound(candidate, plan, now_ms, batch=batch)
        expected = self._expected(candidate, bound, now_ms)
        verdict = self.book.reserve(_scope_of(candidate), bound, expected, now_ms)
        if isinstance(verdict, MustWait):
            return self._block_of(verdict, now_ms)
        self.paces.went(_scope_of(candidate), expected, self._shared.clock.monotonic())
        for told in self._on_leaving:
            told()
        return verdict

    def settle(self, reservation: Reservation, cost_nanousd: int | None) -> None:
        """The call is in the books: at its cost, or as unknown (None). Only the first time counts."""
        if not self.book.settle(reservation, cost_nanousd):
            return
        if cost_nanousd is not None and cost_nanousd > reservation.bound_nanousd:
            numbers = f"{cost_nanousd:,} nano-dollars, reserved were {reservation.bound_nanousd:,}"
            self._shared.emit(OwnTrouble("reserving for a call", f"it cost {numbers}"))
        for told in self._on_room:
            told()

    def settle_part(
        self, reservation: Reservation, bound_nanousd: int, cost_nanousd: int | None
    ) -> Reservation:
        """One call of several is in the books; what is left for the others."""
        rest = self.book.settle_part(reservation, bound_nanousd, cost_nanousd)
        for told in self._on_room:
            told()
        return rest

    def slowed(self, candidate: Candidate) -> Block | None:
        """Why the job must wait for its turn at a slower pace."""
        return self._slowed(candidate)

    def learn(self, workflow: str, model: str, cost_nanousd: int, items: int = 1) -> None:
        """A call of this kind cost so much, for so many jobs. Shared calls are a kind of their own."""
        self._learned.learn(_kind_of(workflow, items), model, cost_nanousd // items)

    def status(self) -> tuple[BudgetStatus, ...]:
        """How every budget stands."""
        return self.book.status(self._shared.clock.epoch_ms())

    def holds(self) -> tuple[Hold, ...]:
        """The hard budgets that have no room, as people see holds. What still fits goes all the same."""
        return tuple(_hold_of(status) for status in self.status() if status.state == "held")

    def _in_force(self) -> list[Budget]:
        now_ms = self._shared.clock.epoch_ms()
        return [
            self._budget_at(name, settings, now_ms) for name, settings in self._shared.config.budgets.items()
        ]

    def _budget_at(self, name: str, settings: BudgetSettings, at_ms: int) -> Budget:
        """The budget with the limit that was set and is in force then, and with what follows when it ends."""
        budget = Budget.of(name, settings)
        change = self.overrides.of(name, settings.limit_nanousd, at_ms)
        if change is None:
            return budget
        until_ms = change.until_ms
        lapse = None if until_ms is None else Lapse(until_ms, self._budget_at(name, settings, until_ms))
        return replace(budget, limit_nanousd=change.limit_nanousd, lapse=lapse)

    def _slowed(self, candidate: Candidate) -> Block | None:
        """Why the job must wait for its turn at a slower pace."""
        now = self._shared.clock.monotonic()
        slowed = self.paces.slowed(_scope_of(candidate), now)
        if slowed is None:
            return None
        pace = slowed.pace
        rate = f"{dollars(round(pace.nanousd_per_s * 3600))} an hour"
        why = f"budget {pace.name} slows {pace.scope} to {rate}, so that what is left lasts to its end"
        over_at = math.inf if slowed.until is None else slowed.until
        look_again_at = min(now + LOOK_AT_CALENDAR_EVERY_S, over_at)
        return Block(LEVEL_OF[ScopeKind(pace.scope.kind)], PACE, why, look_again_at, over_at)

    def _expected(self, candidate: Candidate, bound_nanousd: int, now_ms: int) -> int:
        """What the call is likely to cost."""
        learned = self._learned.of(_kind_of(candidate.workflow, candidate.items), candidate.model)
        if learned is None:
            demand = self._shared.estimator.demand(candidate, warm=False)
            usage = Usage(round(demand.input_tokens), output_tokens=round(demand.output_tokens))
            learned = self._shared.prices.bill(candidate.model, usage, now_ms).cost_nanousd // candidate.items
        return min(learned * candidate.items, bound_nanousd)

    def _block_of(self, refusal: MustWait, now_ms: int) -> Block:
        """What a refusal parks: everything that the budget covers, or the one job that is too dear."""
        level = LEVEL_OF[ScopeKind(refusal.budget.scope.kind)]
        if refusal.until_ms is None:
            return Block(level, IN_FLIGHT, refusal.why)
        if refusal.shortage is Shortage.TOO_DEAR:
            level = Level.JOB
        turn_s = max(0.0, (refusal.until_ms - now_ms) / 1000)
        now = self._shared.clock.monotonic()
        return Block(level, SPENT, refusal.why, now + min(turn_s, LOOK_AT_CALENDAR_EVERY_S), now + turn_s)


def _hold_of(status: BudgetStatus) -> Hold:
    budget = status.budget
    return Hold(
        scope_from(str(budget.scope)),
        HoldCause.BUDGET,
        _why_held(status),
        status.begins_ms if status.since_ms is None else status.since_ms,
        until_ms=status.resets_ms,
        set_by=f"budget {budget.name}",
        is_limit=True,
    )


def _why_held(status: BudgetStatus) -> str:
    why = status.why or ""
    if status.left_nanousd <= 0:
        return why
    left = dollars(status.left_nanousd)
    return f"{why}; only calls that may cost more than the {left} left wait, others go"


def _kind_of(workflow: str, items: int) -> str:
    return workflow if items == 1 else f"{workflow}\n{PACKED}"


def _scope_of(candidate: Candidate) -> CallScope:
    return CallScope(candidate.lane, candidate.workflow)

"""Budget actions: what the thresholds of budgets do, begun and ended as the books and people say.

What is in force follows from the record of what happened (`budget_changes`) and from the books: a
daemon that starts finds both in the store and goes on where its predecessor was.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Protocol

from claudeflow.daemon.acting import Acting, fallbacks_of, holds_of, paces_of
from claudeflow.daemon.fallbacks import Floor as SwitchingFloor
from claudeflow.daemon.fallbacks import Switching
from claudeflow.daemon.forecasts import Forecasts
from claudeflow.daemon.shared import Shared
from claudeflow.domain.budget import BudgetAct, BudgetChange
from claudeflow.domain.budget_events import BudgetChanged, BudgetEased, BudgetThreshold
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import (
    CallEnded,
    ConfigReloaded,
    Event,
    HoldReleased,
    HoldSet,
    OwnTrouble,
)
from claudeflow.domain.hold import CLAUDEFLOW, Hold, HoldAction, HoldChange
from claudeflow.policy.money.budget import BudgetStatus
from claudeflow.policy.money.settings import ThresholdSettings
from claudeflow.policy.money.thresholds import Reading, ThresholdBook, Turn
from claudeflow.policy.retries.holds import Change
from claudeflow.store import budget_changes as store
from claudeflow.store import holds as store_holds

LOOK_EVERY_S = 1.0

LOOK_AT_CALENDAR_EVERY_S = 60.0
"""While no call comes back: a period turns, and what was set until then ends."""

RECORD_MS = 62 * 86_400_000
"""So much of the record decides what is in force: a month and the one before."""

NO_LONGER = "what the budget did is over"


class Floor(SwitchingFloor, Protocol):
    """What actions need of whoever works on jobs."""

    def wake(self) -> None:
        """Something changed: look again at what may go."""
        ...


class BudgetActions:
    """One per daemon. Looks while calls come back, and once a minute while something is in force."""

    def __init__(self, shared: Shared, floor: Floor) -> None:
        self._shared = shared
        self._floor = floor
        self._switching = Switching(shared, floor)
        self._alarm: asyncio.TimerHandle | None = None
        self._swept = False
        self.forecasts = Forecasts(shared)
        self.thresholds = ThresholdBook()
        self.needed = asyncio.Event()
        """Set while there may be something to do."""

    async def begin(self) -> None:
        """Go on where the record ends. Raises StoreError."""
        since_ms = self._shared.clock.epoch_ms() - RECORD_MS
        self.thresholds = ThresholdBook(
            await self._shared.store.read(partial(store.in_force, since_ms=since_ms))
        )
        self._shared.holds.keep_of_budgets(holds_of(self.acting()))
        self._shared.fallbacks.keep(fallbacks_of(self.acting()))
        self.needed.set()

    def apply(self, event: Event) -> None:
        """Look again after a call, and when the configuration has changed."""
        if isinstance(event, ConfigReloaded) or (
            isinstance(event, CallEnded) and self._shared.config.budgets
        ):
            self.needed.set()

    async def look(self) -> None:
        """Begin and end what thresholds do."""
        try:
            if self._shared.budgets.reconfigure():
                self._floor.wake()
            await self.forecasts.refresh()
            now_ms = self._shared.clock.epoch_ms()
            turns = self.thresholds.judge(self._readings(), now_ms)
            if turns:
                changes = [_recorded(turn, now_ms) for turn in turns]
                await self._shared.store.write(partial(store.note, changes=changes))
            for turn in turns:
                self._tell(turn)
            await self._enforce()
        except StoreError as problem:
            self._shared.emit(OwnTrouble("acting on a budget", str(problem)))
        self._sleep_if_idle()

    async def change(self, change: BudgetChange) -> None:
        """Somebody sets a limit or releases a budget: keep it, and act on it at once. Raises StoreError."""
        await self._shared.store.write(partial(store.note, changes=[change]))
        if change.act is BudgetAct.SET:
            self._shared.budgets.overrides.note(change)
            self.thresholds.limit_set(change.budget)
        else:
            self.thresholds.release(change.budget, change.until_ms or 0)
        self._shared.emit(BudgetChanged(change))
        await self.look()

    async def let_go(self, hold: Hold, reason: str, who: str) -> None:
        """Release the budget that holds something. Raises StoreError."""
        owning = [one.status for one in self.acting() if one.owner == hold.set_by]
        for status in owning[:1]:
            budget = status.budget
            await self.change(
                BudgetChange(
                    self._shared.clock.epoch_ms(),
                    budget.name,
                    BudgetAct.RELEASED,
                    reason,
                    who,
                    budget.limit_nanousd,
                    status.resets_ms,
                )
            )

    def acting(self) -> list[Acting]:
        """The thresholds that act now."""
        now_ms, budgets = self._shared.clock.epoch_ms(), self._shared.config.budgets
        standing = {(found.budget, found.name): found for found in self.thresholds.in_force(now_ms)}
        return [
            Acting(status, threshold, found)
            for status in self._shared.budgets.status()
            for threshold in budgets[status.budget.name].thresholds
            if (found := standing.get((status.budget.name, threshold.name))) is not None
        ]

    def _readings(self) -> list[Reading]:
        return [self._reading(status) for status in self._shared.budgets.status()]

    def _reading(self, status: BudgetStatus) -> Reading:
        expected = self.forecasts.of(status)
        return Reading(
            status.budget.name,
            status.budget.limit_nanousd,
            status.spent_nanousd + status.unknown_nanousd + status.expected_nanousd,
            None if expected is None else expected.nanousd,
            status.resets_ms,
            self._shared.config.budgets[status.budget.name].thresholds,
        )

    async def _enforce(self) -> None:
        """Hold, slow and fall back as the thresholds in force say, and no more. Raises StoreError."""
        shared, acting = self._shared, self.acting()
        held = shared.holds.keep_of_budgets(holds_of(acting))
        paces = paces_of(acting, shared.clock.epoch_ms())
        paced = shared.budgets.paces.keep(paces, shared.clock.monotonic())
        switched = shared.fallbacks.keep(fallbacks_of(acting))
        if held != Change() or paced or switched:
            self._floor.wake()
        await self._tell_holds(held)
        if switched or not self._swept or self._may_fall_back():
            await self._switching.sweep()
            self._swept = True

    def _may_fall_back(self) -> bool:
        """Whether jobs that come back from a call may be for the wrong model by now."""
        budgets = self._shared.config.budgets.values()
        return any(one.action == "fallback" for budget in budgets for one in budget.thresholds)

    async def _tell_holds(self, change: Change) -> None:
        if change == Change():
            return
        now_ms = self._shared.clock.epoch_ms()
        for hold in change.begun:
            self._shared.emit(HoldSet(hold))
        for hold in change.ended:
            self._shared.emit(HoldReleased(hold.scope, NO_LONGER, hold.cause))
        changes = [
            *(_audited(hold, HoldAction.SET, hold.reason, now_ms) for hold in change.begun),
            *(_audited(hold, HoldAction.RELEASED, NO_LONGER, now_ms) for hold in change.ended),
        ]
        await self._shared.store.write(partial(store_holds.keep, changes=changes))

    def _tell(self, turn: Turn) -> None:
        if turn.reason:
            self._shared.emit(BudgetEased(turn.standing.budget, turn.standing.name, turn.reason))
        elif turn.is_new and turn.reading is not None and turn.threshold is not None:
            self._shared.emit(self._reached(turn.reading, turn.threshold))

    def _reached(self, reading: Reading, threshold: ThresholdSettings) -> BudgetThreshold:
        return BudgetThreshold(
            budget=reading.budget,
            scope=self._shared.config.budgets[reading.budget].scope,
            action=threshold.action,
            at_share=threshold.at,
            forecast=threshold.forecast,
            share=reading.share(threshold) or 0.0,
            spent_nanousd=reading.spent_nanousd,
            forecast_nanousd=reading.forecast_nanousd,
            limit_nanousd=reading.limit_nanousd,
            until_ms=reading.resets_ms,
        )

    def _sleep_if_idle(self) -> None:
        """Until a call comes back only the calendar changes anything."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        statuses = self._shared.budgets.status()
        if any(status.in_flight for status in statuses):
            return
        self.needed.clear()
        if self.acting() or self._shared.budgets.overrides.any_until():
            turn_s = (min(one.resets_ms for one in statuses) - self._shared.clock.epoch_ms()) / 1000
            delay_s = min(LOOK_AT_CALENDAR_EVERY_S, max(0.0, turn_s) + 0.001)
            self._alarm = asyncio.get_running_loop().call_later(delay_s, self.needed.set)


def _recorded(turn: Turn, now_ms: int) -> BudgetChange:
    standing = turn.standing
    act = BudgetAct.ENDED if turn.reason else BudgetAct.REACHED
    reason = turn.reason or "the threshold was reached"
    limit, resets_ms = standing.limit_nanousd, standing.resets_ms
    return BudgetChange(now_ms, standing.budget, act, reason, CLAUDEFLOW, limit, resets_ms, standing.name)


def _audited(hold: Hold, action: HoldAction, reason: str, now_ms: int) -> HoldChange:
    return HoldChange(now_ms, action, hold.scope, hold.cause, reason, CLAUDEFLOW, hold.until_ms)
